//! A file mapped into memory, read only.
#![expect(unsafe_code, reason = "the mapping call is the one unsafe operation of the workspace")]

use std::fs::File;
use std::path::Path;

use crate::error::Error;

/// A file's bytes, mapped read only. An empty file is an empty slice.
#[derive(Debug)]
pub struct Mmap(memmap2::Mmap);

/// How a mapped file is about to be read: a hint to the system, never a change of what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// The system's own reading ahead.
    Normal,
    /// Here and there: no reading ahead.
    Random,
    /// From front to back: reading far ahead.
    Sequential,
    /// All of it, soon.
    WillNeed,
}

impl Mmap {
    /// Maps the file at `path`.
    ///
    /// # Errors
    /// A file that cannot be opened or mapped.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
        // SAFETY: the mapping is read only, and its bytes are only handed out as `&[u8]`, for which they must not change.
        // A snapshot's files never do: every program writes them under a temporary name, renames the finished directory,
        // and later only unlinks it, which leaves mapped pages alone. Someone with the right to truncate a file of the
        // directory by hand could still end the process by a signal; a copy would cost the memory the mapping saves.
        let map = unsafe { memmap2::Mmap::map(&file) };
        map.map(Self).map_err(|source| Error::Io { path: path.to_owned(), source })
    }

    /// Hints at how the file is about to be read. A system that does not take the hint is none the worse.
    pub fn advise(&self, access: Access) {
        let advice = match access {
            Access::Normal => memmap2::Advice::Normal,
            Access::Random => memmap2::Advice::Random,
            Access::Sequential => memmap2::Advice::Sequential,
            Access::WillNeed => memmap2::Advice::WillNeed,
        };
        if !self.0.is_empty() {
            // A hint: a failure changes speed, not results.
            self.0.advise(advice).ok();
        }
    }
}

impl AsRef<[u8]> for Mmap {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}
