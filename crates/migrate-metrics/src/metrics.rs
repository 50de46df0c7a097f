//! The observer and the scrape.

use std::sync::Arc;
use std::time::{Duration, Instant};

use migrate_core::{BlockReport, FlushReport, Mode, Observer};
use parking_lot::Mutex;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::error::Error;
use crate::progress::{Progress, ratio};
use crate::registry::{Build, ErrorKind, Instruments, Module, PREFIX, StateLabel, Store, WriteMode};
use crate::sampler::{Sampler, Source};
use crate::state::State;
use crate::tracker::{Hold, Tracker};

/// A height that is a multiple of this is a checkpoint, whose app hash nodes are compared by. At a block in less than a
/// second, they all stand at the same one for minutes.
const CHECKPOINT_BLOCKS: u64 = 1000;

/// A migration's metrics. Shared as `Arc<Metrics>` between the node, which reports, and whoever serves scrapes.
pub struct Metrics {
    registry: Registry,
    instruments: Instruments,
    pairs: Pairs,
    modes: [(Mode, Gauge); Mode::ALL.len()],
    states: [(State, Gauge); State::ALL.len()],
    tracker: Arc<Mutex<Tracker>>,
    labelled: Mutex<Labelled>,
    sampler: Mutex<Option<Sampler>>,
}

/// Series that every flush writes, looked up once.
struct Pairs {
    routed_old: Counter,
    routed_new: Counter,
    written_old: Counter,
    written_new: Counter,
}

/// Which modules have a series, so that one that is done can be taken back.
#[derive(Default)]
struct Labelled {
    boundary: Option<String>,
    remaining: Vec<String>,
}

