//! What a rehearsal measures: blocks, keys, times, bytes on disk.

use std::time::{Duration, Instant};

use migrate_core::Mode;

use super::RehearsalProgress;
use crate::error::Error;
use crate::home::Home;
use crate::preflight::tree_bytes;

/// How often the disk is looked at.
const DISK_INTERVAL: Duration = Duration::from_secs(1);

/// A migration that was rehearsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RehearsedPhase {
    /// The mode that moved it.
    pub mode: Mode,
    /// Keys moved.
    pub keys: u64,
    /// Blocks run.
    pub blocks: u64,
    /// Applying and committing them.
    pub work: Duration,
    /// Half of the blocks took no longer.
    pub block_median: Duration,
    /// 99 of 100 blocks took no longer.
    pub block_p99: Duration,
    /// The slowest block.
    pub block_max: Duration,
}

/// Bytes of both stores on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// When the copy was made.
    pub before_bytes: u64,
    /// At the most, as far as was looked.
    pub most_bytes: u64,
    /// At the end.
    pub after_bytes: u64,
}

/// Takes the measures.
pub(super) struct Meter<'h> {
    home: &'h Home,
    looked: Instant,
    disk: Disk,
    done: RehearsalProgress,
    phases: Vec<(RehearsedPhase, Vec<Duration>)>,
}

impl<'h> Meter<'h> {
    pub(super) fn start(home: &'h Home, keys_total: u64) -> Self {
        let before_bytes = on_disk(home);
        Self {
            home,
            looked: Instant::now(),
            disk: Disk { before_bytes, most_bytes: before_bytes, after_bytes: before_bytes },
            done: RehearsalProgress { keys_total, ..RehearsalProgress::default() },
            phases: Vec::new(),
        }
    }

    /// Times a block of `mode`; `run` says how many keys it moved.
    pub(super) fn block(&mut self, mode: Mode, run: impl FnOnce() -> Result<u64, Error>) -> Result<(), Error> {
        let began = Instant::now();
        let moved = run()?;
        let took = began.elapsed();
        if self.phases.last().is_none_or(|(phase, _)| phase.mode != mode) {
            let zero = Duration::ZERO;
            let phase = RehearsedPhase {
                mode,
                keys: 0,
                blocks: 0,
                work: zero,
                block_median: zero,
                block_p99: zero,
                block_max: zero,
            };
            self.phases.push((phase, Vec::new()));
        }
        if let Some((phase, times)) = self.phases.last_mut() {
            phase.keys += moved;
            phase.blocks += 1;
            phase.work += took;
            times.push(took);
        }
        self.done.keys += moved;
        self.done.blocks += 1;
        if self.looked.elapsed() >= DISK_INTERVAL {
            self.look();
        }
        Ok(())
    }

    pub(super) fn progress(&self) -> RehearsalProgress {
        self.done
    }

    pub(super) fn finish(mut self) -> (Vec<RehearsedPhase>, Disk) {
        self.look();
        let phases = self.phases.into_iter().map(|(mut phase, mut times)| {
            times.sort_unstable();
            let at = |share: usize| times.get((times.len() * share / 100).min(times.len().saturating_sub(1)));
            phase.block_median = at(50).copied().unwrap_or_default();
            phase.block_p99 = at(99).copied().unwrap_or_default();
            phase.block_max = times.last().copied().unwrap_or_default();
            phase
        });
        (phases.collect(), self.disk)
    }

    fn look(&mut self) {
        self.looked = Instant::now();
        self.disk.after_bytes = on_disk(self.home);
        self.disk.most_bytes = self.disk.most_bytes.max(self.disk.after_bytes);
    }
}

fn on_disk(home: &Home) -> u64 {
    tree_bytes(home.memiavl()).saturating_add(tree_bytes(home.flatkv()))
}
