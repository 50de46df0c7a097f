//! The store open for writing.

use std::sync::Arc;

use bytes::Bytes;
use changeset::{
    BlockRecord, EntrySum, Hash, NamedChangeSet, NewStore, PairIter, Read, Scan, ScanOrder, ScanRange, StoreResult,
    Syncer, Write,
};

use crate::block::{Block, Savepoint};
use crate::commit;
use crate::error::{FlatKvError, Result};
use crate::made::MadeRows;
use crate::options::{Durability, Options};
use crate::scan::scan;
use crate::source::{Database, Source};
use crate::view::{View, locate_read, value_of};

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
    pub(crate) row_cache_bytes: usize,
    poison: Option<String>,
}

impl FlatKv {
    /// The store of an open database whose committed state is `view`.
    pub(crate) fn new(database: Arc<Database>, view: View, options: &Options) -> Self {
        let block = Block::new(view.lattices().clone());
        let live = Source::Still(database.clone());
        let Options { durability, hash_threads, row_cache_bytes, .. } = *options;
        Self { database, live, block, view, seed: None, durability, hash_threads, row_cache_bytes, poison: None }
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
            None => self.view.row(lane, &physical, read)?.flatten(),
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
        self.apply_moving(changes, &[], None).map(drop)
    }
}

impl NewStore for FlatKv {
    type View = View;
    type Savepoint = Savepoint;
    type Made = MadeRows;

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

    fn make_moved(changes: &[NamedChangeSet], height: u64) -> StoreResult<MadeRows> {
        Ok(MadeRows::make(changes, height)?)
    }

    fn apply_moving(
        &mut self,
        changes: &[NamedChangeSet],
        moved: &[Vec<bool>],
        made: Option<MadeRows>,
    ) -> StoreResult<EntrySum> {
        self.check_alive()?;
        let height = self.next_version()?;
        Ok(self.block.apply(&self.database, changes, moved, made, height, self.hash_threads)?)
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

    /// A record that does not follow the last block is refused and changes nothing; any later failure poisons the store.
    fn commit(&mut self, record: &BlockRecord) -> StoreResult<()> {
        self.check_alive()?;
        let expected = self.next_version()?;
        if record.height != expected {
            Err(FlatKvError::Height { expected, got: record.height })?;
        }
        Ok(self.or_poison(|store| commit::commit(store, record))?)
    }

    fn syncer(&self) -> Syncer {
        let log = self.log_syncer();
        Box::new(move || Ok(log.sync()?))
    }

    fn view(&self) -> StoreResult<View> {
        self.check_alive()?;
        Ok(self.view.clone())
    }
}
