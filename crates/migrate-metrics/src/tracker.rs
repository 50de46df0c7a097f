//! Follows a migration block by block, and says at any moment how it stands and why.
//!
//! The causes, the first that holds decides:
//! ```text
//! failed                 the last flush or commit ended in an error that is not the caller's input
//! starting               no node was opened
//! done                   the last migration is over, or the goal is reached
//! paused                 whoever makes blocks makes none; or the batch size is 0 while the mode migrates
//! waiting_for_mode_step  nothing is left to move in this mode
//! throttled              whoever makes blocks waits for their pace
//! stalled                no block has advanced the cursor for a while
//! moving
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use migrate_core::{BlockReport, ErrorKind, FlushReport, LAST_VERSION, Mode};

use crate::progress::{Goal, ModuleRemaining, Progress, SCHEMA_VERSION, Sizes};
use crate::state::State;

/// What the rate is an average over.
const RATE_WINDOW: Duration = Duration::from_secs(60);
/// The finest step of that window, which bounds what is kept of it.
const RATE_STEP: Duration = Duration::from_millis(250);
/// Block times kept.
const BLOCK_TIMES: usize = 120;
/// How long the cursor may stand still, with nobody holding it, before that is a stall: many times a chain's block.
pub const STALL_AFTER: Duration = Duration::from_secs(60);

/// Why whoever makes the blocks makes none now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// An operator asked for it.
    Paused,
    /// The batch size is 0.
    BatchZero,
    /// The next block is not due yet.
    Pace {
        /// Time from block to block.
        interval: Duration,
    },
}

/// What is known of a migration. Times are given, so that tests need not wait for them.
pub(crate) struct Tracker {
    report: Option<BlockReport>,
    goal: Option<(Mode, u64)>,
    hold: Option<Hold>,
    failure: Option<String>,
    poisoned: bool,
    /// When the cursor last moved, or was last free to.
    free_since: Instant,
    last_block: Option<Instant>,
    blocks: u64,
    moved: u64,
    /// When so many keys had moved: at the window's beginning, and after blocks since.
    window: VecDeque<(Instant, u64)>,
    flush_elapsed: Duration,
    block_times: VecDeque<Duration>,
    pub(crate) sizes: Option<Sizes>,
    pub(crate) views_open: u64,
}

