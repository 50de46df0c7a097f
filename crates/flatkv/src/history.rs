//! What a store remembers of its blocks: records, handoffs, and the notes that outlive a crash.

use bytes::Bytes;
use changeset::{AppHash, CommitInfo, Handoff, Hash, History, JournalLine, StoreResult};
use prost::Message;

use crate::codec::u64_record;
use crate::error::{FlatKvError, Result};
use crate::meta::{self, StoredBlock};
use crate::options::Family;
use crate::store::FlatKv;
use crate::view::{View, stored_block};

impl View {
    /// Where a rollback under way leads; none if none is.
    ///
    /// # Errors
    /// I/O and corruption.
    pub fn rollback_target(&self) -> Result<Option<u64>> {
        self.note(meta::ROLLBACK_TO, "rollback_to")
    }

    /// Since which block the old store is retired; none while it may still be needed.
    ///
    /// # Errors
    /// I/O and corruption.
    pub fn retired(&self) -> Result<Option<u64>> {
        self.note(meta::RETIRED, "retired")
    }

    /// Whether the last blocks were left to the operating system: a power cut may have taken them back.
    ///
    /// # Errors
    /// I/O and corruption.
    pub fn is_left_to_os(&self) -> Result<bool> {
        Ok(self.note(meta::LEFT_TO_OS, "left_to_os")?.is_some())
    }

    /// The last import: its height, and the roots of the stores as it left them, which the commit info of its block does not
    /// have. None if there was no import.
    ///
    /// # Errors
    /// I/O and corruption.
    pub fn imported(&self) -> Result<Option<CommitInfo>> {
        let wrong = |_| FlatKvError::Record { record: "imported", at: 0 };
        self.source().get(Family::Meta, meta::IMPORTED, |bytes| CommitInfo::decode(bytes).map_err(wrong))
    }

    /// The handoff of block `height`. One that the old store may still need and that is not there is an error, not an
    /// absence.
    ///
    /// # Errors
    /// I/O and corruption.
    pub fn handoff(&self, height: u64) -> Result<Option<Handoff>> {
        let read = |entry: &[u8]| Ok(Bytes::copy_from_slice(entry));
        if let Some(entry) = self.source().get(Family::Handoff, &height.to_be_bytes(), read)? {
            return Ok(Some(Handoff { version: height, entry }));
        }
        let is_needed = self.needed_handoffs().is_some_and(|needed| needed.contains(&height));
        if is_needed && stored_block(self.source(), height)?.last_handoff == Some(height) {
            return Err(FlatKvError::Missing { record: "handoff", height });
        }
        Ok(None)
    }

    fn note(&self, key: &'static [u8], record: &'static str) -> Result<Option<u64>> {
        self.source().get(Family::Meta, key, |bytes| u64_record(record, bytes))
    }
}

impl FlatKv {
    /// Where a rollback under way leads; none if none is.
    ///
    /// # Errors
    /// I/O and corruption, a poisoned store.
    pub fn rollback_target(&self) -> Result<Option<u64>> {
        self.alive()?.rollback_target()
    }

    /// Since which block the old store is retired; none while it may still be needed.
    ///
    /// # Errors
    /// I/O and corruption, a poisoned store.
    pub fn retired(&self) -> Result<Option<u64>> {
        self.alive()?.retired()
    }

    /// The committed state, unless a failure has poisoned the store.
    fn alive(&self) -> Result<&View> {
        self.check_alive()?;
        Ok(&self.view)
    }
}

impl History for View {
    fn span(&self) -> Option<(u64, u64)> {
        self.span().map(|span| (span.first, span.last))
    }

    fn committed_root(&self) -> Hash {
        self.root()
    }

    fn block(&self, height: u64) -> StoreResult<Option<(CommitInfo, AppHash)>> {
        let block = self.source().get(Family::Meta, &meta::block_key(height), StoredBlock::decode)?;
        Ok(block.map(|block| (block.commit_info, block.app_hash)))
    }

    fn journal(&self, height: u64) -> StoreResult<Option<JournalLine>> {
        Ok(self.journal(height)?)
    }

    fn handoff(&self, height: u64) -> StoreResult<Option<Handoff>> {
        Ok(self.handoff(height)?)
    }

    fn last_handoff(&self) -> StoreResult<Option<u64>> {
        Ok(self.last_handoff())
    }

    fn changelog_synced(&self) -> StoreResult<u64> {
        Ok(self.changelog_synced())
    }

    fn last_handoff_at(&self, height: u64) -> StoreResult<Option<u64>> {
        Ok(stored_block(self.source(), height)?.last_handoff)
    }

    fn retired(&self) -> StoreResult<Option<u64>> {
        Ok(self.retired()?)
    }

    fn imported(&self) -> StoreResult<Option<CommitInfo>> {
        Ok(self.imported()?)
    }

    fn is_left_to_os(&self) -> StoreResult<bool> {
        Ok(self.is_left_to_os()?)
    }

    fn rollback_target(&self) -> StoreResult<Option<u64>> {
        Ok(self.rollback_target()?)
    }

    fn check_undo(&self, to: u64) -> StoreResult<()> {
        Ok(self.check_undo(to)?)
    }
}

/// As its committed state has it; a poisoned store knows nothing any more.
impl History for FlatKv {
    fn span(&self) -> Option<(u64, u64)> {
        History::span(&self.view)
    }

    fn committed_root(&self) -> Hash {
        self.view.root()
    }

    fn block(&self, height: u64) -> StoreResult<Option<(CommitInfo, AppHash)>> {
        self.alive()?.block(height)
    }

    fn journal(&self, height: u64) -> StoreResult<Option<JournalLine>> {
        Ok(self.alive()?.journal(height)?)
    }

    fn handoff(&self, height: u64) -> StoreResult<Option<Handoff>> {
        Ok(self.alive()?.handoff(height)?)
    }

    fn last_handoff(&self) -> StoreResult<Option<u64>> {
        Ok(self.alive()?.last_handoff())
    }

    fn changelog_synced(&self) -> StoreResult<u64> {
        Ok(self.alive()?.changelog_synced())
    }

    fn last_handoff_at(&self, height: u64) -> StoreResult<Option<u64>> {
        self.alive()?.last_handoff_at(height)
    }

    fn retired(&self) -> StoreResult<Option<u64>> {
        Ok(self.alive()?.retired()?)
    }

    fn imported(&self) -> StoreResult<Option<CommitInfo>> {
        Ok(self.alive()?.imported()?)
    }

    fn is_left_to_os(&self) -> StoreResult<bool> {
        Ok(self.alive()?.is_left_to_os()?)
    }

    fn rollback_target(&self) -> StoreResult<Option<u64>> {
        Ok(self.alive()?.rollback_target()?)
    }

    fn check_undo(&self, to: u64) -> StoreResult<()> {
        Ok(self.alive()?.check_undo(to)?)
    }
}
