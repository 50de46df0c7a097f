//! How a store is opened.

use std::time::Duration;

/// Who opens a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The one process that commits. Takes the lock, makes a missing store, removes what an interrupted write left.
    Writer,
    /// Anyone. Takes no lock and changes nothing on disk, not even a torn tail of the log.
    ReadOnly,
}

/// How a store is opened. Made by [`writer`](Self::writer) or [`read_only`](Self::read_only), then changed field by field.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Who opens.
    pub access: Access,
    /// The version to stop the replay at; the last one if none. Only for reading: a writer rolls back first.
    pub at_version: Option<u64>,
    /// Height of a fresh store's first block. Up to 1 it is 1.
    pub initial_version: u32,
    /// The trees of a fresh store; they become the upgrades of its first block.
    pub initial_stores: Vec<String>,
    /// Up to which version the changelog is known to be on disk. What is damaged behind it is a torn end; without it, only
    /// damage with nothing valid behind it is.
    pub changelog_synced: Option<u64>,
    /// A snapshot is written at multiples of this many blocks; 0 for never.
    pub snapshot_interval_blocks: u64,
    /// How many snapshots older than the current one stay.
    pub snapshot_keep_recent: usize,
    /// Most bytes per second that a snapshot in the background is written with, and 32 more for each that blocks log
    /// meanwhile; 0 for as many as the disk takes.
    pub snapshot_write_bytes_per_second: u64,
    /// A snapshot is written once changed nodes take this much memory.
    pub cow_bytes_max: u64,
    /// A snapshot is written before that, once changed nodes take a sixteenth of the current one's bytes, but for less than
    /// this not, and not before the last one's time to be written has passed once more.
    pub cow_bytes_min: u64,
    /// A snapshot is written once this much of the log would have to be replayed.
    pub replay_bytes_max: u64,
    /// A snapshot is written before that, once what would have to be replayed is a sixteenth of the current one's bytes, but
    /// for less than this not.
    pub replay_bytes_min: u64,
    /// Between two rewrites, the second of them for the sake of `replay_bytes_min`, there is at least this time.
    pub replay_rest: Duration,
    /// Whether a block counts as durable when `commit` returns. If not, no snapshot becomes current before the owner has
    /// said by `set_durable_version` that its version is, and the changelog may have holes at its end.
    pub commits_are_durable: bool,
}

impl Options {
    /// To commit blocks.
    pub fn writer() -> Self {
        Self {
            access: Access::Writer,
            at_version: None,
            initial_version: 0,
            initial_stores: Vec::new(),
            changelog_synced: None,
            // The reference's interval: nodes of one network then have snapshots of the same heights.
            snapshot_interval_blocks: 10_000,
            // The reference's number: one snapshot to go back to.
            snapshot_keep_recent: 1,
            // The reference's rate: leaves most of a common disk to the blocks, and writes 360 GB an hour.
            snapshot_write_bytes_per_second: 100 << 20,
            // About three million changed keys, each a leaf, a branch, and its bytes.
            cow_bytes_max: 1 << 30,
            // Beside it what comes in while a snapshot is written stays below 256 MiB.
            cow_bytes_min: 96 << 20,
            // A minute of replay: 40 MB/s measured on two busy cores, ten thousand deletes a block.
            replay_bytes_max: 2 << 30,
            // Under a second of replay.
            replay_bytes_min: 16 << 20,
            // At most this and a rewrite's time of blocks are replayed in a small home; a large one takes longer to write.
            replay_rest: Duration::from_mins(1),
            commits_are_durable: true,
        }
    }

    /// To read the last version.
    pub fn read_only() -> Self {
        Self { access: Access::ReadOnly, ..Self::writer() }
    }
}
