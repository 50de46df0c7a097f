//! The engine: both stores, the chain's mode, and the block in work.
//!
//! The stages of a block each have a file: [`apply`](Engine::apply) in `flush`, [`commit`](Engine::commit) in `commit`,
//! opening in `recover`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use boundary::Boundary;
use bytes::Bytes;
use changeset::{CommitInfo, EntrySum, NewStore, OldStore, Read, StoreResult, TreeNameUpgrade};

use crate::ahead::Ahead;
use crate::background::{BackgroundSync, Whose};
use crate::batch::BatchLimit;
use crate::cancel::CancelToken;
use crate::error::{Error, Outcome};
use crate::kill_point::{KillHook, KillPoint};
use crate::manager::{Manager, ManagerConfig, ManagerSavepoint, get_across};
use crate::metadata::Metadata;
use crate::mode::{LAST_VERSION, Mode, Route};
use crate::observer::Observer;
use crate::publish::{Publisher, Views};
use crate::view::{ViewState, route};
use crate::worker::Worker;

/// The write mode that a node is opened with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ModeSetting {
    /// The mode follows from the migration's records.
    #[default]
    Auto,
    /// The mode that the operator names; it must fit the records.
    Fixed(Mode),
}

/// What an engine is configured with.
#[derive(Clone)]
pub struct Config {
    /// The write mode.
    pub mode: ModeSetting,
    /// How much one block moves.
    pub batch: BatchLimit,
    /// The chain's modules.
    pub modules: Vec<String>,
    /// The first height of a chain that has no block; 1 unless its genesis says otherwise.
    pub initial_version: u64,
    /// Bytes of keys and values that a block may have.
    pub block_bytes_max: u64,
    /// How many blocks can be rolled back.
    pub rollback_blocks: u64,
    /// Whether a block is on disk before it is acknowledged.
    pub durability: Durability,
    /// How many views may be open.
    pub views_max: usize,
    /// Who is told.
    pub observer: Arc<dyn Observer>,
    /// Stops work in progress between two rows.
    pub cancel: CancelToken,
}

/// How a block reaches the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// It is on disk before it is acknowledged.
    #[default]
    Sync,
    /// It is left to the operating system: acknowledged blocks survive the end of the process, not a power cut.
    Os,
}

/// Makes the new store when the first migration begins; it is given the height of its first block.
pub type NewStoreMaker<N> = Box<dyn FnMut(u64) -> StoreResult<N> + Send>;
/// Removes the old store's directory; what it cannot finish, the next opening does.
pub type OldRemover = Box<dyn FnMut() -> StoreResult<()> + Send>;

/// What an engine leaves to whoever knows where the stores are.
pub struct Places<N: NewStore> {
    /// Opens for writing the new store that was found.
    pub take_over: Box<dyn FnOnce(N::View) -> StoreResult<N>>,
    /// Makes a new store.
    pub make_new: NewStoreMaker<N>,
    /// Removes the old one.
    pub remove_old: OldRemover,
}

/// Both stores and the protocol between them. One thread owns it; readers take views.
pub struct Engine<O: OldStore, N: NewStore> {
    pub(crate) config: Config,
    /// memiavl; none in a chain that never had it or has retired it.
    pub(crate) old: Option<O>,
    /// FlatKV; none before it exists.
    pub(crate) new: Option<N>,
    pub(crate) make_new: NewStoreMaker<N>,
    pub(crate) remove_old: OldRemover,
    pub(crate) mode: Mode,
    /// The modules in byte order, shared with every view.
    pub(crate) modules: Arc<[String]>,
    /// The mode's migration; none in a mode that moves nothing.
    pub(crate) manager: Option<Manager>,
    /// Whether the last migration ended in a committed block: memiavl stays as it is, for good.
    pub(crate) old_rests: bool,
    pub(crate) block: Block,
    /// Keys moved per module by all migrations so far, as the last block's journal line has it.
    pub(crate) moved: BTreeMap<String, u64>,
    pub(crate) poison: Option<(u64, Outcome)>,
    pub(crate) publisher: Publisher<O::View, N::View>,
    pub(crate) kill_hook: Option<KillHook>,
    /// Puts blocks on disk that were left to the operating system; none where each commit does.
    pub(crate) background: Option<(Whose, BackgroundSync)>,
    /// The next block's batch, if it is being worked on.
    pub(crate) ahead: Option<Ahead<O::Ahead, N::Made>>,
    /// INVARIANT: behind the stores, whose views it may hold until it is dropped.
    pub(crate) worker: Worker,
    /// Frees what no view holds any more, a whole snapshot's blocks at times: 270 ms that no block should wait for, so it is a
    /// thread of its own. INVARIANT: as the worker.
    pub(crate) freeing: Worker,
}

