//! A sample: some of the home's own keys, moved by a real node in a scratch directory, on a real disk.
//!
//! The keys are taken evenly from all over the modules, so that reading them costs what it will cost. What a sample cannot
//! see: the depth of the whole tree, and a disk that slows down as the store grows.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use changeset::{KvPair, NamedChangeSet};
use memiavl::View;
use migrate_core::{BatchLimit, Mode};

use super::shape::judge;
use crate::error::Error;
use crate::node::Node;
use crate::options::{Options, SnapshotOptions};
use crate::scratch::Scratch;

/// How the name of a sample's directory begins.
pub const SCRATCH: &str = "ferry-plan-";
/// Keys of a sample, at most.
const KEYS_MAX: u64 = 50_000;
/// And at least, as far as there are any: fewer say nothing.
const KEYS_MIN: u64 = 2_000;
/// Full blocks that a sample should have.
const BLOCKS: u64 = 20;
/// Bytes of a sample, at most.
const BYTES_MAX: usize = 64 << 20;
/// Neighbours that are read at one place.
const RUN_LEAVES: u64 = 64;

/// What the sample showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Keys moved.
    pub keys: u64,
    /// Keys that a block moved.
    pub batch_keys: u64,
    /// Blocks that moved keys.
    pub blocks: u64,
    /// Reading the keys from the home.
    pub reading: Duration,
    /// Applying and committing the blocks.
    pub moving: Duration,
    /// Half of the blocks took no longer.
    pub block_median: Duration,
    /// The slowest block.
    pub block_max: Duration,
}

impl Sample {
    /// Keys moved in a second, reading them included.
    pub fn keys_per_second(&self) -> f64 {
        self.keys as f64 / (self.reading + self.moving).as_secs_f64().max(1e-6)
    }

    /// How long a block of `batch_keys` takes at this pace.
    pub fn block(&self, batch_keys: u64) -> Duration {
        Duration::try_from_secs_f64(batch_keys as f64 / self.keys_per_second().max(1e-6)).unwrap_or(Duration::MAX)
    }
}

/// Moves a sample of `modules` (name and keys) in a directory below `scratch` that goes again. None if there is nothing to
/// move.
///
/// # Errors
/// A damaged leaf, I/O, a stop.
pub(super) fn take(
    memiavl: &View,
    modules: &[(String, u64)],
    batch_keys: u64,
    scratch: &Path,
    options: &Options,
    go_on: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<Option<Sample>, Error> {
    let began = Instant::now();
    let wanted = batch_keys.saturating_mul(BLOCKS).clamp(KEYS_MIN, KEYS_MAX);
    let changes = read(memiavl, modules, wanted)?;
    let reading = began.elapsed();
    let keys: u64 = changes.iter().map(|change| change.changeset.pairs.len() as u64).sum();
    if keys == 0 {
        return Ok(None);
    }
    let directory = Scratch::make(SCRATCH, scratch)?;
    let blocks = run(directory.path(), changes, batch_keys.min(keys), options, go_on)?;
    directory.close()?;
    let mut times: Vec<_> = blocks.iter().map(|(_, time)| *time).collect();
    times.sort_unstable();
    Ok(Some(Sample {
        keys: blocks.iter().map(|(keys, _)| keys).sum(),
        batch_keys: batch_keys.min(keys),
        blocks: times.len() as u64,
        reading,
        moving: times.iter().sum(),
        block_median: times.get(times.len() / 2).copied().unwrap_or_default(),
        block_max: times.last().copied().unwrap_or_default(),
    }))
}

/// Reads up to `wanted` pairs, from each module its share, in runs that lie evenly.
fn read(memiavl: &View, modules: &[(String, u64)], wanted: u64) -> Result<Vec<NamedChangeSet>, Error> {
    let total: u64 = modules.iter().map(|(_, keys)| keys).sum();
    let (mut changes, mut bytes, mut physical) = (Vec::new(), 0, Vec::new());
    for (name, keys) in modules.iter().filter(|(_, keys)| *keys > 0) {
        let share = u128::from(wanted.min(total)) * u128::from(*keys) / u128::from(total.max(1));
        let runs = u64::try_from(share).unwrap_or(u64::MAX).div_ceil(RUN_LEAVES).max(1);
        let mut pairs = Vec::new();
        for run in 0..runs {
            let start = u64::try_from(u128::from(*keys) * u128::from(run) / u128::from(runs)).unwrap_or(u64::MAX);
            for leaf in memiavl.leaves(name, start..start.saturating_add(RUN_LEAVES))? {
                let (key, value) = leaf?;
                let is_bad =
                    judge(name, &key, &value, &mut physical).shape.is_some_and(|shape| shape.stops_the_chain());
                if is_bad || bytes >= BYTES_MAX {
                    continue;
                }
                bytes += key.len() + value.len();
                pairs.push(KvPair::set(key.into_owned(), value.into_owned()));
            }
        }
        changes.push(NamedChangeSet::new(name.clone(), pairs));
    }
    Ok(changes)
}

/// A node that is given the pairs and moves them, phase after phase. The blocks that moved keys: how many, how long.
fn run(
    home: &Path,
    changes: Vec<NamedChangeSet>,
    batch_keys: u64,
    options: &Options,
    go_on: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<Vec<(u64, Duration)>, Error> {
    let mut node = Node::open(home, sample_options(options))?;
    node.apply(changes)?;
    node.commit()?;
    let bytes = options.batch.bytes;
    node.set_batch(BatchLimit { keys: batch_keys, bytes })?;
    let mut blocks = Vec::new();
    while node.step_towards(Mode::FlatkvOnly)? < Mode::FlatkvOnly {
        if go_on().is_break() || options.cancel.is_cancelled() {
            node.close()?;
            return Err(migrate_core::Error::Cancelled.into());
        }
        let began = Instant::now();
        let moved = node.apply(Vec::new())?.moved_keys;
        node.commit()?;
        if moved > 0 {
            blocks.push((moved, began.elapsed()));
        }
    }
    node.close()?;
    Ok(blocks)
}

/// As the home's node, but fresh, and without snapshots.
fn sample_options(options: &Options) -> Options {
    Options {
        create: true,
        mode: migrate_core::ModeSetting::Auto,
        batch: BatchLimit::keys(0),
        initial_version: 1,
        initial_stores: options.modules.clone(),
        snapshot: SnapshotOptions { interval_blocks: 0, ..options.snapshot.clone() },
        ..options.clone()
    }
}
