//! What is noted while the demonstration runs.

use std::time::{Duration, Instant};

use ferry::Mode;
use hdrhistogram::Histogram;

use crate::generate::Filled;
use crate::home::DiskSizes;

use super::check::Checked;
use super::readers::{ReadFigures, histogram};

/// Blocks in one write mode.
pub(super) struct Phase {
    pub(super) mode: Mode,
    began: Instant,
    /// Time in the phase, without what went into restarting and checking; set at its end.
    pub(super) elapsed: Duration,
    pub(super) paused: Duration,
    pub(super) blocks: u64,
    pub(super) moved_keys: u64,
    pub(super) block_ns: Histogram<u64>,
    /// How long opening took when the node was restarted in the middle of the phase.
    pub(super) reopen: Option<Duration>,
    /// What the stores took on disk at the phase's end.
    pub(super) disk: DiskSizes,
}

/// Everything noted.
pub(super) struct Record {
    pub(super) filled: Filled,
    pub(super) filled_elapsed: Duration,
    pub(super) before: DiskSizes,
    pub(super) phases: Vec<Phase>,
    pub(super) reads: ReadFigures,
    /// Compared in the middle of the migrations.
    pub(super) sampled: Checked,
    /// Compared at the end.
    pub(super) checked: Checked,
    pub(super) check_elapsed: Duration,
    pub(super) last: Option<Last>,
}

/// The state at the end.
pub(super) struct Last {
    pub(super) height: u64,
    pub(super) app_hash: String,
    pub(super) flatkv_root: Option<String>,
}

impl Phase {
    pub(super) fn new(mode: Mode) -> Self {
        Self {
            mode,
            began: Instant::now(),
            elapsed: Duration::ZERO,
            paused: Duration::ZERO,
            blocks: 0,
            moved_keys: 0,
            block_ns: histogram(),
            reopen: None,
            disk: DiskSizes::default(),
        }
    }

    pub(super) fn block(&mut self, elapsed: Duration, moved_keys: u64) {
        self.blocks += 1;
        self.moved_keys += moved_keys;
        self.block_ns.saturating_record(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(super) fn ended(mut self, disk: DiskSizes) -> Self {
        self.elapsed = self.began.elapsed().saturating_sub(self.paused);
        self.disk = disk;
        self
    }
}

impl Record {
    pub(super) fn new(filled: Filled, filled_elapsed: Duration, before: DiskSizes) -> Self {
        Self {
            filled,
            filled_elapsed,
            before,
            phases: Vec::new(),
            reads: ReadFigures::new(),
            sampled: Checked::default(),
            checked: Checked::default(),
            check_elapsed: Duration::ZERO,
            last: None,
        }
    }
}
