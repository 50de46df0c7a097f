//! The store open for writing.

use std::sync::Arc;

use bytes::Bytes;
use changeset::{
    AppHash, BlockRecord, CommitInfo, Handoff, Hash, JournalLine, NamedChangeSet, NewStore, PairIter, Read, Scan,
    ScanOrder, ScanRange, StoreResult, Write,
};

use crate::block::{Block, Savepoint};
use crate::commit;
use crate::error::{FlatKvError, Result};
use crate::meta::{self, StoredBlock};
use crate::options::{Durability, Family, Options};
use crate::scan::scan;
use crate::source::{Database, Source};
use crate::view::{View, locate_read, stored_block, value_of};

/// FlatKV open for writing: the committed state, and the block in work over it.
pub struct FlatKv {
    pub(crate) database: Arc<Database>,
    /// Reads of the writer itself: nobody else writes, so the database as it is now is the committed state.
    live: Source,
    pub(crate) block: Block,
    /// The committed state.
    pub(crate) view: View,
    seed: Option<u64>,
    pub(crate) durability: Durability,
    hash_threads: usize,
    poison: Option<String>,
}

impl FlatKv {
    /// The store of an open database whose committed state is `view`.
    pub(crate) fn new(database: Arc<Database>, view: View, options: &Options) -> Self {
        let block = Block::new(view.lattices().clone());
        let live = Source::Still(database.clone());
        let Options { durability, hash_threads, .. } = *options;
        Self { database, live, block, view, seed: None, durability, hash_threads, poison: None }
    }

    /// The height of the next block.
    ///
    /// # Errors
    /// A store without blocks that was not seeded.
    pub fn next_version(&self) -> Result<u64> {
        match self.view.span() {
            Some(span) => Ok(span.last.saturating_add(1)),
            None => self.seed.ok_or(FlatKvError::NotSeeded),
        }
    }

    /// Rows that the block in work has touched.
    pub fn pending_rows(&self) -> usize {
        self.block.rows()
    }

    /// Fails if an earlier failure has poisoned the store.
    pub(crate) fn check_alive(&self) -> Result<()> {
        match &self.poison {
            None => Ok(()),
            Some(cause) => Err(FlatKvError::Poisoned { cause: cause.clone() }),
        }
    }

    /// Runs a write; if it fails, what is on disk is unknown and the store is of no use any more.
    pub(crate) fn or_poison<T>(&mut self, write: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.check_alive()?;
        let result = write(self);
        if let Err(error) = &result {
            self.poison = Some(error.to_string());
        }
        result
    }

    /// Starts the next block over what has just been written.
    pub(crate) fn publish(&mut self, view: View) {
        self.block.reset(view.lattices().clone());
        self.view = view;
        self.seed = None;
    }

    /// Fails unless the store is alive and the block in work is empty.
    pub(crate) fn check_idle(&self) -> Result<()> {
        self.check_alive()?;
        match self.block.rows() {
            0 => Ok(()),
            rows => Err(FlatKvError::PendingWrites { rows }),
        }
    }
}

impl Read for FlatKv {
    fn get(&self, module: &str, key: &[u8]) -> StoreResult<Option<Bytes>> {
        self.check_alive()?;
        let mut physical = Vec::with_capacity(module.len() + 1 + key.len());
        let Some(field) = locate_read(module, key, &mut physical) else { return Ok(None) };
        let lane = field.lane();
        let read = |row: &[u8]| value_of(field, &physical, row);
        Ok(match self.block.overlay()[lane].get(physical.as_slice()) {
            Some(pending) => pending.now.as_deref().map(read).transpose()?.flatten(),
            None => self.live.get(Family::Rows(lane), &physical, read)?.flatten(),
        })
    }
}

impl Scan for FlatKv {
    fn scan<'a>(&'a self, module: &str, range: &ScanRange, order: ScanOrder) -> StoreResult<PairIter<'a>> {
        self.check_alive()?;
        Ok(scan(&self.live, Some(self.block.overlay()), module, range, order)?)
    }
}

impl Write for FlatKv {
    /// All of the changes or, on an error, none of them.
    fn apply(&mut self, changes: &[NamedChangeSet]) -> StoreResult<()> {
        self.check_alive()?;
        let height = self.next_version()?;
        Ok(self.block.apply(&self.database, changes, height, self.hash_threads)?)
    }
}

impl NewStore for FlatKv {
    type View = View;
    type Savepoint = Savepoint;

    fn version(&self) -> Option<u64> {
        self.view.version()
    }

    fn seed(&mut self, next_version: u64) -> StoreResult<()> {
        self.check_alive()?;
        if self.view.span().is_some() || self.block.rows() > 0 || next_version == 0 {
            Err(FlatKvError::Seeded { version: self.view.version(), seed: next_version })?;
        }
        self.seed = Some(next_version);
        Ok(())
    }

    fn savepoint(&self) -> Savepoint {
        self.block.savepoint()
    }

    fn restore(&mut self, savepoint: Savepoint) {
        self.block.restore(savepoint);
    }

    fn discard(&mut self) {
        self.block.reset(self.view.lattices().clone());
    }

    fn working_root(&self) -> Hash {
        self.block.lattices().root()
    }

    fn committed_root(&self) -> Hash {
        self.view.root()
    }

    /// A record that does not follow the last block is refused and changes nothing; any later failure poisons the store.
    fn commit(&mut self, record: &BlockRecord) -> StoreResult<()> {
        self.check_alive()?;
        let expected = self.next_version()?;
        if record.height != expected {
            Err(FlatKvError::Height { expected, got: record.height })?;
        }
        Ok(self.or_poison(|store| commit::commit(store, record))?)
    }

    fn block(&self, height: u64) -> StoreResult<Option<(CommitInfo, AppHash)>> {
        self.check_alive()?;
        let block = self.live.get(Family::Meta, &meta::block_key(height), StoredBlock::decode)?;
        Ok(block.map(|block| (block.commit_info, block.app_hash)))
    }

    fn journal(&self, height: u64) -> StoreResult<Option<JournalLine>> {
        self.check_alive()?;
        Ok(self.view.journal(height)?)
    }

    /// A handoff that the old store may still need and that is not there is an error, not an absence.
    fn handoff(&self, height: u64) -> StoreResult<Option<Handoff>> {
        self.check_alive()?;
        let read = |entry: &[u8]| Ok(Bytes::copy_from_slice(entry));
        let entry = self.live.get(Family::Handoff, &height.to_be_bytes(), read)?;
        if let Some(entry) = entry {
            return Ok(Some(Handoff { version: height, entry }));
        }
        let is_needed = self.view.needed_handoffs().is_some_and(|needed| needed.contains(&height));
        if is_needed && stored_block(&self.live, height)?.last_handoff == Some(height) {
            Err(FlatKvError::Missing { record: "handoff", height })?;
        }
        Ok(None)
    }

    fn last_handoff(&self) -> StoreResult<Option<u64>> {
        self.check_alive()?;
        Ok(self.view.last_handoff())
    }

    fn changelog_synced(&self) -> StoreResult<u64> {
        self.check_alive()?;
        Ok(self.view.changelog_synced())
    }

    fn view(&self) -> StoreResult<View> {
        self.check_alive()?;
        Ok(self.view.clone())
    }
}
