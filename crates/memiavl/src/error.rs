//! What can go wrong with a live multi-tree.

use std::fmt;
use std::io;
use std::path::PathBuf;

use changeset::{AppHash, Hash, StoreError, StoreErrorKind};

use crate::lock::LockHolder;

/// A result of this crate.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// An error of the live multi-tree.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A snapshot's files.
    #[error(transparent)]
    Snapshot(#[from] memiavl_iter::Error),
    /// The changelog's files.
    #[error(transparent)]
    Log(#[from] crate::changelog::LogError),
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
    /// A directory that another writer holds.
    #[error("another process writes to this store; stop it first: path={}{}", path.display(), Held(holder))]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Who holds it, where the system tells.
        holder: Option<LockHolder>,
    },
    /// A proof of existence of a key that the tree does not have.
    #[error("no such key to prove: module={module} key={}", Hex(key))]
    NoSuchKey {
        /// The tree.
        module: String,
        /// The key.
        key: Vec<u8>,
    },
    /// A proof of absence of a key that the tree has.
    #[error("key exists, its absence cannot be proven: module={module} key={}", Hex(key))]
    KeyExists {
        /// The tree.
        module: String,
        /// The key.
        key: Vec<u8>,
    },
    /// A proof that no verifier would take: ICS-23 has none of an empty key, an empty value, or an empty tree.
    #[error("ICS-23 has no proof of an empty key, an empty value or an empty tree: module={module} key={}", Hex(key))]
    Unprovable {
        /// The tree.
        module: String,
        /// The key, or the neighbour of an absent key.
        key: Vec<u8>,
    },
    /// A proof asked for with a commit info of another block than the view's.
    #[error(
        "commit info is not that of the view's block: module={module} expected={} got={}",
        Hex(expected), got.as_ref().map_or_else(String::new, |got| Hex(got).to_string())
    )]
    CommitInfoDiffers {
        /// The tree.
        module: String,
        /// The tree's root hash.
        expected: Hash,
        /// The hash in the commit info; none if it does not name the tree.
        got: Option<Vec<u8>>,
    },
    /// A proof that does not lead to the tree's root: a node on the way is damaged.
    #[error(
        "tree is damaged on the way to a key; restore it from a copy: module={module} key={} expected={} got={}",
        Hex(key),
        Hex(expected),
        Hex(got)
    )]
    ProofRoot {
        /// The tree.
        module: String,
        /// The key.
        key: Vec<u8>,
        /// The tree's root hash.
        expected: Hash,
        /// The hash that the proof leads to.
        got: Hash,
    },
    /// A path that is no directory.
    #[error("not a directory; name the directory of the store: path={}", path.display())]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// A directory that is missing or empty, opened to read.
    #[error("no store here; name the directory of the store: path={}", path.display())]
    NoStore {
        /// The path.
        path: PathBuf,
    },
    /// A directory of something else.
    #[error("not a store's directory; name an empty one to make a store: path={} found={}", path.display(), found.display())]
    ForeignDirectory {
        /// The directory.
        path: PathBuf,
        /// Something in it that no store has.
        found: PathBuf,
    },
    /// Snapshots, but no `current`.
    #[error("current is missing; link it to the snapshot to open: path={} newest={newest}", path.display())]
    NoCurrent {
        /// The directory.
        path: PathBuf,
        /// The version of the newest snapshot.
        newest: u64,
    },
    /// A version before the oldest snapshot.
    #[error("version is not kept any more: path={} wanted={wanted} oldest={oldest:?}", path.display())]
    VersionPruned {
        /// The directory.
        path: PathBuf,
        /// The version asked for.
        wanted: u64,
        /// The version of the oldest snapshot.
        oldest: Option<u64>,
    },
    /// A version behind the last one.
    #[error("version is later than the last one: path={} wanted={wanted} last={last}", path.display())]
    VersionNotReached {
        /// The directory.
        path: PathBuf,
        /// The version asked for.
        wanted: u64,
        /// The last version.
        last: u64,
    },
    /// A writer that asks for an old version.
    #[error("a writer opens the last version; roll back first: path={} version={version}", path.display())]
    WriterAtVersion {
        /// The directory.
        path: PathBuf,
        /// The version asked for.
        version: u64,
    },
    /// A log that does not go on where the snapshot ends.
    #[error("changelog lacks an entry behind the snapshot; restore the log or another snapshot: path={} version={version}", path.display())]
    LogGap {
        /// The log's directory.
        path: PathBuf,
        /// The first version that is missing.
        version: u64,
    },
    /// An entry that cannot be replayed.
    #[error(
        "changelog entry does not fit the state before it; restore snapshot and log from one copy: version={version}: {source}"
    )]
    Replay {
        /// The entry's version.
        version: u64,
        /// What does not fit.
        source: Box<Error>,
    },
    /// A replay that did not lead to the app hash in the last entry's seal.
    #[error(
        "replay does not lead to the app hash of its last entry: version={version} expected={} got={}",
        Hex(expected),
        Hex(got)
    )]
    AppHash {
        /// The entry's version.
        version: u64,
        /// The app hash in its seal.
        expected: AppHash,
        /// The app hash of the trees.
        got: AppHash,
    },
    /// A change of a store that was opened to read.
    #[error("store was opened to read only: path={}", path.display())]
    ReadOnly {
        /// The directory.
        path: PathBuf,
    },
    /// A store of which a write failed.
    #[error("store is unusable after a failed write; reopen it: path={}", path.display())]
    Poisoned {
        /// The directory.
        path: PathBuf,
    },
    /// A handoff that is not that of the block in work.
    #[error("handoff is not that of the block in work: expected={expected} got={got}")]
    HandoffVersion {
        /// The block's version.
        expected: u64,
        /// The handoff's version.
        got: u64,
    },
    /// Something that waits for the end of a block.
    #[error("a block is in work; commit or discard it first: version={version}")]
    BlockInWork {
        /// The block's version.
        version: u64,
    },
    /// A snapshot of a version that the owner has not yet called durable.
    #[error("the snapshot's version is not durable yet: version={version}")]
    NotDurable {
        /// The snapshot's version.
        version: u64,
    },
    /// A rewritten snapshot that does not lead to the live state.
    #[error(
        "new snapshot and log do not lead to the live root; restore the store from a copy: name={name} version={version} expected={} got={}",
        Hex(expected),
        Hex(got)
    )]
    RewriteDiverged {
        /// The tree.
        name: String,
        /// The version.
        version: u64,
        /// The live root.
        expected: Hash,
        /// The root on top of the new snapshot.
        got: Hash,
    },
    /// A panic of the thread that writes snapshots.
    #[error("thread that writes snapshots panicked; reopen the store: version={version}")]
    RewritePanicked {
        /// The snapshot's version.
        version: u64,
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
    /// More changed nodes in one tree than can be numbered.
    #[error(
        "tree has more changed nodes in memory than can be numbered: max={}; write a snapshot more often",
        u32::MAX
    )]
    TooManyNodes,
    /// More states of one tree than can be numbered since its snapshot was written.
    #[error("tree has had more states in memory than can be numbered: max={}; reopen the store", u32::MAX)]
    TooManyEpochs,
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
    /// Nodes that are no tree in post order: keys out of order, a branch without two subtrees or out of balance, roots that
    /// no branch joins.
    #[error("nodes are no tree in post order; they were damaged or made up: tree={tree:?} leaves={leaves}")]
    NodeOrder {
        /// The tree.
        tree: String,
        /// Its leaves so far.
        leaves: u32,
    },
    /// What an interrupted rebuild has left is not what it had put on disk.
    #[error("what an interrupted rebuild left is damaged; begin it anew: path={}", path.display())]
    RebuildLost {
        /// The file or directory.
        path: PathBuf,
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

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The holder of a lock, at the end of a message.
struct Held<'a>(&'a Option<LockHolder>);

