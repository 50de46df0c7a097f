//! What is ahead: the migrations with their keys, blocks and time, and the room that they need at the worst moment.

use std::time::Duration;

use migrate_core::{LAST_VERSION, Mode, Route};

use super::census::Count;
use super::sample::Sample;
use super::{ModuleCount, Terms};

/// What a changelog entry, a handoff or an undo record holds for a moved key beside the key.
const LOG_BYTES_PER_KEY: u64 = 32;
/// A key that moves stands in the changelog, in the handoff, and in the undo record.
const LOGS: u64 = 3;

/// A migration that is ahead, or what is left of the one in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// The mode that moves it.
    pub mode: Mode,
    /// Keys left to move.
    pub keys: u64,
    /// Blocks that move them, the completing one included; none at a batch size of 0.
    pub blocks: Option<u64>,
    /// Work of the node alone, if its blocks followed each other without a pause.
    pub work: Option<Duration>,
    /// Time until it is done, where the time between two blocks is known: a block takes as long as the chain's, or as its work if that is longer.
    pub elapsed: Option<Duration>,
}

/// Bytes on disk at the worst moment, beyond what is there now; at most, since nothing is taken for compressible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// The rows.
    pub rows_bytes: u64,
    /// The rows once more: RocksDB writes a level anew before it drops the old one.
    pub compaction_bytes: u64,
    /// A snapshot of memiavl that is being written.
    pub snapshot_bytes: u64,
    /// Changelog, handoffs and undo records of the window that can be rolled back.
    pub logs_bytes: u64,
}

impl Room {
    /// All of it.
    pub fn bytes(&self) -> u64 {
        [self.rows_bytes, self.compaction_bytes, self.snapshot_bytes, self.logs_bytes]
            .into_iter()
            .fold(0, u64::saturating_add)
    }
}

/// The migrations that lead from `version` to the last one.
pub(super) fn phases(version: u64, modules: &[ModuleCount], sample: Option<&Sample>, terms: &Terms) -> Vec<Phase> {
    let phase = |mode: Mode| {
        let keys = modules.iter().filter(|module| module.moves_in(mode)).map(|module| module.count.keys).sum::<u64>();
        let batch = terms.batch_keys;
        // A migration without a key takes a block, too: the one that says so.
        let blocks = (batch > 0).then(|| keys.div_ceil(batch).max(1));
        let work = sample.map(|sample| sample.block(keys));
        let elapsed = blocks.zip(work).zip(terms.block_time).map(|((blocks, work), time)| {
            let chain = u32::try_from(blocks).ok().and_then(|blocks| time.checked_mul(blocks));
            chain.unwrap_or(Duration::MAX).max(work)
        });
        Phase { mode, keys, blocks, work, elapsed }
    };
    (version..LAST_VERSION).filter_map(Mode::migrating_from).map(phase).collect()
}

/// The room that the move of everything needs.
pub(super) fn room(modules: &[ModuleCount], snapshot_bytes: u64, rollback_blocks: u64, terms: &Terms) -> Room {
    let moving: Vec<&Count> = modules.iter().filter(|module| module.is_left).map(|module| &module.count).collect();
    let sum = |of: fn(&Count) -> u64| moving.iter().map(|count| of(count)).fold(0_u64, u64::saturating_add);
    let (keys, key_bytes) = (sum(|count| count.keys), sum(|count| count.key_bytes));
    let rows_bytes = sum(|count| count.row_bytes);
    // Older ones are dropped. Without a batch size the whole state is taken to lie in the window.
    let window = rollback_blocks
        .checked_mul(terms.batch_keys)
        .filter(|_| terms.batch_keys > 0)
        .map_or(keys, |keys_max| keys.min(keys_max));
    let logs = u128::from(key_bytes) * u128::from(window) / u128::from(keys.max(1));
    let logs_bytes = u64::try_from(logs).unwrap_or(u64::MAX).saturating_add(window.saturating_mul(LOG_BYTES_PER_KEY));
    Room { rows_bytes, compaction_bytes: rows_bytes, snapshot_bytes, logs_bytes: logs_bytes.saturating_mul(LOGS) }
}

impl ModuleCount {
    /// Whether the migration of `mode` moves it.
    pub(super) fn moves_in(&self, mode: Mode) -> bool {
        self.is_left && mode.route(&self.name) == Route::Moving
    }
}