impl Tracker {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            report: None,
            goal: None,
            hold: None,
            failure: None,
            poisoned: false,
            free_since: now,
            last_block: None,
            blocks: 0,
            moved: 0,
            window: VecDeque::new(),
            flush_elapsed: Duration::ZERO,
            block_times: VecDeque::new(),
            sizes: None,
            views_open: 0,
        }
    }

    pub(crate) fn opened(&mut self, report: &BlockReport, now: Instant) {
        let (sizes, views_open) = (self.sizes, self.views_open);
        *self = Self { report: Some(report.clone()), sizes, views_open, ..Self::new(now) };
        self.restart_window(now);
    }

    pub(crate) fn flush(&mut self, report: &FlushReport, now: Instant) {
        self.flush_elapsed += report.elapsed;
        self.moved = self.moved.saturating_add(report.moved_keys);
        if report.advanced {
            self.free_since = now;
        }
    }

    pub(crate) fn block(&mut self, report: &BlockReport, now: Instant) {
        let was_free = self.report.as_ref().is_some_and(|last| last.mode == report.mode && !last.paused);
        if !was_free {
            self.free_since = now;
        }
        self.report = Some(report.clone());
        self.failure = None;
        self.last_block = Some(now);
        self.blocks = self.blocks.saturating_add(1);
        if self.block_times.len() == BLOCK_TIMES {
            self.block_times.pop_front();
        }
        self.block_times.push_back(std::mem::take(&mut self.flush_elapsed) + report.commit_elapsed);
        self.add_to_window(now);
    }

    pub(crate) fn failed(&mut self, kind: ErrorKind) {
        // Its input a caller corrects, and what is to be tried again is no failure of the migration.
        if !matches!(kind, ErrorKind::Input | ErrorKind::Retry | ErrorKind::Cancelled) {
            self.failure =
                Some(format!("the last flush or commit ended in an error, kind={}; see the log", kind.as_str()));
        }
    }

    pub(crate) fn poisoned(&mut self) {
        self.poisoned = true;
    }

    pub(crate) fn hold(&mut self, hold: Option<Hold>, now: Instant) {
        if self.hold == hold {
            return;
        }
        let stood = |hold| matches!(hold, Some(Hold::Paused | Hold::BatchZero));
        if stood(self.hold) && !stood(hold) {
            // The time of a pause is no part of the rate that follows.
            self.restart_window(now);
        }
        self.free_since = now;
        self.hold = hold;
    }

    pub(crate) fn set_goal(&mut self, goal: Option<(Mode, u64)>) {
        self.goal = goal;
    }

    fn restart_window(&mut self, now: Instant) {
        self.window.clear();
        self.window.push_back((now, self.moved));
    }

    fn add_to_window(&mut self, now: Instant) {
        let is_fine = |at: &(Instant, u64)| now.saturating_duration_since(at.0) < RATE_STEP;
        // The first entry is where the window begins, and stays.
        if self.window.len() > 1 && self.window.back().is_some_and(is_fine) {
            return;
        }
        self.window.push_back((now, self.moved));
        // Two of them always stay: blocks may be further apart than the window is wide.
        while self.window.len() > 2 && now.saturating_duration_since(self.window[1].0) > RATE_WINDOW {
            self.window.pop_front();
        }
    }

    /// Keys a second.
    fn rate(&self, now: Instant) -> f64 {
        let Some((began, before)) = self.window.front() else { return 0.0 };
        let seconds = now.saturating_duration_since(*began).as_secs_f64();
        if seconds > 0.0 { self.moved.saturating_sub(*before) as f64 / seconds } else { 0.0 }
    }

    pub(crate) fn progress(&self, now: Instant) -> Progress {
        let (state, reason) = self.state(now);
        let report = self.report.as_ref();
        let modules: Vec<_> = report
            .map(|report| report.remaining.as_slice())
            .unwrap_or_default()
            .iter()
            .map(|(name, keys)| ModuleRemaining { name: name.clone(), remaining_keys: *keys })
            .collect();
        let keys_per_second = if state.moves() { self.rate(now) } else { 0.0 };
        let mut progress = Progress {
            schema_version: SCHEMA_VERSION,
            state,
            reason,
            height: report.map_or(0, |report| report.height),
            write_mode: report.map(|report| report.mode.as_str().to_owned()),
            migration_version: report.map_or(0, |report| report.version),
            boundary_module: report.and_then(|report| report.boundary_module.clone()),
            moved_keys: report.map_or(0, |report| report.moved_keys),
            remaining_keys: modules.iter().fold(0, |sum, module| module.remaining_keys.saturating_add(sum)),
            modules,
            goal: self.goal.map(|(mode, keys)| Goal { write_mode: mode.as_str().to_owned(), remaining_keys: keys }),
            keys_per_second,
            eta_seconds: None,
            blocks: self.blocks,
            last_block_seconds: self.last_block.map(|at| now.saturating_duration_since(at).as_secs_f64()),
            block_ms: self.block_times.iter().map(|time| time.as_secs_f64() * 1e3).collect(),
            sizes: self.sizes,
            views_open: self.views_open,
            memory_anonymous_bytes: crate::memory::anonymous_bytes().unwrap_or(0),
        };
        if keys_per_second > 0.0 {
            progress.eta_seconds = Some(progress.keys_to_go() as f64 / keys_per_second);
        }
        progress
    }

    fn state(&self, now: Instant) -> (State, String) {
        if self.poisoned {
            let reason = "the node is poisoned by a failed commit: close it, look at the device, open it again";
            return (State::Failed, reason.to_owned());
        }
        if let Some(failure) = &self.failure {
            return (State::Failed, failure.clone());
        }
        let Some(report) = &self.report else { return (State::Starting, "the node is being opened".to_owned()) };
        let at = report.version.max(if report.mode.migration().is_none() { report.mode.base_version() } else { 0 });
        let goal = self.goal.map_or(LAST_VERSION, |(mode, _)| mode.base_version());
        if at >= goal {
            return (State::Done, format!("all that was to move up to version {goal} has moved"));
        }
        let batch_zero = "the batch size is 0; set another one and it goes on";
        match self.hold {
            Some(Hold::Paused) => return (State::Paused, "no blocks are made; resume and it goes on".to_owned()),
            Some(Hold::BatchZero) => return (State::Paused, batch_zero.to_owned()),
            _ if report.paused => return (State::Paused, batch_zero.to_owned()),
            _ => {}
        }
        let waits = match report.mode.migration() {
            Some((_, target)) => report.version >= target,
            None => true,
        };
        // Whoever has a goal takes the steps to it, with the next block.
        if waits && self.goal.is_none() {
            let next = Mode::migrating_from(at).map_or("the next mode", Mode::as_str);
            return (
                State::WaitingForModeStep,
                format!("nothing is left to move in this mode; a step to {next} goes on"),
            );
        }
        if let Some(Hold::Pace { interval }) = self.hold {
            let seconds = interval.as_secs_f64();
            return (State::Throttled, format!("a block is made every {seconds:.1} s, as asked for"));
        }
        let still = now.saturating_duration_since(self.free_since);
        if still >= STALL_AFTER {
            let seconds = still.as_secs();
            let reason =
                format!("no block has moved the cursor for {seconds} s: no blocks come, or one hangs; see the log");
            return (State::Stalled, reason);
        }
        (State::Moving, String::new())
    }
}

#[cfg(test)]
mod tests;
