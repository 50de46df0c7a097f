//! The few traits that a store implements. The migration is generic over them and sees neither store.

use std::ops::ControlFlow;

use bytes::Bytes;

use crate::commit_info::{AppHash, Hash};
use crate::conservation::EntrySum;
use crate::error::StoreResult;
use crate::history::History;
use crate::message::{NamedChangeSet, TreeNameUpgrade};
use crate::record::{BlockRecord, Handoff};

/// A key and its value.
pub type Pair = (Bytes, Bytes);
/// Puts on disk what a store has committed; an error poisons whoever relies on it.
pub type Syncer = Box<dyn Fn() -> StoreResult<()> + Send>;
/// Pairs in order. An error ends the iteration and is never followed by a pair.
pub type PairIter<'a> = Box<dyn Iterator<Item = StoreResult<Pair>> + 'a>;

/// The direction of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScanOrder {
    /// Byte order of the keys.
    Ascending,
    /// The reverse.
    Descending,
}

/// The part of a store that a scan covers.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ScanRange {
    /// First key, inclusive; none from the beginning.
    pub start: Option<Bytes>,
    /// Last key, exclusive; none to the end.
    pub end: Option<Bytes>,
}

impl ScanRange {
    /// The whole store.
    pub const ALL: Self = Self { start: None, end: None };

    /// Whether `key` lies in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.start.as_ref().is_none_or(|start| key >= start.as_ref())
            && self.end.as_ref().is_none_or(|end| key < end.as_ref())
    }
}

/// Point reads of a store at one moment.
pub trait Read {
    /// The value of `key` in module `module`; none if it is absent or the module is unknown.
    ///
    /// # Errors
    /// I/O and corruption; an error is never an absence.
    fn get(&self, module: &str, key: &[u8]) -> StoreResult<Option<Bytes>>;

    /// Whether the key is present.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    fn contains(&self, module: &str, key: &[u8]) -> StoreResult<bool> {
        Ok(self.get(module, key)?.is_some())
    }

    /// Whether each of `keys`, which ascend, is present.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    fn contains_many(&self, module: &str, keys: &[Bytes]) -> StoreResult<Vec<bool>> {
        keys.iter().map(|key| self.contains(module, key)).collect()
    }

    /// Many keys of one module, answers in the order of the keys.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    fn get_many(&self, module: &str, keys: &[Bytes]) -> StoreResult<Vec<Option<Bytes>>> {
        keys.iter().map(|key| self.get(module, key)).collect()
    }
}

/// Range scans of a store at one moment.
pub trait Scan {
    /// The pairs of `module` in `range`; nothing for an unknown module.
    ///
    /// # Errors
    /// I/O and corruption, at once or as the last item.
    fn scan<'a>(&'a self, module: &str, range: &ScanRange, order: ScanOrder) -> StoreResult<PairIter<'a>>;
}

/// Changes to the block in work.
pub trait Write {
    /// Applies changes in the order given. A failed call may leave a part behind; the caller goes back to a savepoint.
    ///
    /// # Errors
    /// Input that the store refuses, I/O, corruption.
    fn apply(&mut self, changes: &[NamedChangeSet]) -> StoreResult<()>;
}

/// The ordered walk over the old store, as the block in work sees it.
pub trait Walk {
    /// The names of the modules that exist, in byte order.
    ///
    /// # Errors
    /// I/O and corruption.
    fn modules(&self) -> StoreResult<Vec<String>>;

    /// How many keys `module` has; none if the module does not exist.
    ///
    /// # Errors
    /// I/O and corruption.
    fn len(&self, module: &str) -> StoreResult<Option<u64>>;

