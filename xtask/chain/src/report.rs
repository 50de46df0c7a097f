//! What a run prints: a row a scenario, and all of it as JSON.

use std::fmt;
use std::time::Duration;

use anyhow::Result;
use comfy_table::Table;
use ferry::Mode;
use serde_json::{Value, json};

use crate::check::Checked;
use crate::world::{LOADED, Sample, World};

/// How a scenario went.
pub(crate) struct Report {
    pub(crate) scenario: &'static str,
    pub(crate) seed: u64,
    /// What broke, if anything did.
    pub(crate) failure: Option<String>,
    /// Why it did not run, if it did not.
    skipped: Option<&'static str>,
    pub(crate) checked: Checked,
    pub(crate) samples: Vec<Sample>,
    pub(crate) marks: Vec<(Duration, String)>,
    pub(crate) kills: u64,
    pub(crate) restarts: u64,
    pub(crate) joins: u64,
    sent: u64,
    /// How much work the machine had, this network's included; none where it does not tell.
    pub(crate) load: Option<MachineLoad>,
}

/// The machine's load averages over one minute, before a scenario and behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MachineLoad {
    pub(crate) before: f64,
    pub(crate) after: f64,
}

/// The load average over the last minute.
pub(crate) fn machine_load() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

impl Report {
    pub(crate) fn new(world: &World, checked: Result<Checked>) -> Self {
        let (checked, failure) = match checked {
            Ok(checked) => (checked, None),
            Err(error) => (Checked::default(), Some(format!("{error:#}"))),
        };
        Self {
            scenario: world.name,
            seed: world.seed,
            failure,
            skipped: None,
            checked,
            samples: world.samples.clone(),
            marks: world.marks.clone(),
            kills: world.kills,
            restarts: world.nodes.iter().map(|node| node.starts.saturating_sub(1)).sum(),
            joins: world.joins,
            sent: world.sent(),
            load: world.load_before.zip(machine_load()).map(|(before, after)| MachineLoad { before, after }),
        }
    }

    pub(crate) const fn skipped(scenario: &'static str, seed: u64, reason: &'static str) -> Self {
        Self {
            scenario,
            seed,
            failure: None,
            skipped: Some(reason),
            checked: Checked {
                height: 0,
                app_hash: String::new(),
                root: None,
                keys: 0,
                txs: 0,
                openings_ms: Vec::new(),
                block_times: Vec::new(),
                parted_at: None,
            },
            samples: Vec::new(),
            marks: Vec::new(),
            kills: 0,
            restarts: 0,
            joins: 0,
            sent: 0,
            load: None,
        }
    }

    pub(crate) fn outcome(&self) -> &str {
        match (&self.skipped, &self.failure) {
            (Some(_), _) => "SKIPPED",
            (None, Some(_)) => "FAILED",
            (None, None) => "correct",
        }
    }

    /// The median and the longest time of a block, in milliseconds, of the blocks that ran while `is_meant` held for the
    /// write mode; none if there were none.
    pub(crate) fn block_ms(&self, is_meant: fn(Mode) -> bool) -> Option<[f64; 2]> {
        let loaded = self.marks.iter().find(|(_, what)| what == LOADED).map(|(at, _)| *at)?;
        let samples: Vec<&Sample> = self.samples.iter().filter(|sample| sample.at >= loaded).collect();
        // Between two looks at the network the mode is known where both agree.
        let mode = |height: u64| {
            let after = samples.iter().position(|sample| sample.height >= height)?;
            let (before, after) = (samples.get(after.checked_sub(1)?)?, samples[after]);
            (before.mode == after.mode).then_some(after.mode)
        };
        let times = self.checked.block_times.iter().filter(|(height, _)| mode(*height).is_some_and(is_meant));
        let mut times: Vec<f64> = times.map(|(_, ms)| *ms).collect();
        times.sort_by(f64::total_cmp);
        Some([*times.get(times.len() / 2)?, *times.last()?])
    }

    fn json(&self) -> Value {
        let checked = &self.checked;
        let (before, moving) = (self.block_ms(is_before), self.block_ms(is_moving));
        let samples = self.samples.iter().map(|sample| {
            json!({
                "at_ms": sample.at.as_millis() as u64,
                "height": sample.height,
                "write_mode": sample.mode.as_str(),
                "remaining_keys": sample.remaining_keys,
            })
        });
        let marks = self.marks.iter().map(|(at, what)| json!({"at_ms": at.as_millis() as u64, "what": what}));
        json!({
            "scenario": self.scenario,
            "seed": self.seed,
            "outcome": self.outcome(),
            "failure": self.failure,
            "skipped_because": self.skipped,
            "height": checked.height,
            "app_hash": checked.app_hash,
            "flatkv_root": checked.root,
            "parted_at_height": checked.parted_at,
            "keys": checked.keys,
            "transactions": checked.txs,
            "transactions_sent": self.sent,
            "kills": self.kills,
            "restarts": self.restarts,
            "joins_by_snapshot": self.joins,
            "machine_load_before": self.load.map(|load| load.before),
            "machine_load_after": self.load.map(|load| load.after),
            "opening_max_ms": checked.openings_ms.iter().max(),
            "block_before_median_ms": before.map(|[median, _]| median),
            "block_before_max_ms": before.map(|[_, max]| max),
            "block_moving_median_ms": moving.map(|[median, _]| median),
            "block_moving_max_ms": moving.map(|[_, max]| max),
            "samples": samples.collect::<Vec<_>>(),
            "marks": marks.collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chain: {} {}", self.scenario, self.outcome())?;
        match &self.failure {
            Some(failure) => write!(
                f,
                ": {failure}\nchain: again: cargo xtask chain --scenario {} --seed {}",
                self.scenario, self.seed
            ),
            None => Ok(()),
        }
    }
}

/// A row a scenario.
pub(crate) fn table(reports: &[Report]) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED.with_rounded_corners());
    table.set_header([
        "scenario",
        "seed",
        "outcome",
        "height",
        "txs",
        "keys",
        "kills",
        "restarts",
        "joins",
        "slowest opening",
        "block before",
        "moving",
        "app hash",
    ]);
    for report in reports {
        let checked = &report.checked;
        table.add_row([
            report.scenario.to_owned(),
            report.seed.to_string(),
            report.outcome().to_owned(),
            checked.height.to_string(),
            checked.txs.to_string(),
            checked.keys.to_string(),
            report.kills.to_string(),
            report.restarts.to_string(),
            report.joins.to_string(),
            checked.openings_ms.iter().max().map_or_else(String::new, |ms| format!("{ms} ms")),
            median(report.block_ms(is_before)),
            median(report.block_ms(is_moving)),
            checked.app_hash.chars().take(12).collect(),
        ]);
    }
    table.to_string()
}

fn median(times: Option<[f64; 2]>) -> String {
    times.map_or_else(String::new, |[median, _]| format!("{median:.0} ms"))
}

pub(crate) fn is_before(mode: Mode) -> bool {
    mode == Mode::MemiavlOnly
}

pub(crate) fn is_moving(mode: Mode) -> bool {
    mode.migration().is_some()
}

/// All of it.
pub(crate) fn json(reports: &[Report]) -> Value {
    json!({"schema_version": 1, "scenarios": reports.iter().map(Report::json).collect::<Vec<_>>()})
}
