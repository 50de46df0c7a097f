//! What can go wrong with a changelog.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use changeset::{EntryError, StoreError, StoreErrorKind};

use crate::error::Doing;

pub(super) type Result<T> = std::result::Result<T, LogError>;

/// An error of the changelog. `path` is the segment or directory at fault, `offset` where in it the entry starts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The operating system failed a call.
    #[error("cannot {doing} changelog: path={}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: Doing,
        /// To which file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// An entry's length leads nowhere, and it is not just the end of the log that is torn.
    #[error(
        "changelog entry has a bad length; restore the segment from a copy: path={} offset={offset} expected=1..={room} got={got}",
        path.display()
    )]
    EntryLength {
        /// The segment.
        path: PathBuf,
        /// Where the entry starts.
        offset: u64,
        /// Bytes that are there.
        room: u64,
        /// Bytes announced; the most there can be if the length itself has no end.
        got: u64,
    },
    /// An entry that does not decode or fails its checksum, and it is not just the end of the log that is torn.
    #[error(
        "changelog entry is damaged; restore the segment from a copy: path={} offset={offset}: {source}",
        path.display()
    )]
    Entry {
        /// The segment.
        path: PathBuf,
        /// Where the entry starts.
        offset: u64,
        /// What is wrong.
        source: EntryError,
    },
    /// An entry whose version does not follow that of the entry before it.
    #[error(
        "changelog has a gap; restore the missing entries: path={} offset={offset} expected={expected} got={got}",
        path.display()
    )]
    EntryVersion {
        /// The segment.
        path: PathBuf,
        /// Where the entry starts.
        offset: u64,
        /// The version that follows.
        expected: u64,
        /// The entry's version.
        got: i64,
    },
    /// A segment whose name does not follow from the entries before it.
    #[error(
        "changelog segment does not follow the one before it; restore the missing one: path={} expected={expected} got={got}",
        path.display()
    )]
    SegmentIndex {
        /// The segment.
        path: PathBuf,
        /// The index that follows.
        expected: u64,
        /// The index in the segment's name.
        got: u64,
    },
    /// A segment longer than offsets can say.
    #[error("changelog segment is too long: path={} max={max} got={got}", path.display())]
    SegmentLength {
        /// The segment.
        path: PathBuf,
        /// The most bytes it can have.
        max: u64,
        /// Its length.
        got: u64,
    },
    /// Leftovers of two interrupted truncations; no writer leaves both.
    #[error(
        "changelog has leftovers of two truncations; remove the one that should not happen: path={} and={}",
        start.display(), end.display()
    )]
    TwoTruncations {
        /// That of the front.
        start: PathBuf,
        /// That of the back.
        end: PathBuf,
    },
    /// An entry to append that does not follow the last one.
    #[error("changelog entry is not the next one: expected={expected} got={got}")]
    NotNext {
        /// The version that follows.
        expected: u64,
        /// The version handed in.
        got: u64,
    },
    /// An entry to append that is empty or longer than the format allows.
    #[error("changelog entry has an impossible length: expected=1..={max} got={got}")]
    AppendLength {
        /// The most bytes it can have.
        max: u64,
        /// Its length.
        got: u64,
    },
    /// A change of a log that was opened for reading.
    #[error("changelog is open for reading only: path={}", path.display())]
    ReadOnly {
        /// The log's directory.
        path: PathBuf,
    },
    /// A write or sync failed before, and what is on disk is not known; reopening finds out.
    #[error("changelog is unusable after a failed write; reopen it: path={}: {source}", path.display())]
    Poisoned {
        /// What was written or synced.
        path: PathBuf,
        /// What the system said then.
        source: Arc<io::Error>,
    },
}

impl LogError {
    /// What to do about it.
    pub fn kind(&self) -> StoreErrorKind {
        match self {
            Self::Io { .. } => StoreErrorKind::Io,
            Self::NotNext { .. } | Self::AppendLength { .. } | Self::ReadOnly { .. } => StoreErrorKind::Input,
            Self::Poisoned { .. } => StoreErrorKind::Poisoned,
            Self::EntryLength { .. }
            | Self::Entry { .. }
            | Self::EntryVersion { .. }
            | Self::SegmentIndex { .. }
            | Self::SegmentLength { .. }
            | Self::TwoTruncations { .. } => StoreErrorKind::Corruption,
        }
    }
}

impl From<LogError> for StoreError {
    fn from(error: LogError) -> Self {
        Self::new(error.kind(), error)
    }
}
