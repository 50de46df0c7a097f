//! The node: both stores of a chain node behind one set of calls, before, during and after the migration.

use std::path::{Path, PathBuf};
use std::time::Instant;

use boundary::Boundary;
use bytes::Bytes;
use changeset::{CommitInfo, NamedChangeSet, TreeNameUpgrade};
use flatkv::FlatKv;
use memiavl::{MemIavl, Proof};
use migrate_core::{BatchLimit, Committed, Engine, ErrorKind, FlushReport, KillHook, Mode};

use crate::error::Error;
use crate::home::Home;
use crate::open::{Guard, Opened};
use crate::options::Options;
use crate::{View, Views, open, proof, rollback};

/// A chain node's state, open for writing. One thread owns it; any number of threads read through [`Views`].
pub struct Node {
    home: Home,
    engine: Engine<MemIavl, FlatKv>,
    /// INVARIANT: behind the engine, so that the home stays locked until the stores are closed.
    guard: Guard,
}

impl Node {
    /// Opens the node at `home`, finishing what a crash has left.
    ///
    /// # Errors
    /// No node there, one that another process holds, directories of another program, damage, a mode that does not fit;
    /// each says what to do. Nothing is changed then.
    pub fn open(home: &Path, options: Options) -> Result<Self, Error> {
        let began = Instant::now();
        let home = Home::locate(home);
        let Opened { engine, guard } = open::open(&home, &options)?;
        let node = Self { home, engine, guard };
        let (height, mode, boundary) = (node.height(), node.mode(), node.boundary());
        tracing::info!(height, %mode, %boundary, open_ms = began.elapsed().as_millis() as u64, "node is open");
        Ok(node)
    }

    /// Where the node's stores are.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The last committed height; 0 before the first block.
    pub fn height(&self) -> u64 {
        self.engine.height()
    }

    /// The height of the block in work.
    pub fn next_height(&self) -> u64 {
        self.engine.next_height()
    }

    /// The write mode in force.
    pub fn mode(&self) -> Mode {
        self.engine.mode()
    }

    /// The migration's cursor, the block in work included.
    pub fn boundary(&self) -> Boundary {
        self.engine.boundary()
    }

    /// Whether a migration stands still because the batch size is 0.
    pub fn is_paused(&self) -> bool {
        self.engine.is_paused()
    }

    /// Works one flush into the block; the block's first one also advances the migration.
    ///
    /// # Errors
    /// Input that is refused, I/O, corruption. The block is then as it was before the flush.
    pub fn apply(&mut self, changes: Vec<NamedChangeSet>) -> Result<FlushReport, Error> {
        Ok(self.engine.apply(changes)?)
    }

    /// The commit info that the block in work would have. A later flush must not be the block's first.
    ///
    /// # Errors
    /// I/O and corruption.
    pub fn working_commit_info(&mut self) -> Result<CommitInfo, Error> {
        Ok(self.engine.working_commit_info()?)
    }

    /// Commits the block in work; it has happened when the call returns.
    ///
    /// # Errors
    /// I/O and corruption. From the commit point on the node is poisoned and must be reopened; the error says what is
    /// known of the block.
    pub fn commit(&mut self) -> Result<Committed, Error> {
        Ok(self.engine.commit()?)
    }

    /// Drops the block in work.
    ///
    /// # Errors
    /// A poisoned node.
    pub fn discard(&mut self) -> Result<(), Error> {
        Ok(self.engine.discard()?)
    }

    /// The commit info of the last block; none before the first.
    pub fn last_commit_info(&self) -> Option<CommitInfo> {
        let newest = self.engine.last_commit_info();
        (self.height() > 0).then_some(newest)
    }

    /// A view of the last block.
    ///
    /// # Errors
    /// All views taken.
    pub fn view(&self) -> Result<View, Error> {
        Ok(self.engine.views().latest()?)
    }

    /// A view of one of the last few blocks.
    ///
    /// # Errors
    /// A height that is not kept, all views taken.
    pub fn view_at(&self, height: u64) -> Result<View, Error> {
        Ok(self.engine.views().at(height)?)
    }

    /// The published views, for reader threads.
    pub fn views(&self) -> Views {
        self.engine.views().clone()
    }

