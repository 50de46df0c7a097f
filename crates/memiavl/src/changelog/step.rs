//! Changes of the log's directory, one system call each, so that a test can stop between any two.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::changelog::error::{LogError, Result};
use crate::error::Doing;

/// Permissions of a segment, as the library gives them.
pub(super) const FILE_MODE: u32 = 0o640;

/// One change. Running a list of them again after an interruption is not needed: opening the log finds out what is left.
#[derive(Debug)]
pub(super) enum Step {
    /// Copies the bytes of `from` between two offsets into a new file, and syncs it.
    Copy {
        from: PathBuf,
        start: u64,
        end: u64,
        to: PathBuf,
    },
    /// Makes an empty file.
    Create(PathBuf),
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove(PathBuf),
    /// Cuts a file to a length, and syncs it.
    Cut {
        path: PathBuf,
        length: u64,
    },
    /// Makes the names in a directory durable.
    SyncDir(PathBuf),
}

impl Step {
    pub(super) fn run(&self) -> Result<()> {
        match self {
            Self::Copy { from, start, end, to } => {
                copy(from, *start, *end, to).map_err(|source| io_error(Doing::Write, to, source))
            }
            Self::Create(path) => create(path).map(drop).map_err(|source| io_error(Doing::Write, path, source)),
            Self::Rename { from, to } => fs::rename(from, to).map_err(|source| io_error(Doing::Rename, from, source)),
            Self::Remove(path) => fs::remove_file(path).map_err(|source| io_error(Doing::Remove, path, source)),
            Self::Cut { path, length } => cut(path, *length).map_err(|source| io_error(Doing::Write, path, source)),
            Self::SyncDir(path) => sync_dir(path),
        }
    }
}

pub(super) fn io_error(doing: Doing, path: &Path, source: io::Error) -> LogError {
    LogError::Io { doing, path: path.to_owned(), source }
}

pub(super) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(FILE_MODE).open(path)
}

pub(super) fn sync_dir(path: &Path) -> Result<()> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(|source| io_error(Doing::Sync, path, source))
}

fn copy(from: &Path, start: u64, end: u64, to: &Path) -> io::Result<()> {
    let mut from = File::open(from)?;
    from.seek(SeekFrom::Start(start))?;
    let mut to = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(to)?;
    let copied = io::copy(&mut from.take(end - start), &mut to)?;
    if copied != end - start {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    to.sync_all()
}

fn cut(path: &Path, length: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(length)?;
    file.sync_all()
}
