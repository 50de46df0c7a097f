//! The background thread that asks for what nobody reports.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use parking_lot::Mutex;

use crate::error::Error;
use crate::memory;
use crate::metrics::to_gauge;
use crate::progress::Sizes;
use crate::registry::{ErrorKind, Instruments};
use crate::tracker::Tracker;

/// What a source answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Views that readers hold.
    pub views_open: u64,
    /// Age of the oldest of them; zero if there is none.
    pub oldest_view_age: Duration,
    /// What the stores take on disk; none if the source does not measure it, or cannot now.
    pub sizes: Option<Sizes>,
    /// Keys in memiavl of modules whose migration is over; none as for sizes.
    pub residue_keys: Option<u64>,
}

/// Something that can be asked for a sample. It runs on the sampler's thread, so it takes no lock that a commit holds.
pub trait Source: Send + 'static {
    /// How things stand now.
    fn sample(&mut self) -> Sample;
}

impl<F: FnMut() -> Sample + Send + 'static> Source for F {
    fn sample(&mut self) -> Sample {
        self()
    }
}

/// A running thread. It lives until [`join`](Self::join).
pub(crate) struct Sampler {
    /// Nothing is ever sent: that it goes is the signal.
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Sampler {
    /// Starts the thread, which samples at once and then every `interval`.
    pub(crate) fn start(
        instruments: Instruments,
        tracker: Arc<Mutex<Tracker>>,
        interval: Duration,
        source: impl Source,
    ) -> Result<Self, Error> {
        let (stop, stopped) = bounded(0);
        let thread = std::thread::Builder::new()
            .name("metrics".to_owned())
            .spawn(move || run(&instruments, &tracker, interval, source, &stopped))
            .map_err(|source| Error::Thread { source })?;
        Ok(Self { stop, thread })
    }

    /// Ends the thread and waits for it.
    pub(crate) fn join(self) {
        drop(self.stop);
        // UNWRAP: the thread catches the source's panics and has no other.
        self.thread.join().expect("the sampling thread does not panic");
    }
}

fn run(
    instruments: &Instruments,
    tracker: &Mutex<Tracker>,
    interval: Duration,
    mut source: impl Source,
    stopped: &Receiver<()>,
) {
    loop {
        let Ok(sample) = catch_unwind(AssertUnwindSafe(|| source.sample())) else {
            instruments.errors.get_or_create(&ErrorKind { kind: "sampler" }).inc();
            return;
        };
        record(instruments, &sample);
        let mut tracker = tracker.lock();
        tracker.sizes = sample.sizes.or(tracker.sizes);
        tracker.views_open = sample.views_open;
        drop(tracker);
        if stopped.recv_timeout(interval) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

fn record(instruments: &Instruments, sample: &Sample) {
    instruments.views_open.set(to_gauge(sample.views_open));
    instruments.oldest_view_age.set(sample.oldest_view_age.as_secs_f64());
    instruments.memory_anonymous.set(to_gauge(memory::anonymous_bytes().unwrap_or(0)));
    if let Some(sizes) = &sample.sizes {
        instruments.memiavl.set(to_gauge(sizes.memiavl_bytes));
        instruments.flatkv.set(to_gauge(sizes.flatkv_bytes));
        instruments.disk_free.set(to_gauge(sizes.disk_free_bytes));
    }
    if let Some(keys) = sample.residue_keys {
        instruments.residue_keys.set(to_gauge(keys));
    }
}
