//! How a node is opened.

use std::sync::Arc;

use migrate_core::{BatchLimit, CancelToken, DEFAULT_MODULES, Durability, ModeSetting, NoObserver, Observer};

const MIB: u64 = 1 << 20;

/// When memiavl writes snapshots and how many it keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// Blocks between two snapshots; 0 for none by height.
    pub interval_blocks: u64,
    /// Bytes of changelog behind the newest snapshot up to which none is written for their sake. Above it one is, once they
    /// are a sixteenth of the newest's own bytes, at most once a minute: opening replays them.
    pub replay_bytes_min: u64,
    /// Bytes of changelog behind the newest snapshot with which one is written in any case.
    pub replay_bytes_max: u64,
    /// Bytes of changed nodes in memory up to which no snapshot is written for their sake. Above it one is, once they are a
    /// sixteenth of the newest's own bytes: behind it they are in files.
    pub changed_bytes_min: u64,
    /// Bytes of changed nodes in memory with which a snapshot is written in any case.
    pub changed_bytes_max: u64,
    /// How many older snapshots are kept beside the newest.
    pub keep_recent: usize,
    /// The most bytes a second that a background snapshot writes, and 32 more for each byte that blocks log meanwhile; none
    /// for no limit.
    pub write_bytes_per_second: Option<u64>,
}

/// How a node is opened. The limits of a batch and the modules are chain-wide: nodes that differ in them part ways.
#[derive(Clone)]
pub struct Options {
    /// Whether a home without state becomes a fresh node's.
    pub create: bool,
    /// The write mode.
    pub mode: ModeSetting,
    /// How much one block moves; 0 keys pause the migration.
    pub batch: BatchLimit,
    /// The chain's modules.
    pub modules: Vec<String>,
    /// The first height of a fresh node.
    pub initial_version: u64,
    /// The trees of a fresh node.
    pub initial_stores: Vec<String>,
    /// memiavl's snapshots.
    pub snapshot: SnapshotOptions,
    /// How many blocks can be rolled back.
    pub rollback_blocks: u64,
    /// Whether a block is on disk before it is acknowledged. Left to the operating system, acknowledged blocks survive the
    /// end of the process, not a power cut.
    pub durability: Durability,
    /// Whether a memiavl that is ahead of FlatKV goes back to it: only where it is known that another program drove it on.
    /// Without it such a home is refused.
    pub accept_memiavl_ahead: bool,
    /// How many views may be open.
    pub views_max: usize,
    /// Bytes of keys and values that a block may have.
    pub block_bytes_max: u64,
    /// Bytes of FlatKV's blocks, indexes and filters kept in memory.
    pub block_cache_bytes: usize,
    /// Bytes of FlatKV's hot rows kept in memory; 0 for none.
    pub row_cache_bytes: usize,
    /// Bytes of FlatKV's memtables.
    pub memtable_bytes: usize,
    /// Who is told of flushes and blocks.
    pub observer: Arc<dyn Observer>,
    /// Stops work in progress between two rows.
    pub cancel: CancelToken,
}

impl Default for SnapshotOptions {
    fn default() -> Self {
        let memiavl = memiavl::Options::writer();
        Self {
            interval_blocks: memiavl.snapshot_interval_blocks,
            replay_bytes_min: memiavl.replay_bytes_min,
            replay_bytes_max: memiavl.replay_bytes_max,
            changed_bytes_min: memiavl.cow_bytes_min,
            changed_bytes_max: memiavl.cow_bytes_max,
            keep_recent: memiavl.snapshot_keep_recent,
            write_bytes_per_second: Some(memiavl.snapshot_write_bytes_per_second),
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        let flatkv = flatkv::Options::default();
        Self {
            create: false,
            mode: ModeSetting::Auto,
            batch: BatchLimit::keys(0),
            modules: DEFAULT_MODULES.map(str::to_owned).to_vec(),
            initial_version: 1,
            initial_stores: Vec::new(),
            snapshot: SnapshotOptions::default(),
            rollback_blocks: 1_000,
            durability: Durability::Sync,
            accept_memiavl_ahead: false,
            views_max: 64,
            block_bytes_max: 1024 * MIB,
            block_cache_bytes: flatkv.block_cache_bytes,
            row_cache_bytes: flatkv.row_cache_bytes,
            memtable_bytes: flatkv.memtable_bytes,
            observer: Arc::new(NoObserver),
            cancel: CancelToken::default(),
        }
    }
}

impl Options {
    pub(crate) fn flatkv(&self) -> flatkv::Options {
        flatkv::Options {
            block_cache_bytes: self.block_cache_bytes,
            row_cache_bytes: self.row_cache_bytes,
            memtable_bytes: self.memtable_bytes,
            durability: match self.durability {
                Durability::Sync => flatkv::Durability::Sync,
                Durability::Os => flatkv::Durability::Os,
            },
            ..flatkv::Options::default()
        }
    }

    pub(crate) fn engine(&self) -> migrate_core::Config {
        migrate_core::Config {
            mode: self.mode,
            batch: self.batch,
            modules: self.modules.clone(),
            initial_version: self.initial_version,
            block_bytes_max: self.block_bytes_max,
            rollback_blocks: self.rollback_blocks,
            durability: self.durability,
            views_max: self.views_max,
            observer: Arc::clone(&self.observer),
            cancel: self.cancel.clone(),
        }
    }
}
