//! Times, and their percentiles.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// A longer time counts as this one.
const LONGEST: Duration = Duration::from_mins(10);
/// Times are kept to one part in a thousand.
const DIGITS: u8 = 3;

/// Durations of one kind, in memory that does not grow with their number.
#[derive(Clone)]
pub(crate) struct Times {
    nanoseconds: Histogram<u64>,
    sum: Duration,
}

impl Default for Times {
    fn default() -> Self {
        let longest = u64::try_from(LONGEST.as_nanos()).unwrap_or(u64::MAX);
        // UNWRAP: the bounds are constants that the library takes.
        let nanoseconds = Histogram::new_with_bounds(1, longest, DIGITS).expect("bounds of a histogram");
        Self { nanoseconds, sum: Duration::ZERO }
    }
}

impl Times {
    pub(crate) fn add(&mut self, time: Duration) {
        self.nanoseconds.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        self.sum += time;
    }

    pub(crate) fn append(&mut self, other: &Self) -> Result<()> {
        self.sum += other.sum;
        self.nanoseconds.add(&other.nanoseconds).map_err(|error| anyhow::anyhow!("adding times: {error:?}"))
    }

    pub(crate) fn len(&self) -> u64 {
        self.nanoseconds.len()
    }

    pub(crate) fn sum(&self) -> Duration {
        self.sum
    }

    /// Percentiles in microseconds, and how many times there are. Without any, only that.
    pub(crate) fn report(&self) -> Value {
        if self.nanoseconds.is_empty() {
            return json!({ "count": 0 });
        }
        let at = |share: f64| self.nanoseconds.value_at_quantile(share) as f64 / 1e3;
        json!({
            "p50_us": at(0.5), "p99_us": at(0.99), "p999_us": at(0.999), "p9999_us": at(0.9999),
            "max_us": self.nanoseconds.max() as f64 / 1e3, "count": self.len(),
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_times_to_a_part_in_a_thousand() {
        let mut times = Times::default();
        (1..=10_000).for_each(|micros| times.add(Duration::from_micros(micros)));
        let report = times.report();
        let is_near = |name: &str, expected: f64| {
            let got = report[name].as_f64().expect("a figure");
            (got - expected).abs() <= expected / 1000.0
        };
        for (name, expected) in [("p50_us", 5_000.0), ("p99_us", 9_900.0), ("p9999_us", 9_999.0), ("max_us", 10_000.0)]
        {
            assert!(is_near(name, expected), "{name}: expected {expected}: {report}");
        }
        assert_eq!((times.len(), times.sum()), (10_000, Duration::from_micros(50_005_000)));
    }

    #[test]
    fn no_times_have_no_percentiles() {
        assert_eq!(Times::default().report(), json!({ "count": 0 }));
    }
}
