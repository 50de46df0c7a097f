//! What can go wrong with a live multi-tree.

use std::fmt;
use std::io;
use std::path::PathBuf;

use changeset::{StoreError, StoreErrorKind};

/// A result of this crate.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// An error of the live multi-tree.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A snapshot's files.
    #[error(transparent)]
    Snapshot(#[from] memiavl_iter::Error),
    /// The operating system failed a call.
    #[error("cannot {doing}: path={}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: Doing,
        /// To which file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A `current` that names no snapshot.
    #[error("current names no snapshot; point it to one of the snapshots beside it: path={} target={}", path.display(), target.display())]
    BadCurrent {
        /// The link.
        path: PathBuf,
        /// What it names.
        target: PathBuf,
    },
    /// A `current` that names a snapshot that is gone.
    #[error("current names a missing snapshot; restore it, or point current to another: path={} target={}", path.display(), target.display())]
    DanglingCurrent {
        /// The link.
        path: PathBuf,
        /// What it names.
        target: PathBuf,
    },
    /// A snapshot of the version to be written that holds another state.
    #[error("another snapshot of this version is there; move it away: path={}", path.display())]
    SnapshotDiffers {
        /// The snapshot.
        path: PathBuf,
    },
    /// A key or value longer than the format's 32-bit length.
    #[error("key or value is too long for a snapshot: max={} bytes={bytes}", u32::MAX)]
    RecordTooLong {
        /// Its length.
        bytes: u64,
    },
    /// A node without a hash where all must have one.
    #[error("a committed node has no hash; reopen the store")]
    UnhashedNode,
    /// Work that was ended before it was done.
    #[error("cancelled")]
    Cancelled,
    /// More levels than a balanced tree can have.
    #[error("tree is deeper than a balanced one can be; restore it from a copy: levels_max={levels_max}")]
    TreeTooDeep {
        /// The most levels there can be.
        levels_max: u32,
    },
    /// A leaf where only a branch can stand.
    #[error("a leaf stands in a branch's place; restore the tree from a copy")]
    MisplacedLeaf,
    /// A branch where only a leaf can stand.
    #[error("a branch stands in a leaf's place; restore the tree from a copy")]
    MisplacedBranch,
    /// More keys in one tree than a snapshot can hold.
    #[error("tree has more keys than a snapshot can hold: max={}", u32::MAX)]
    TooManyLeaves,
    /// A version beyond what snapshots can hold.
    #[error("version does not fit 32 bits: got={got}")]
    VersionRange {
        /// The version.
        got: u64,
    },
    /// A change of a tree that does not exist. In a replay: the log lacks the upgrade that adds the tree.
    #[error("no such tree; add it by an upgrade or as an initial store: name={name} version={version}")]
    UnknownTree {
        /// The tree named.
        name: String,
        /// The block's version.
        version: u64,
    },
    /// An upgrade that renames or deletes a tree that does not exist.
    #[error("upgrade of a tree that does not exist: name={name}")]
    UpgradeOfUnknownTree {
        /// The tree named.
        name: String,
    },
    /// An upgrade that gives two trees the same name.
    #[error("upgrade would give two trees the same name: name={name}")]
    TreeExists {
        /// The name.
        name: String,
    },
    /// An upgrade to a name that no tree can have.
    #[error("a tree cannot have this name: name={name:?}")]
    TreeName {
        /// The name.
        name: String,
    },
    /// An upgrade behind the block's first changes.
    #[error("upgrades must come before the block's first changes; discard the block: version={version}")]
    UpgradeAfterChanges {
        /// The block's version.
        version: u64,
    },
    /// A block of which a change failed half-way.
    #[error("a change of this block failed half-way; restore a savepoint or discard the block: version={version}")]
    TornBlock {
        /// The block's version.
        version: u64,
    },
    /// An entry that is not the next one.
    #[error("changelog entry is not the next one: expected={expected} got={got}")]
    EntryVersion {
        /// The next version.
        expected: u64,
        /// The entry's version.
        got: u64,
    },
}

/// What the system was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Doing {
    /// Reading a file.
    Read,
    /// Listing a directory.
    List,
    /// Creating or writing a file.
    Write,
    /// Making a file or a directory's names durable.
    Sync,
    /// Giving a file or directory its final name.
    Rename,
    /// Making a link.
    Link,
    /// Removing a file or directory.
    Remove,
    /// Starting a thread.
    Spawn,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::List => "list",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Rename => "rename",
            Self::Link => "link",
            Self::Remove => "remove",
            Self::Spawn => "start a thread for",
        })
    }
}

impl Error {
    /// What to do about it.
    pub fn kind(&self) -> StoreErrorKind {
        match self {
            Self::Snapshot(source) => source.kind(),
            Self::Io { .. } => StoreErrorKind::Io,
            Self::BadCurrent { .. } | Self::DanglingCurrent { .. } | Self::SnapshotDiffers { .. } => {
                StoreErrorKind::Configuration
            }
            Self::UnhashedNode | Self::Cancelled => StoreErrorKind::Poisoned,
            Self::RecordTooLong { .. } => StoreErrorKind::Input,
            Self::TreeTooDeep { .. } | Self::MisplacedLeaf | Self::MisplacedBranch | Self::EntryVersion { .. } => {
                StoreErrorKind::Corruption
            }
            Self::TooManyLeaves
            | Self::VersionRange { .. }
            | Self::UnknownTree { .. }
            | Self::UpgradeOfUnknownTree { .. }
            | Self::TreeExists { .. }
            | Self::TreeName { .. }
            | Self::UpgradeAfterChanges { .. }
            | Self::TornBlock { .. } => StoreErrorKind::Input,
        }
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        Self::new(error.kind(), error)
    }
}