impl fmt::Display for Held<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(LockHolder { pid, command, .. }) => write!(f, " pid={pid} command={command}"),
            None => Ok(()),
        }
    }
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
    /// Taking the writer's lock.
    Lock,
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
            Self::Lock => "lock",
        })
    }
}

impl Error {
    /// What to do about it.
    pub fn kind(&self) -> StoreErrorKind {
        match self {
            Self::Snapshot(source) => source.kind(),
            Self::Log(source) => source.kind(),
            Self::Io { .. } => StoreErrorKind::Io,
            Self::Locked { .. } => StoreErrorKind::Locked,
            Self::LogGap { .. }
            | Self::Replay { .. }
            | Self::AppHash { .. }
            | Self::RewriteDiverged { .. }
            | Self::NodeOrder { .. }
            | Self::RebuildLost { .. } => StoreErrorKind::Corruption,
            Self::NotADirectory { .. }
            | Self::NoStore { .. }
            | Self::ForeignDirectory { .. }
            | Self::NoCurrent { .. }
            | Self::VersionPruned { .. }
            | Self::VersionNotReached { .. }
            | Self::WriterAtVersion { .. } => StoreErrorKind::Configuration,
            Self::ProofRoot { .. } => StoreErrorKind::Corruption,
            Self::NoSuchKey { .. }
            | Self::KeyExists { .. }
            | Self::Unprovable { .. }
            | Self::CommitInfoDiffers { .. } => StoreErrorKind::Input,
            Self::ReadOnly { .. } | Self::HandoffVersion { .. } | Self::BlockInWork { .. } => StoreErrorKind::Input,
            Self::NotDurable { .. } => StoreErrorKind::Retry,
            Self::Poisoned { .. } | Self::RewritePanicked { .. } => StoreErrorKind::Poisoned,
            Self::BadCurrent { .. } | Self::DanglingCurrent { .. } => StoreErrorKind::Configuration,
            Self::UnhashedNode | Self::Cancelled => StoreErrorKind::Poisoned,
            Self::RecordTooLong { .. } => StoreErrorKind::Input,
            Self::TreeTooDeep { .. } | Self::MisplacedLeaf | Self::MisplacedBranch | Self::EntryVersion { .. } => {
                StoreErrorKind::Corruption
            }
            Self::TooManyLeaves
            | Self::TooManyNodes
            | Self::TooManyEpochs
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
