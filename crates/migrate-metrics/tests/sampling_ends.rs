//! `close` has ended the background thread when it returns: called once, twice, at the same time, or by dropping.
//!
//! The witness is a value that the source owns: it is gone only when the thread is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use crossbeam_channel::bounded;
use migrate_metrics::{Error, Metrics, Sample};

/// Longer than any test runs: whoever waited for the next sample would be seen.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// Metrics that sample, and the witness.
fn sampling(metrics: &Metrics, interval: Duration) -> Arc<AtomicU64> {
    let samples = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&samples);
    let source = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Sample::default()
    };
    metrics.start_sampling(interval, source).expect("a thread");
    samples
}

#[test]
fn a_second_close_finds_nothing_to_do() {
    let metrics = Metrics::new();
    let witness = sampling(&metrics, NEVER);
    metrics.close();
    assert_eq!(Arc::strong_count(&witness), 1, "the source is gone");
    metrics.close();
    assert_eq!(witness.load(Ordering::Relaxed), 1, "one sample at the start, none after the close");
}

#[test]
fn dropping_closes() {
    let metrics = Metrics::new();
    let witness = sampling(&metrics, NEVER);
    drop(metrics);
    assert_eq!(Arc::strong_count(&witness), 1);
}

#[test]
fn whoever_closes_at_the_same_time_waits_for_the_end_too() {
    for _ in 0..50 {
        let metrics = Metrics::new();
        let witness = sampling(&metrics, Duration::ZERO);
        let start = Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    metrics.close();
                    assert_eq!(Arc::strong_count(&witness), 1);
                });
            }
        });
    }
}

#[test]
fn samples_keep_coming_until_the_close() {
    let metrics = Metrics::new();
    let (sampled, samples) = bounded(0);
    let source = move || {
        // Fails once nobody listens any more, which is the end of this test.
        if sampled.send(()).is_err() {
            return Sample::default();
        }
        Sample { views_open: 9, oldest_view_age: Duration::from_secs(2), ..Sample::default() }
    };
    metrics.start_sampling(Duration::from_millis(1), source).expect("a thread");
    for _ in 0..3 {
        samples.recv().expect("a sample");
    }
    drop(samples);
    metrics.close();
    assert!(metrics.encode().contains("\nferry_memory_anonymous_bytes "));
}

#[test]
fn a_second_source_is_refused_until_the_first_is_closed() {
    let metrics = Metrics::new();
    let first = sampling(&metrics, NEVER);
    assert!(matches!(metrics.start_sampling(NEVER, Sample::default), Err(Error::AlreadySampling)));
    assert_eq!(Arc::strong_count(&first), 2, "the first goes on");
    metrics.close();
    let second = sampling(&metrics, NEVER);
    metrics.close();
    assert_eq!(second.load(Ordering::Relaxed), 1);
}

#[test]
fn a_source_that_panics_is_counted_and_ends_the_sampling() {
    let metrics = Metrics::new();
    metrics.start_sampling(NEVER, || -> Sample { panic!("planted: this source fails") }).expect("a thread");
    metrics.close();
    assert!(metrics.encode().contains("ferry_errors_total{kind=\"sampler\"} 1\n"));
}
