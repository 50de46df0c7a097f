//! Failing an operation: which one, how, and for how long.

use std::ffi::c_int;

/// How an operation fails.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The device fails.
    Io,
    /// The device is full. What frees space goes on.
    Full,
    /// Half of the bytes are written, and no error is told: allowed, and programs forget it.
    Short,
    /// The device fails when it is to make durable what the system still holds, and the system lets go of that.
    Sync,
}

/// What kind of operation asks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    /// Writes so many bytes.
    Write(usize),
    /// Needs space: creating, allocating.
    Space,
    /// Syncs, which needs space for what was written.
    Sync,
    /// Needs none: removing, renaming, cutting.
    Other,
    /// Reads.
    Read,
}

/// What becomes of an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Goes,
    Fails(c_int),
    /// Writes only so many bytes.
    Writes(usize),
}

/// The fault in force.
#[derive(Default)]
pub(crate) struct Faults {
    armed: Option<(Way, bool)>,
    at: u64,
    /// Operations that the armed fault could have failed.
    pub(crate) seen: u64,
    /// Operations that it did fail.
    pub(crate) met: u64,
    /// The first of them.
    pub(crate) first: String,
}

impl Faults {
    /// Fails the operation `at`, counted from 1, and if `for_ever` all behind it.
    pub(crate) fn arm(&mut self, way: Way, at: u64, for_ever: bool) {
        *self = Self { armed: Some((way, for_ever)), at, ..Self::default() };
    }

    /// From now on everything goes.
    pub(crate) fn lift(&mut self) {
        self.armed = None;
    }

    /// Decides about an operation on `path`.
    pub(crate) fn judge(&mut self, name: &str, asks: Asks, path: &[u8]) -> Verdict {
        let Some((way, for_ever)) = self.armed else { return Verdict::Goes };
        let concerned = match (way, asks) {
            (Way::Io, _) => true,
            (Way::Full, Asks::Write(_) | Asks::Space | Asks::Sync) | (Way::Sync, Asks::Sync) => true,
            (Way::Short, Asks::Write(bytes)) => bytes > 1,
            _ => false,
        };
        if !concerned {
            return Verdict::Goes;
        }
        self.seen += 1;
        if self.seen < self.at || (self.seen > self.at && !for_ever) {
            return Verdict::Goes;
        }
        self.met += 1;
        if self.met == 1 {
            self.first = format!("{name} {}", String::from_utf8_lossy(path));
        }
        match (way, asks) {
            (Way::Io | Way::Sync, _) => Verdict::Fails(libc::EIO),
            // A disk that fills up takes the beginning of the write that it is too small for.
            (Way::Full, Asks::Write(bytes)) if for_ever && self.met == 1 && bytes > 1 => Verdict::Writes(bytes / 2),
            (Way::Full, _) => Verdict::Fails(libc::ENOSPC),
            (Way::Short, Asks::Write(bytes)) => Verdict::Writes(bytes / 2),
            (Way::Short, _) => Verdict::Goes,
        }
    }
}