    /// Hands the pairs of `module` to `visit` in byte order, strictly after `after`, until it breaks. Values are checked
    /// against the leaf's hash before they are handed out.
    ///
    /// # Errors
    /// I/O, corruption, a module that does not exist.
    #[expect(clippy::type_complexity, reason = "the visitor's signature is the documentation; an alias would hide it")]
    fn walk(
        &self,
        module: &str,
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> StoreResult<()>;
}

/// The old store: a multi-tree with a changelog, open for writing. [`Read`] and [`Walk`] see the block in work.
pub trait OldStore: Read + Scan + Walk + Write {
    /// An immutable view of a committed version: owned, shared between threads, taking no lock that a commit holds.
    type View: Read + Scan + Walk + Clone + Send + Sync + 'static;
    /// The state before a flush.
    type Savepoint;
    /// The trees as the block in work leaves them, for work on the next block beside this one's commit.
    type Ahead: Walk + Write + Send + 'static;

    /// The last committed version; 0 before the first block.
    fn version(&self) -> u64;

    /// The version that the next block will have.
    fn next_version(&self) -> u64;

    /// The state now, to come back to.
    fn savepoint(&self) -> Self::Savepoint;

    /// Back to `savepoint`, which was taken in the same block.
    fn restore(&mut self, savepoint: Self::Savepoint);

    /// Drops the block in work.
    fn discard(&mut self);

    /// Adds, renames and deletes trees, at the start of a block.
    ///
    /// # Errors
    /// An upgrade that does not fit the present trees, or one behind the block's first changes.
    fn upgrade(&mut self, upgrades: &[TreeNameUpgrade]) -> StoreResult<()>;

    /// The trees as the block in work leaves them: what is written to them is written as of the next block, and to them alone.
    ///
    /// # Errors
    /// A version beyond what the store can have.
    fn ahead(&self) -> StoreResult<Self::Ahead>;

    /// Whether the block in work begins with the very trees that `ahead` was made of, and nothing was asked of it yet.
    fn is_begun_by(&self, ahead: &Self::Ahead) -> bool;

    /// As [`apply`](Write::apply), and takes from `ahead` what was written there if the block in work has nothing yet and
    /// `changes` begin with the same: it saves work and changes no result.
    ///
    /// # Errors
    /// As [`apply`](Write::apply).
    fn apply_from(&mut self, ahead: Self::Ahead, changes: Vec<NamedChangeSet>) -> StoreResult<()>;

    /// The root hash of each tree as the block in work leaves it, in name order.
    ///
    /// # Errors
    /// I/O and corruption.
    fn working_roots(&mut self) -> StoreResult<Vec<(String, Hash)>>;

    /// The root hash of each tree as committed, in name order.
    ///
    /// # Errors
    /// I/O and corruption.
    fn committed_roots(&self) -> StoreResult<Vec<(String, Hash)>>;

    /// The changelog entry of the block in work; changes nothing.
    fn handoff(&self, app_hash: AppHash) -> Handoff;

    /// The working roots become the committed ones and the entry goes to the changelog; on disk when it returns if `sync`.
    ///
    /// # Errors
    /// I/O. The store is then poisoned.
    fn commit(&mut self, handoff: &Handoff, sync: bool) -> StoreResult<()>;

    /// Up to which version the changelog is known to be on disk.
    fn synced_version(&self) -> u64;

    /// Puts the changelog on disk.
    ///
    /// # Errors
    /// I/O. The store is then poisoned.
    fn sync(&mut self) -> StoreResult<()>;

    /// Asks for the changelog to be put on disk in the background.
    ///
    /// # Errors
    /// A background failure that happened earlier.
    fn request_sync(&mut self) -> StoreResult<()>;

    /// Puts on disk, from another thread, what was committed without a sync.
    ///
    /// # Errors
    /// A store that is not open for writing.
    fn syncer(&mut self) -> StoreResult<Syncer>;

    /// Says up to which version blocks are durable; until then no snapshot of them becomes the one to start from.
    fn set_durable(&mut self, version: u64);

    /// A view of the last committed version.
    fn view(&self) -> Self::View;

    /// Keeps every version from `version` on rebuildable, for rollbacks.
    fn retain_from(&mut self, version: u64);

