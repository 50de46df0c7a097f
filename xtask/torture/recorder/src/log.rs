//! The log: records one after the other, numbers little endian.
//!
//! ```text
//! kind u8 | thread u32 | ino u64 | a u64 | b u64 | path length u16, path | second path length u16, second path
//!         | data length u32, data
//!
//! kind              ino            a                 b                 paths                data
//!  1 create         the new file   1 directory       0                 path
//!  2 write          the file       offset            0                                      the bytes written
//!  3 truncate       the file       new length        0
//!  4 sync           what is synced 1 directory       1 data only
//!  5 rename         what moves     0                 0                 from, to
//!  6 unlink         what goes      1 directory       0                 path
//!  7 link           the file       0                 0                 existing, new
//!  8 symlink        the link       0                 0                 path                 the target
//!  9 allocate       the file       end of the range  1 keeps the size
//! 10 marker         0              0                 0                                      the text
//! 11 escape         the file       0                 0                 what went unseen
//! 12 failed sync    what is not    1 directory       1 data only
//! ```
//! `thread` is the number that the system gave the calling thread. Paths are relative to the directory; the directory itself
//! is the empty path.

use std::os::fd::RawFd;

use crate::real;

/// What a record says.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Create = 1,
    Write = 2,
    Truncate = 3,
    Sync = 4,
    Rename = 5,
    Unlink = 6,
    Link = 7,
    Symlink = 8,
    Allocate = 9,
    Marker = 10,
    Escape = 11,
    FailedSync = 12,
}

/// A record.
pub(crate) struct Record<'a> {
    pub(crate) kind: Kind,
    pub(crate) ino: u64,
    pub(crate) a: u64,
    pub(crate) b: u64,
    pub(crate) path: &'a [u8],
    pub(crate) second: &'a [u8],
    pub(crate) data: &'a [u8],
}

impl Record<'_> {
    pub(crate) const fn of(kind: Kind, ino: u64) -> Self {
        Self { kind, ino, a: 0, b: 0, path: &[], second: &[], data: &[] }
    }

    /// Appends the record to the log. A log that cannot be written ends the process: a gap would prove nothing.
    pub(crate) fn append(&self, log: RawFd) {
        let mut bytes = Vec::with_capacity(37 + self.path.len() + self.second.len() + self.data.len());
        bytes.push(self.kind as u8);
        bytes.extend_from_slice(&real::thread().to_le_bytes());
        for number in [self.ino, self.a, self.b] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for path in [self.path, self.second] {
            bytes.extend_from_slice(&u16::try_from(path.len()).unwrap_or(u16::MAX).to_le_bytes());
            bytes.extend_from_slice(&path[..path.len().min(usize::from(u16::MAX))]);
        }
        bytes.extend_from_slice(&u32::try_from(self.data.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(self.data);
        if !real::write_all(log, &bytes) {
            real::abort("torture-recorder: the log cannot be written");
        }
    }
}