impl Metrics {
    /// Metrics that stand at their beginning.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let instruments = Instruments::register(&mut registry);
        instruments.build_info.get_or_create(&Build { version: env!("CARGO_PKG_VERSION") }).set(1);
        let (old, new) = (Store { store: "memiavl" }, Store { store: "flatkv" });
        let pairs = Pairs {
            routed_old: instruments.routed_pairs.get_or_create_owned(&old),
            routed_new: instruments.routed_pairs.get_or_create_owned(&new),
            written_old: instruments.written_pairs.get_or_create_owned(&old),
            written_new: instruments.written_pairs.get_or_create_owned(&new),
        };
        let gauge = |mode: Mode| instruments.write_mode.get_or_create_owned(&WriteMode { mode: mode.as_str() });
        let modes = Mode::ALL.map(|mode| (mode, gauge(mode)));
        let gauge = |state: State| instruments.state.get_or_create_owned(&StateLabel { state: state.as_str() });
        let states = State::ALL.map(|state| (state, gauge(state)));
        let tracker = Arc::new(Mutex::new(Tracker::new(Instant::now())));
        let (labelled, sampler) = (Mutex::default(), Mutex::default());
        Self { registry, instruments, pairs, modes, states, tracker, labelled, sampler }
    }

    /// How the migration stands at this moment, and why.
    pub fn progress(&self) -> Progress {
        self.tracker.lock().progress(Instant::now())
    }

    /// Tells why whoever makes the blocks makes none now; none when they go on.
    pub fn hold(&self, hold: Option<Hold>) {
        self.tracker.lock().hold(hold, Instant::now());
    }

    /// Tells the mode to which blocks are to lead, and the keys to move until then.
    pub fn set_goal(&self, goal: Option<(Mode, u64)>) {
        self.tracker.lock().set_goal(goal);
    }

    /// A scrape: all metrics in the `OpenMetrics` text format, content type
    /// `application/openmetrics-text; version=1.0.0; charset=utf-8`.
    pub fn encode(&self) -> String {
        // Whether a migration is stalled is a matter of the time that has passed, so it is found out here.
        let state = self.progress().state;
        for (each, gauge) in &self.states {
            gauge.set(i64::from(*each == state));
        }
        let mut scrape = String::new();
        // UNWRAP: writing to a string cannot fail, and no metric here is of a kind that the text format lacks.
        text::encode(&mut scrape, &self.registry).expect("metrics are text");
        scrape
    }

    /// Counts an error that a caller was given. `kind` is one of a fixed set of words.
    pub fn error(&self, kind: &'static str) {
        self.instruments.errors.get_or_create(&ErrorKind { kind }).inc();
    }

    /// Asks `source` in the background, now and then every `interval`, until [`close`](Self::close). A source that
    /// panics ends the sampling and counts as an error of kind `sampler`.
    ///
    /// # Errors
    /// Sampling that runs already; no thread to be had.
    pub fn start_sampling(&self, interval: Duration, source: impl Source) -> Result<(), Error> {
        let mut sampler = self.sampler.lock();
        if sampler.is_some() {
            return Err(Error::AlreadySampling);
        }
        *sampler = Some(Sampler::start(self.instruments.clone(), Arc::clone(&self.tracker), interval, source)?);
        Ok(())
    }

    /// Ends the sampling: when this returns, the thread has ended and the source is dropped. A second call has nothing
    /// to do; one that comes while the first still waits, waits with it. Not to be called by the source itself.
    pub fn close(&self) {
        let mut sampler = self.sampler.lock();
        // Joined under the lock: whoever comes second returns no sooner than the thread is gone.
        if let Some(sampler) = sampler.take() {
            sampler.join();
        }
    }

    fn set_boundary(&self, labelled: &mut Labelled, module: Option<&String>) {
        if labelled.boundary.as_ref() == module {
            return;
        }
        self.instruments.boundary_module.clear();
        labelled.boundary = module.cloned();
        if let Some(module) = module {
            self.instruments.boundary_module.get_or_create(&Module { module: module.clone() }).set(1);
        }
    }

    /// A module that is done stays at 0 for as long as the process lives, so that its curve ends on the axis.
    fn set_remaining(&self, labelled: &mut Labelled, remaining: &[(String, u64)]) {
        for module in &labelled.remaining {
            if !remaining.iter().any(|(name, _)| name == module) {
                self.instruments.remaining_keys.get_or_create(&Module { module: module.clone() }).set(0);
            }
        }
        for (module, keys) in remaining {
            let series = Module { module: module.clone() };
            self.instruments.remaining_keys.get_or_create(&series).set(to_gauge(*keys));
            if !labelled.remaining.contains(module) {
                labelled.remaining.push(module.clone());
            }
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Metrics {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Observer for Metrics {
    fn flush(&self, report: &FlushReport) {
        let instruments = &self.instruments;
        instruments.moved_keys.inc_by(report.moved_keys);
        instruments.moved_key_bytes.inc_by(report.moved_key_bytes);
        instruments.moved_value_bytes.inc_by(report.moved_value_bytes);
        instruments.batches.inc_by(u64::from(report.advanced));
        self.pairs.routed_old.inc_by(report.routed_old);
        self.pairs.routed_new.inc_by(report.routed_new);
        self.pairs.written_old.inc_by(report.written_old);
        self.pairs.written_new.inc_by(report.written_new);
        instruments.apply.observe(report.elapsed.as_secs_f64());
        self.tracker.lock().flush(report, Instant::now());
    }

    fn opened(&self, report: &BlockReport) {
        self.show(report);
        self.tracker.lock().opened(report, Instant::now());
    }

    fn block(&self, report: &BlockReport) {
        self.show(report);
        self.instruments.commit.observe(report.commit_elapsed.as_secs_f64());
        self.tracker.lock().block(report, Instant::now());
    }

    fn lock_wait(&self, waited: Duration) {
        self.instruments.lock_wait.observe(waited.as_secs_f64());
    }

    fn failed(&self, kind: migrate_core::ErrorKind) {
        self.error(kind.as_str());
        self.tracker.lock().failed(kind);
    }

    fn poisoned(&self) {
        self.instruments.poisoned.set(1);
        self.tracker.lock().poisoned();
    }
}

impl Metrics {
    /// The gauges after a block.
    fn show(&self, report: &BlockReport) {
        let instruments = &self.instruments;
        instruments.block_height.set(to_gauge(report.height));
        instruments.migration_version.set(to_gauge(report.version));
        for (mode, gauge) in &self.modes {
            gauge.set(i64::from(*mode == report.mode));
        }
        instruments.paused.set(i64::from(report.paused));
        let remaining = report.remaining.iter().fold(0u64, |sum, (_, keys)| sum.saturating_add(*keys));
        instruments.progress_ratio.set(ratio(report.moved_keys, remaining));
        if report.height.is_multiple_of(CHECKPOINT_BLOCKS) && report.height > 0 {
            let mut prefix = [0; 8];
            prefix[2..].copy_from_slice(&report.app_hash[..6]);
            instruments.checkpoint_height.set(to_gauge(report.height));
            instruments.checkpoint_app_hash.set(to_gauge(u64::from_be_bytes(prefix)));
        }
        let mut labelled = self.labelled.lock();
        self.set_boundary(&mut labelled, report.boundary_module.as_ref());
        self.set_remaining(&mut labelled, &report.remaining);
    }
}

/// Gauges are signed; a height or a count that does not fit stands at the end of the scale.
pub(crate) fn to_gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_beyond_the_scale_stands_at_its_end() {
        assert_eq!(to_gauge(7), 7);
        assert_eq!(to_gauge(u64::MAX), i64::MAX);
    }
}
