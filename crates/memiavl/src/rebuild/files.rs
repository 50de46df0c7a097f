//! Files that are appended to, and cut to where they stood at a mark.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::PathBuf;

use crate::error::{Doing, Error, Result};
use crate::snapshot::IoResult;

/// Bytes gathered before a write call.
const BUFFER_BYTES: usize = 256 << 10;

/// A file that only grows.
pub(super) struct Appended {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Appended {
    pub(super) fn create(path: PathBuf) -> Result<Self> {
        let file = File::create_new(&path).doing(Doing::Write, &path)?;
        Ok(Self { path, file: BufWriter::with_capacity(BUFFER_BYTES, file) })
    }

    /// The file at `path`, cut to `bytes`.
    pub(super) fn resume(path: PathBuf, bytes: u64) -> Result<Self> {
        let mut file = OpenOptions::new().write(true).open(&path).doing(Doing::Read, &path)?;
        let got = file.metadata().doing(Doing::Read, &path)?.len();
        if got < bytes {
            return Err(Error::RebuildLost { path });
        }
        file.set_len(bytes).doing(Doing::Write, &path)?;
        file.seek(SeekFrom::End(0)).doing(Doing::Write, &path)?;
        Ok(Self { path, file: BufWriter::with_capacity(BUFFER_BYTES, file) })
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).doing(Doing::Write, &self.path)
    }

    /// Puts on disk what was appended.
    pub(super) fn sync(&mut self) -> Result<()> {
        self.file.flush().doing(Doing::Write, &self.path)?;
        self.file.get_ref().sync_all().doing(Doing::Sync, &self.path)
    }
}