/// The block in work.
#[derive(Default)]
pub(crate) struct Block {
    /// Whether anything was asked of it.
    pub(crate) begun: bool,
    /// Bytes of keys and values that callers handed in.
    pub(crate) bytes: u64,
    /// The manager as the block found it; none before the first flush.
    pub(crate) manager: Option<ManagerSavepoint>,
    pub(crate) moved: BTreeMap<String, u64>,
    pub(crate) moved_keys: u64,
    pub(crate) moved_key_bytes: u64,
    pub(crate) moved_value_bytes: u64,
    /// The sums over the entries that left memiavl and over those that entered FlatKV: equal, or the flush was refused.
    pub(crate) left: EntrySum,
    pub(crate) entered: EntrySum,
    /// Time that its flushes took.
    pub(crate) work: Duration,
}

impl<O: OldStore, N: NewStore> Engine<O, N> {
    /// The last committed height; 0 before the first block.
    pub fn height(&self) -> u64 {
        self.publisher.newest().height
    }

    /// The height of the block in work.
    pub fn next_height(&self) -> u64 {
        match (self.new.as_ref().and_then(NewStore::version), &self.old) {
            (Some(version), _) => version + 1,
            (None, Some(old)) => old.next_version(),
            (None, None) => self.config.initial_version.max(1),
        }
    }

    /// The write mode in force.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The cursor of the mode's migration, the block in work included.
    pub fn boundary(&self) -> Boundary {
        match &self.manager {
            Some(manager) => manager.boundary(),
            None => Boundary::NotStarted,
        }
    }

    /// The commit info of the last block.
    pub fn last_commit_info(&self) -> CommitInfo {
        self.publisher.newest().commit_info.clone()
    }

    /// Reads a key as the block in work has it.
    ///
    /// # Errors
    /// A reserved, unnamed or unknown store, I/O, corruption.
    pub fn get(&self, module: &str, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let (old, new) = (self.old.as_ref().filter(|_| !self.old_rests), self.new.as_ref());
        let has_tree = || match old {
            Some(old) => Ok(old.len(module).map_err(Error::old("looking a tree up"))?.is_some()),
            None => Ok(false),
        };
        let boundary = match route(self.mode, &self.modules, new.is_some(), module, has_tree)? {
            Route::Old => Boundary::NotStarted,
            Route::Moving => self.boundary(),
            Route::New => Boundary::Complete,
        };
        get_across(&boundary, old, new, module, key)
    }

    /// Asks for a snapshot of memiavl's last version, written in the background.
    ///
    /// # Errors
    /// memiavl at rest, a background failure, a poisoned node.
    pub fn snapshot(&mut self) -> Result<(), Error> {
        self.check_usable()?;
        let old = self.old.as_mut().filter(|_| !self.old_rests).ok_or(Error::OldRests { what: "snapshots" })?;
        old.request_snapshot().map_err(Error::old("asking for a snapshot"))
    }

    /// memiavl between two blocks, for work on its files that no block is part of.
    ///
    /// # Errors
    /// memiavl at rest, a block in work, a poisoned node.
    pub fn old_between_blocks(&mut self, what: &'static str) -> Result<&mut O, Error> {
        self.check_between_blocks()?;
        self.old.as_mut().filter(|_| !self.old_rests).ok_or(Error::OldRests { what })
    }

