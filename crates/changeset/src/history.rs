//! What stores remember of their blocks, and how they go back to an earlier one.

use crate::commit_info::{AppHash, Hash};
use crate::error::StoreResult;
use crate::message::CommitInfo;
use crate::record::{Handoff, JournalLine};
use crate::traits::NewStore;

/// What a new store remembers of its committed blocks, also where it is only read: for whoever opens it, or plans to go
/// back.
pub trait History {
    /// The heights of its first and its last block; none before the first.
    fn span(&self) -> Option<(u64, u64)>;

    /// The root over all committed rows.
    fn committed_root(&self) -> Hash;

    /// The commit info and app hash stored with block `height`; none if it is not kept.
    ///
    /// # Errors
    /// I/O and corruption.
    fn block(&self, height: u64) -> StoreResult<Option<(CommitInfo, AppHash)>>;

    /// The journal's line of block `height`; none if it is not kept. The last block's always is.
    ///
    /// # Errors
    /// I/O and corruption.
    fn journal(&self, height: u64) -> StoreResult<Option<JournalLine>>;

    /// The handoff of block `height`; none once it was dropped, or if the old store rested.
    ///
    /// # Errors
    /// I/O and corruption.
    fn handoff(&self, height: u64) -> StoreResult<Option<Handoff>>;

    /// The height of the last block that had a handoff, dropped or not: where the old store must stand. None if no block
    /// had one.
    ///
    /// # Errors
    /// I/O and corruption.
    fn last_handoff(&self) -> StoreResult<Option<u64>>;

    /// Up to which height the changelog was known to be on disk at the last commit.
    ///
    /// # Errors
    /// I/O and corruption.
    fn changelog_synced(&self) -> StoreResult<u64>;

    /// Where the old store stood after block `height`; none if it had no part in it.
    ///
    /// # Errors
    /// I/O, corruption, a block whose record is not kept.
    fn last_handoff_at(&self, height: u64) -> StoreResult<Option<u64>>;

    /// Since which block the old store is retired; none while it may still be needed.
    ///
    /// # Errors
    /// I/O and corruption.
    fn retired(&self) -> StoreResult<Option<u64>>;

    /// The last import of rows past the blocks: its height, and the roots of the stores as it left them. The commit info of
    /// its block stays as it was, and no rollback leads below it. None if there was no import.
    ///
    /// # Errors
    /// I/O and corruption.
    fn imported(&self) -> StoreResult<Option<CommitInfo>>;

    /// Whether its last blocks were left to the operating system: a power cut may have taken them back.
    ///
    /// # Errors
    /// I/O and corruption.
    fn is_left_to_os(&self) -> StoreResult<bool>;

    /// Where a rollback under way leads; none if none is.
    ///
    /// # Errors
    /// I/O and corruption.
    fn rollback_target(&self) -> StoreResult<Option<u64>>;

    /// Checks that every block above `to` can be undone; changes nothing.
    ///
    /// # Errors
    /// A record that is missing or damaged, I/O.
    fn check_undo(&self, to: u64) -> StoreResult<()>;
}

/// Going back block by block: what a new store has for a rollback.
pub trait Undo: NewStore {
    /// Notes durably that a rollback to `to` is under way. A height before the store's first block is noted too: the whole
    /// store goes then.
    ///
    /// # Errors
    /// I/O.
    fn begin_rollback(&mut self, to: u64) -> StoreResult<()>;

    /// Undoes the last block; the version that is the last one now.
    ///
    /// # Errors
    /// A record that is missing or damaged, I/O.
    fn undo_block(&mut self) -> StoreResult<u64>;

    /// Ends the rollback under way: the later handoffs go, and the note with them.
    ///
    /// # Errors
    /// Blocks that are still to be undone, I/O.
    fn finish_rollback(&mut self) -> StoreResult<()>;
}

/// The old store as a directory that nobody has open for writing.
pub trait OldSite {
    /// The version that it would open at.
    ///
    /// # Errors
    /// I/O and corruption.
    fn last_version(&self) -> StoreResult<u64>;

    /// The root hash of each tree at `version`, in name order; changes nothing.
    ///
    /// # Errors
    /// A version that cannot be rebuilt, I/O, corruption.
    fn roots_at(&self, version: u64) -> StoreResult<Vec<(String, Hash)>>;

    /// Goes back to `version` for good. Repeating it after a crash, also one that came too late, ends in the same state.
    ///
    /// # Errors
    /// A version that cannot be rebuilt, another process, I/O.
    fn roll_back(&self, version: u64) -> StoreResult<()>;
}