    /// Asks for a snapshot of the last committed version, written in the background.
    ///
    /// # Errors
    /// A background failure that happened earlier.
    fn request_snapshot(&mut self) -> StoreResult<()>;
}

/// The old store opened and locked, its changelog read but not replayed.
pub trait OldLog: Sized {
    /// What a replay makes of it.
    type Store: OldStore;

    /// The version of the snapshot that a replay starts from.
    fn snapshot_version(&self) -> u64;

    /// The version of the last whole entry, or of the snapshot if no entry is later.
    fn last_version(&self) -> u64;

    /// The bytes of the entry that leads to `version`; none if the log does not hold it.
    ///
    /// # Errors
    /// I/O and corruption.
    fn entry(&self, version: u64) -> StoreResult<Option<Bytes>>;

    /// Cuts every entry later than `version`.
    ///
    /// # Errors
    /// I/O.
    fn truncate_after(&mut self, version: u64) -> StoreResult<()>;

    /// Appends entries that follow each other and the last one, and syncs.
    ///
    /// # Errors
    /// I/O, an entry that does not follow.
    fn append(&mut self, entries: &[Handoff]) -> StoreResult<()>;

    /// Replays the log onto the snapshot.
    ///
    /// # Errors
    /// I/O, corruption.
    fn replay(self) -> StoreResult<Self::Store>;
}

/// The new store, open for writing. [`Read`] sees the block in work. Metadata rows are rows of the module `migration`.
pub trait NewStore: Read + Scan + Write + History + Send {
    /// An immutable view of a committed version: owned, shared between threads, taking no lock that a commit holds.
    type View: Read + Scan + History + Clone + Send + Sync + 'static;
    /// The state before a flush.
    type Savepoint;
    /// Rows made of moved pairs before their block.
    type Made: Send + 'static;

    /// The last committed version; none before the first block.
    fn version(&self) -> Option<u64>;

    /// Says which height the first block will have; only before it.
    ///
    /// # Errors
    /// A store that has a block already.
    fn seed(&mut self, next_version: u64) -> StoreResult<()>;

    /// Makes, on any thread and before the block, rows of pairs that the migration will move in the block at `height`: modules
    /// and keys ascend.
    ///
    /// # Errors
    /// A pair that the store refuses.
    fn make_moved(changes: &[NamedChangeSet], height: u64) -> StoreResult<Self::Made>;

    /// Applies changes as [`Write::apply`] does, and says what of the moved pairs among them the rows hold now: the sum over
    /// their entries, decoded from the serialized rows. `moved` tells per changeset which of its pairs those are; where it
    /// ends, none is. `made` saves work and changes no result, whatever it was made of.
    ///
    /// # Errors
    /// As [`Write::apply`].
    fn apply_moving(
        &mut self,
        changes: &[NamedChangeSet],
        moved: &[Vec<bool>],
        made: Option<Self::Made>,
    ) -> StoreResult<EntrySum>;

    /// The state now, to come back to.
    fn savepoint(&self) -> Self::Savepoint;

    /// Back to `savepoint`, which was taken in the same block.
    fn restore(&mut self, savepoint: Self::Savepoint);

    /// Drops the block in work.
    fn discard(&mut self);

    /// The root over all rows as the block in work leaves them.
    fn working_root(&self) -> Hash;

    /// The commit point: the block's rows and `record` in one synced batch.
    ///
    /// # Errors
    /// I/O. The store is then poisoned, and whether the block happened is known after reopening.
    fn commit(&mut self, record: &BlockRecord) -> StoreResult<()>;

    /// Puts on disk whatever was committed before it is called, for a thread beside the one that commits. Needed where a
    /// commit is left to the operating system.
    fn syncer(&self) -> Syncer;

    /// A view of the last committed version.
    ///
    /// # Errors
    /// The limit on open views, I/O.
    fn view(&self) -> StoreResult<Self::View>;
}