    /// Both stores, while no block is in work.
    ///
    /// # Errors
    /// A block in work, a poisoned node.
    pub fn stores_between_blocks(&self) -> Result<(Option<&O>, Option<&N>), Error> {
        self.check_between_blocks()?;
        Ok((self.old.as_ref(), self.new.as_ref()))
    }

    /// How much one block moves.
    pub fn batch(&self) -> BatchLimit {
        self.config.batch
    }

    /// The published views.
    pub fn views(&self) -> &Views<O::View, N::View> {
        self.publisher.views()
    }

    /// memiavl, the block in work included; none once it is retired.
    pub fn old(&self) -> Option<&O> {
        self.old.as_ref()
    }

    /// FlatKV, the block in work included; none before it exists.
    pub fn new_store(&self) -> Option<&N> {
        self.new.as_ref()
    }

    /// Calls `hook` at each [`KillPoint`], for rigs that stop or park the committing thread there.
    pub fn set_kill_hook(&mut self, hook: KillHook) {
        self.kill_hook = Some(hook);
    }

    /// Changes how much one block moves. Every node of a chain must do so at the same height.
    ///
    /// # Errors
    /// A block in work, a poisoned node.
    pub fn set_batch(&mut self, batch: BatchLimit) -> Result<(), Error> {
        self.check_between_blocks()?;
        self.config.batch = batch;
        if let Some(manager) = &self.manager {
            manager.set_batch(batch);
        }
        Ok(())
    }

    /// Goes one step along the chain of modes. The step is not persisted by itself, so callers ask for it on every block.
    ///
    /// # Errors
    /// A block in work; a mode that is neither the present nor the next one; an unfinished migration; the first
    /// migration while the batch size is 0. Nothing is changed then.
    pub fn set_mode(&mut self, to: Mode) -> Result<(), Error> {
        if to == self.mode {
            return self.check_usable();
        }
        self.check_between_blocks()?;
        if self.mode.next() != Some(to) {
            return Err(Error::ModeStep { from: self.mode, to });
        }
        if self.manager.as_ref().is_some_and(|manager| !manager.is_complete()) {
            return Err(Error::MigrationUnfinished { mode: self.mode, to });
        }
        if to == Mode::MigrateEvm && self.config.batch.is_paused() {
            return Err(Error::Paused { to });
        }
        self.manager = make_manager(to, &self.config, self.old.as_ref(), self.new.as_ref())?;
        self.mode = to;
        tracing::info!(mode = %to, height = self.next_height(), "write mode changed");
        Ok(())
    }

    /// Adds, renames and deletes memiavl's trees, before a block's first flush.
    ///
    /// # Errors
    /// An upgrade that does not fit the trees, memiavl at rest, a poisoned node.
    pub fn upgrade(&mut self, upgrades: &[TreeNameUpgrade]) -> Result<(), Error> {
        self.check_usable()?;
        let old = self.old.as_mut().filter(|_| !self.old_rests).ok_or(Error::OldRests { what: "store upgrades" })?;
        let savepoint = old.savepoint();
        if let Err(source) = old.upgrade(upgrades) {
            old.restore(savepoint);
            return Err(Error::Old { action: "upgrading stores", source });
        }
        self.block.begun = true;
        Ok(())
    }

    /// Drops the block in work.
    ///
    /// # Errors
    /// A poisoned node.
    pub fn discard(&mut self) -> Result<(), Error> {
        self.check_usable()?;
        if let Some(old) = &mut self.old {
            old.discard();
        }
        if let Some(new) = &mut self.new {
            new.discard();
        }
        self.drop_unborn_new();
        let block = std::mem::take(&mut self.block);
        if let (Some(manager), Some(savepoint)) = (&self.manager, block.manager) {
            manager.restore(savepoint);
        }
        Ok(())
    }