    /// Reads a key as the block in work has it.
    ///
    /// # Errors
    /// A reserved, unnamed or unknown store, I/O, corruption.
    pub fn get(&self, module: &str, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.engine.get(module, key)?)
    }

    /// Changes how many keys a block moves; 0 pauses. Every node of a chain must do so at the same height.
    ///
    /// # Errors
    /// A block in work.
    pub fn set_batch_size(&mut self, keys: u64) -> Result<(), Error> {
        let bytes = self.engine.batch().bytes;
        Ok(self.engine.set_batch(BatchLimit { keys, bytes })?)
    }

    /// Changes how much a block moves, in keys and in bytes; as [`set_batch_size`](Self::set_batch_size).
    ///
    /// # Errors
    /// A block in work.
    pub fn set_batch(&mut self, limit: BatchLimit) -> Result<(), Error> {
        Ok(self.engine.set_batch(limit)?)
    }

    /// Goes one step along the chain of modes. The step is not persisted by itself: ask for it on every block.
    ///
    /// # Errors
    /// A block in work, a mode that is not the next one, an unfinished migration, a pause.
    pub fn set_mode(&mut self, mode: Mode) -> Result<(), Error> {
        Ok(self.engine.set_mode(mode)?)
    }

    /// Goes as many steps along the chain of modes towards `goal` as can be gone now, and says where that is.
    ///
    /// Ask on every block, before its first flush, with a goal that follows from the chain's state. A node that was
    /// restarted knows a completed migration as the mode behind it, one that was not as the mode itself: single steps
    /// would take the two on at different blocks.
    ///
    /// # Errors
    /// A block in work. A migration that is unfinished or paused is none: it is where the steps end.
    pub fn step_towards(&mut self, goal: Mode) -> Result<Mode, Error> {
        while let Some(next) = self.mode().next().filter(|next| *next <= goal) {
            match self.engine.set_mode(next) {
                Err(error) if error.kind() == ErrorKind::Unfinished => break,
                step => step?,
            }
        }
        Ok(self.mode())
    }

    /// Adds, renames and deletes memiavl's trees, before a block's first flush.
    ///
    /// # Errors
    /// An upgrade that does not fit the trees.
    pub fn upgrades(&mut self, upgrades: &[TreeNameUpgrade]) -> Result<(), Error> {
        Ok(self.engine.upgrade(upgrades)?)
    }

    /// Asks for a memiavl snapshot of the last block, written in the background.
    ///
    /// # Errors
    /// memiavl at rest, a background failure.
    pub fn snapshot(&mut self) -> Result<(), Error> {
        Ok(self.engine.snapshot()?)
    }

    /// Writes a memiavl snapshot of the last block and returns its directory once it is on disk and current.
    ///
    /// # Errors
    /// memiavl at rest, a block in work, I/O.
    pub fn snapshot_now(&mut self) -> Result<PathBuf, Error> {
        let memiavl = self.engine.old_between_blocks("snapshots")?;
        memiavl.snapshot_now()?;
        Ok(memiavl.dir().join(memiavl_iter::snapshot_name(memiavl.snapshot_version())))
    }

    pub(crate) fn stores_between_blocks(&self) -> Result<(Option<&MemIavl>, Option<&FlatKv>), Error> {
        Ok(self.engine.stores_between_blocks()?)
    }

    /// Closes the node, goes back to block `to`, and opens it again with `options`.
    ///
    /// # Errors
    /// Views that are open; a block outside the window that can be rolled back. Nothing is changed then, but the node is
    /// closed.
    pub fn rollback(self, to: u64, options: Options) -> Result<Self, Error> {
        let root = self.home.root().to_owned();
        self.close()?;
        rollback::roll_back(&root, to, &options)?;
        Self::open(&root, options)
    }

    /// Proves to other chains what the app hash of the last block says of a key: that it exists, if memiavl has it, or that
    /// it does not, if its module has no part in a present or past migration.
    ///
    /// # Errors
    /// Everything else: such a proof would be worthless or a lie.
    pub fn prove(&self, module: &str, key: &[u8]) -> Result<Proof, Error> {
        proof::prove(&self.view()?, module, key)
    }

    /// Calls `hook` at each kill point of the commit: for rigs.
    pub fn set_kill_hook(&mut self, hook: KillHook) {
        self.engine.set_kill_hook(hook);
    }

    /// memiavl, the block in work included; none once it is retired.
    pub fn memiavl(&self) -> Option<&MemIavl> {
        self.engine.old()
    }

    /// FlatKV, the block in work included; none before it exists.
    pub fn flatkv(&self) -> Option<&FlatKv> {
        self.engine.new_store()
    }

    /// Closes the node: background work ends, and what is not on disk yet is synced.
    ///
    /// # Errors
    /// What the background work met.
    pub fn close(self) -> Result<(), Error> {
        let Self { engine, guard, .. } = self;
        let closed = open::close(engine);
        drop(guard);
        closed
    }
}
