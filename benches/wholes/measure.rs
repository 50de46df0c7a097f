//! Times, and their percentiles.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Durations of one kind.
#[derive(Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(crate) fn append(&mut self, other: &mut Self) {
        self.0.append(&mut other.0);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn sum(&self) -> Duration {
        self.0.iter().sum()
    }

    /// Percentiles in microseconds.
    pub(crate) fn report(&mut self) -> Value {
        self.0.sort_unstable();
        let at = |share: f64| {
            let last = self.0.len().saturating_sub(1);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
            let index = (share * last as f64).round() as usize;
            self.0.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e6)
        };
        json!({ "p50_us": at(0.5), "p99_us": at(0.99), "p999_us": at(0.999), "max_us": at(1.0), "count": self.0.len() })
    }
}

/// Time on a processor: what a machine that others load still tells.
#[derive(Clone, Copy)]
pub(crate) struct CpuTime {
    /// Of the calling thread.
    pub(crate) thread: Duration,
    /// Of the process, in steps of 10 ms.
    pub(crate) all: Duration,
}

impl CpuTime {
    pub(crate) fn now() -> Result<Self> {
        let nanoseconds = field("/proc/thread-self/schedstat", "", 0)?;
        // Behind the program's name in brackets: user and system time, in hundredths of a second.
        let ticks = field("/proc/self/stat", ") ", 11)? + field("/proc/self/stat", ") ", 12)?;
        Ok(Self { thread: Duration::from_nanos(nanoseconds), all: Duration::from_millis(10 * ticks) })
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self { thread: self.thread.saturating_sub(before.thread), all: self.all.saturating_sub(before.all) }
    }
}

/// The number at place `at` behind the first `start` in a file of the system.
fn field(path: &str, start: &str, at: usize) -> Result<u64> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let (_, fields) = text.split_once(start).with_context(|| format!("no {start:?} in {path}"))?;
    let number = fields.split_whitespace().nth(at).with_context(|| format!("no field {at} in {path}"))?;
    Ok(number.parse()?)
}