    /// Ends the background work and gives the stores back, to close them: memiavl last, its changelog must not reach the
    /// disk before what FlatKV has.
    ///
    /// # Errors
    /// Blocks that were left to the operating system and cannot be put on disk.
    pub fn into_stores(mut self) -> Result<(Option<O>, Option<N>), Error> {
        if let Some((_, background)) = self.background.take() {
            background.close()?;
        }
        drop((self.ahead, self.worker, self.freeing));
        Ok((self.old, self.new))
    }

    pub(crate) fn check_usable(&self) -> Result<(), Error> {
        match self.poison {
            Some((height, outcome)) => Err(Error::Poisoned { height, outcome, source: None }),
            None => Ok(()),
        }
    }

    pub(crate) fn check_between_blocks(&self) -> Result<(), Error> {
        self.check_usable()?;
        if self.block.begun { Err(Error::BlockInWork { height: self.next_height() }) } else { Ok(()) }
    }

    pub(crate) fn at_kill_point(&mut self, point: KillPoint) {
        if let Some(hook) = &mut self.kill_hook {
            hook(point);
        }
    }

    /// The migration's records in FlatKV, the block in work included.
    pub(crate) fn metadata(&self) -> Result<Metadata, Error> {
        self.new.as_ref().map(Metadata::read).transpose().map(Option::unwrap_or_default)
    }

    /// Makes FlatKV, if it is not there, seeded so that its first block is the block in work.
    pub(crate) fn ensure_new(&mut self) -> Result<&mut N, Error> {
        if self.new.is_none() {
            let height = self.next_height();
            self.new = Some((self.make_new)(height).map_err(Error::new("creating the store"))?);
        }
        // UNWRAP: the line above has just put it there.
        Ok(self.new.as_mut().expect("FlatKV was just made"))
    }

    /// Closes a FlatKV that has no block: the block that had it made is gone, and another height may be its first.
    pub(crate) fn drop_unborn_new(&mut self) {
        self.new.take_if(|new| new.version().is_none());
    }

    /// Whether FlatKV takes part in the commit info of the block in work.
    pub(crate) fn new_takes_part(&self, metadata: &Metadata) -> bool {
        self.mode.base_version() > 0 || metadata.establishes_new_store()
    }

    /// Whether memiavl's trees take part in the commit info of the block in work.
    pub(crate) fn old_takes_part(&self, metadata: &Metadata) -> bool {
        self.old.is_some() && self.mode != Mode::FlatkvOnly && metadata.version.unwrap_or(0) < LAST_VERSION
    }

    pub(crate) fn view_state(&self, parts: crate::commit::Committed) -> Result<ViewState<O::View, N::View>, Error> {
        let metadata = self.metadata()?;
        let exists = self.new_takes_part(&metadata);
        let new = self.new.as_ref().filter(|new| exists && new.version().is_some());
        Ok(ViewState {
            height: parts.height,
            mode: self.mode,
            boundary: self.boundary(),
            commit_info: parts.commit_info,
            app_hash: parts.app_hash,
            modules: Arc::clone(&self.modules),
            old: self.old.as_ref().filter(|_| self.old_takes_part(&metadata)).map(OldStore::view),
            new: new.map(NewStore::view).transpose().map_err(Error::new("taking a view"))?,
        })
    }
}

/// The manager of a mode; none for a mode that moves nothing.
pub(crate) fn make_manager(
    mode: Mode,
    config: &Config,
    old: Option<&impl OldStore>,
    new: Option<&impl Read>,
) -> Result<Option<Manager>, Error> {
    let Some((start, target)) = mode.migration() else { return Ok(None) };
    let moves = |module: &&String| mode.route(module) == Route::Moving;
    let modules = config.modules.iter().filter(moves).cloned().collect();
    let config = ManagerConfig { start, target, modules, batch: config.batch };
    Manager::new(config, old, new).map(Some)
}
