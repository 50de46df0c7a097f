//! What reads took: their times by kind and choice, and the slowest with what happened to their thread meanwhile.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::scheduler::Meanwhile;
use crate::measure::Times;

/// So many of the slowest reads are told one by one.
const WORST: usize = 10;
/// A read below this is not slow, however few there are.
const SLOW: Duration = Duration::from_micros(100);

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A key that is in memiavl still.
    UnMigrated,
    /// A key that is in FlatKV.
    Migrated,
    /// A key that is in neither.
    Absent,
}

/// How the key was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Each with the same probability.
    Uniform,
    /// By Zipf's distribution.
    Zipf,
}

impl Kind {
    const ALL: [Self; 3] = [Self::UnMigrated, Self::Migrated, Self::Absent];

    fn name(self) -> &'static str {
        match self {
            Self::UnMigrated => "un-migrated",
            Self::Migrated => "migrated",
            Self::Absent => "absent",
        }
    }
}

impl Choice {
    const ALL: [Self; 2] = [Self::Uniform, Self::Zipf];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Zipf => "Zipf 0.99",
        }
    }
}

/// A slow read.
#[derive(Clone, Copy)]
struct Slow {
    time: Duration,
    kind: Kind,
    choice: Choice,
    meanwhile: Meanwhile,
}

/// What one thread's reads, or all threads' together, took.
#[derive(Default)]
pub(super) struct Record {
    times: [[Times; Choice::ALL.len()]; Kind::ALL.len()],
    /// Slowest first.
    worst: Vec<Slow>,
}

impl Record {
    pub(super) fn add(&mut self, kind: Kind, choice: Choice, time: Duration) {
        self.times[kind as usize][choice as usize].add(time);
    }

    /// Whether a read of this time is among the slowest so far: its thread's scheduler is worth a question.
    pub(super) fn is_slow(&self, time: Duration) -> bool {
        time >= SLOW && (self.worst.len() < WORST || self.worst.last().is_some_and(|last| time > last.time))
    }

    pub(super) fn add_slow(&mut self, kind: Kind, choice: Choice, time: Duration, meanwhile: Meanwhile) {
        let at = self.worst.partition_point(|slow| slow.time >= time);
        self.worst.insert(at, Slow { time, kind, choice, meanwhile });
        self.worst.truncate(WORST);
    }

    pub(super) fn append(&mut self, other: &Self) -> Result<()> {
        for (times, others) in self.times.iter_mut().flatten().zip(other.times.iter().flatten()) {
            times.append(others)?;
        }
        for slow in &other.worst {
            self.add_slow(slow.kind, slow.choice, slow.time, slow.meanwhile);
        }
        Ok(())
    }

    pub(super) fn count(&self) -> u64 {
        self.times.iter().flatten().map(Times::len).sum()
    }

    /// All times in one.
    pub(super) fn all(&self) -> Result<Times> {
        let mut all = Times::default();
        self.times.iter().flatten().try_for_each(|times| all.append(times))?;
        Ok(all)
    }

    /// A row for each kind and choice that was read.
    pub(super) fn rows(&self, when: &str) -> Vec<Value> {
        let pairs = Kind::ALL.into_iter().flat_map(|kind| Choice::ALL.map(|choice| (kind, choice)));
        let rows = pairs.filter_map(|(kind, choice)| {
            let times = &self.times[kind as usize][choice as usize];
            let row = json!({ "when": when, "keys": kind.name(), "choice": choice.name(), "read": times.report() });
            (times.len() > 0).then_some(row)
        });
        rows.collect()
    }

    /// The slowest reads, with what the scheduler did to their threads.
    pub(super) fn worst(&self, when: &str) -> Vec<Value> {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let row = |slow: &Slow| {
            json!({
                "when": when, "keys": slow.kind.name(), "choice": slow.choice.name(), "read_us": micros(slow.time),
                "waited_us": micros(slow.meanwhile.waited), "turns": slow.meanwhile.turns,
                "window_us": micros(slow.meanwhile.window),
            })
        };
        self.worst.iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_are_kept_in_order_and_no_more_than_ten() {
        let mut record = Record::default();
        let meanwhile = Meanwhile { window: Duration::ZERO, waited: Duration::ZERO, turns: 0 };
        let mut asked = 0;
        for micros in (1..=5_000).map(|number| number * 7_919 % 5_003) {
            let time = Duration::from_micros(micros);
            record.add(Kind::Absent, Choice::Zipf, time);
            if record.is_slow(time) {
                asked += 1;
                record.add_slow(Kind::Absent, Choice::Zipf, time, meanwhile);
            }
        }
        let worst: Vec<f64> = record.worst("now").iter().filter_map(|row| row["read_us"].as_f64()).collect();
        let mut all: Vec<f64> = (1..=5_000).map(|number| f64::from(number * 7_919 % 5_003)).collect();
        all.sort_by(|a, b| b.total_cmp(a));
        assert_eq!(worst, all[..WORST]);
        assert!(asked < 200, "the question is for slow reads alone: {asked}");
        assert_eq!(record.rows("now").len(), 1, "kinds that were not read have no row");
    }
}
