//! Calls to the system that name what they were about when they fail.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use memiavl_iter::{TMP_SUFFIX, parse_snapshot_name};

use crate::error::{Doing, Error, Result};
use crate::snapshot::current::CURRENT;

/// Names the call and the path of a system error.
pub(crate) trait IoResult<T> {
    /// What was being done, to which path.
    fn doing(self, doing: Doing, path: &Path) -> Result<T>;
}

impl<T> IoResult<T> for io::Result<T> {
    fn doing(self, doing: Doing, path: &Path) -> Result<T> {
        self.map_err(|source| Error::Io { doing, path: path.to_owned(), source })
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).doing(Doing::Sync, dir)
}

/// Removes a directory so that a crash leaves it whole or as garbage: it takes a temporary name first.
pub(crate) fn remove_dir(dir: &Path) -> Result<()> {
    let temporary = temporary_name(dir);
    remove_leftover(&temporary)?;
    fs::rename(dir, &temporary).doing(Doing::Rename, dir)?;
    remove_leftover(&temporary)
}

/// Makes `to` a hard link to the file at `from`, which is never written again, or a copy of it where there can be none.
pub(crate) fn link_or_copy(from: &Path, to: &Path) -> Result<()> {
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            fs::copy(from, to).doing(Doing::Write, to)?;
            File::open(to).and_then(|file| file.sync_all()).doing(Doing::Sync, to)
        }
        linked => linked.doing(Doing::Link, to),
    }
}

/// The name of `path` while it is unfinished.
pub(crate) fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(TMP_SUFFIX);
    name.into()
}

/// Whether `name` is that of an unfinished snapshot or link. Other names, however they end, are not ours to remove.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.strip_suffix(TMP_SUFFIX).is_some_and(|name| name == CURRENT || parse_snapshot_name(name).is_some())
}

/// Removes what an interrupted write left in `dir`.
pub(crate) fn remove_temporary(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).doing(Doing::List, dir)? {
        let entry = entry.doing(Doing::List, dir)?;
        if entry.file_name().to_str().is_some_and(is_temporary) {
            remove_leftover(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes the directory, link or file at `path`, if there is one. A directory's name is made durable first: it may have been
/// renamed to it, and a power cut must not give it back the name that it had with half of its files.
pub(crate) fn remove_leftover(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).doing(Doing::Read, path),
        Ok(found) if found.is_dir() => {
            path.parent().map_or(Ok(()), sync_dir)?;
            fs::remove_dir_all(path).doing(Doing::Remove, path)
        }
        Ok(_) => fs::remove_file(path).doing(Doing::Remove, path),
    }
}
