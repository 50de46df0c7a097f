//! The store itself: what it holds, what it tells, how it ends.

use std::fmt;
use std::path::{Path, PathBuf};

use changeset::{AppHash, CommitInfo, Hash, LATTICE_STORE, TreeNameUpgrade, app_hash};

use crate::changelog::Changelog;
use crate::error::{Error, Result};
use crate::lock::Lock;
use crate::multitree::{Forest, MultiTree};
use crate::open::{Access, Options};
use crate::store::read::impl_reads;
use crate::store::rewrite::Rewrites;

/// A live multi-tree: reads see the block in work, views see the last committed version.
pub struct MemIavl {
    pub(super) dir: PathBuf,
    pub(super) options: Options,
    pub(super) trees: MultiTree,
    pub(super) log: Changelog,
    pub(super) snapshot_version: u64,
    pub(super) rewrites: Rewrites,
    /// The app hash that the last replayed entry's seal holds.
    sealed: Option<AppHash>,
    /// Whether a write failed, so that memory and disk may differ.
    pub(super) is_poisoned: bool,
    /// INVARIANT: the last field, so that the lock outlives everything that writes.
    lock: Option<Lock>,
}

/// What a replay hands over.
pub(crate) struct Replayed {
    pub(crate) dir: PathBuf,
    pub(crate) options: Options,
    pub(crate) forest: Forest,
    pub(crate) log: Changelog,
    pub(crate) snapshot_version: u64,
    pub(crate) sealed: Option<AppHash>,
    pub(crate) lock: Option<Lock>,
}

impl MemIavl {
    /// A store between two blocks.
    pub(crate) fn new(replayed: Replayed) -> Result<Self> {
        let Replayed { dir, options, forest, log, snapshot_version, sealed, lock } = replayed;
        let rewrites = Rewrites::new(forest.version().into(), log.bytes_after(snapshot_version));
        let trees = MultiTree::new(forest)?;
        let is_poisoned = false;
        let mut store = Self { dir, options, trees, rewrites, log, snapshot_version, sealed, is_poisoned, lock };
        store.start_block()?;
        // A directory that could be opened keeps its lock file, as the reference leaves it.
        if let Some(lock) = &mut store.lock {
            lock.keep();
        }
        Ok(store)
    }

    /// The store's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The version of the snapshot under the changed nodes.
    pub fn snapshot_version(&self) -> u64 {
        self.snapshot_version
    }

    /// Memory that changed nodes take.
    pub fn cow_bytes(&self) -> u64 {
        self.trees.working().mem_bytes()
    }

    /// The app hash after the last replayed block, if ferry wrote its entry.
    pub fn sealed_app_hash(&self) -> Option<AppHash> {
        self.sealed
    }

    /// Checks that the last replayed entry leads to the app hash in its seal; an entry of the reference has none and
    /// passes. `lattice` is FlatKV's root at that version, if it took part.
    ///
    /// # Errors
    /// [`Error::AppHash`].
    pub fn check_seal(&self, lattice: Option<Hash>) -> Result<()> {
        let Some(expected) = self.sealed else {
            return Ok(());
        };
        let committed = self.trees.committed();
        let stores = committed.roots().chain(lattice.map(|root| (LATTICE_STORE, root)));
        let got = app_hash(&CommitInfo::new(committed.version(), stores));
        if got == expected { Ok(()) } else { Err(Error::AppHash { version: committed.version(), expected, got }) }
    }

    /// Puts the changelog on disk. A store whose commits are durable does so by itself in the background; for another one
    /// the owner says when.
    ///
    /// # Errors
    /// I/O. It is not tried again: the store must be reopened.
    pub fn sync_changelog(&mut self) -> Result<()> {
        self.check_writable()?;
        Ok(self.log.sync()?)
    }

    /// Closes the store; the changelog is on disk when it returns.
    ///
    /// # Errors
    /// I/O.
    pub fn close(mut self) -> Result<()> {
        self.end_rewrite()?;
        if self.options.access == Access::Writer {
            self.log.sync()?;
        }
        self.take_background_failure().map_or(Ok(()), Err)
    }

    /// A block that starts a fresh store adds its first trees.
    pub(super) fn start_block(&mut self) -> Result<()> {
        if self.trees.committed().version() > 0 || self.options.access == Access::ReadOnly {
            return Ok(());
        }
        let add = |name: &String| TreeNameUpgrade { name: name.clone(), ..TreeNameUpgrade::default() };
        let upgrades: Vec<_> = self.options.initial_stores.iter().map(add).collect();
        self.trees.upgrade(&upgrades)
    }

    /// An error unless the store may change.
    pub(super) fn check_writable(&self) -> Result<()> {
        match self.options.access {
            Access::ReadOnly => Err(Error::ReadOnly { path: self.dir.clone() }),
            Access::Writer if self.is_poisoned => Err(Error::Poisoned { path: self.dir.clone() }),
            Access::Writer => Ok(()),
        }
    }

    fn working(&self) -> &Forest {
        self.trees.working()
    }
}

impl fmt::Debug for MemIavl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.trees.committed().version();
        f.debug_struct("MemIavl").field("dir", &self.dir).field("version", &version).finish_non_exhaustive()
    }
}

impl_reads!(MemIavl, working);
