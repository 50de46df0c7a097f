//! Threads that read without a pause while blocks are applied, and judge what they read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use ferry::{Mode, Views};
use hdrhistogram::Histogram;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::difference::Halt;
use crate::failure::Failure;
use crate::keyspace::Keyspace;

use super::sampler::{Sample, check_stamps};

/// Reads of one view before the next is taken.
const READS_PER_VIEW: u64 = 256;

/// What readers saw, per write mode.
pub(super) struct ReadFigures {
    pub(super) read_ns: [Histogram<u64>; Mode::ALL.len()],
    pub(super) views: u64,
}

impl ReadFigures {
    pub(super) fn new() -> Self {
        Self { read_ns: std::array::from_fn(|_| histogram()), views: 0 }
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (sum, part) in self.read_ns.iter_mut().zip(&other.read_ns) {
            *sum += part;
        }
        self.views += other.views;
    }
}

/// Latencies from a nanosecond to a minute and a half with three digits.
pub(super) fn histogram() -> Histogram<u64> {
    // UNWRAP: the bounds are constants that the library takes.
    Histogram::new_with_bounds(1, 100_000_000_000, 3).expect("constant bounds")
}

/// Running reader threads.
pub(super) struct Readers {
    stop: Arc<AtomicBool>,
    failed: Arc<AtomicBool>,
    phase: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<Result<ReadFigures, Halt>>>,
}

impl Readers {
    pub(super) fn start(count: u64, seed: u64, keyspace: &Keyspace, views: &Views, mode: Mode) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let failed = Arc::new(AtomicBool::new(false));
        let phase = Arc::new(AtomicUsize::new(mode as usize));
        let threads = (0..count)
            .map(|number| {
                let reader = Reader {
                    stop: Arc::clone(&stop),
                    phase: Arc::clone(&phase),
                    keyspace: *keyspace,
                    views: views.clone(),
                    rng: ChaCha8Rng::seed_from_u64(seed ^ (number + 1) << 32),
                };
                let failed = Arc::clone(&failed);
                thread::spawn(move || {
                    let result = reader.run();
                    failed.fetch_or(result.is_err(), Ordering::Relaxed);
                    result
                })
            })
            .collect();
        Self { stop, failed, phase, threads }
    }

    /// Latencies count for this write mode from here on.
    pub(super) fn set_mode(&self, mode: Mode) {
        self.phase.store(mode as usize, Ordering::Relaxed);
    }

    /// Whether one has met an error or a value that cannot be.
    pub(super) fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Ends all; what they saw together.
    ///
    /// # Errors
    /// The first reader's error.
    pub(super) fn stop(mut self) -> Result<ReadFigures, Halt> {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = ReadFigures::new();
        for thread in std::mem::take(&mut self.threads) {
            let figures = thread.join().map_err(|_| Failure::ThreadPanicked { what: "reader" })??;
            sum.add(&figures);
        }
        Ok(sum)
    }
}

impl Drop for Readers {
    /// Ends the threads also when the run is over by an error of its own.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Reader {
    stop: Arc<AtomicBool>,
    phase: Arc<AtomicUsize>,
    keyspace: Keyspace,
    views: Views,
    rng: ChaCha8Rng,
}

impl Reader {
    fn run(mut self) -> Result<ReadFigures, Halt> {
        let mut figures = ReadFigures::new();
        while !self.stop.load(Ordering::Relaxed) {
            let view = self.views.latest()?;
            check_stamps(&self.keyspace, &view)?;
            figures.views += 1;
            let read_ns = &mut figures.read_ns[self.phase.load(Ordering::Relaxed)];
            for _ in 0..READS_PER_VIEW {
                let sample = Sample::pick(&self.keyspace, &mut self.rng);
                let began = Instant::now();
                let value = view.get(sample.store(), &sample.key)?;
                let elapsed = began.elapsed();
                read_ns.saturating_record(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
                sample.judge(&self.keyspace, view.height(), value.as_deref())?;
            }
        }
        Ok(figures)
    }
}
