//! What a run prints: a row a scenario, and all of it as JSON.

use std::fmt;
use std::time::Duration;

use anyhow::Result;
use comfy_table::Table;
use serde_json::{Value, json};

use crate::check::Checked;
use crate::world::{Sample, World};

/// How a scenario went.
pub(crate) struct Report {
    pub(crate) scenario: &'static str,
    pub(crate) seed: u64,
    /// What broke, if anything did.
    pub(crate) failure: Option<String>,
    /// Why it did not run, if it did not.
    skipped: Option<&'static str>,
    checked: Checked,
    pub(crate) samples: Vec<Sample>,
    pub(crate) marks: Vec<(Duration, String)>,
    kills: u64,
    restarts: u64,
    sent: u64,
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
            sent: world.sent(),
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
                parted_at: None,
            },
            samples: Vec::new(),
            marks: Vec::new(),
            kills: 0,
            restarts: 0,
            sent: 0,
        }
    }

    fn outcome(&self) -> &str {
        match (&self.skipped, &self.failure) {
            (Some(_), _) => "SKIPPED",
            (None, Some(_)) => "FAILED",
            (None, None) => "correct",
        }
    }

    /// Milliseconds a block, over the whole run.
    fn block_ms(&self) -> Option<f64> {
        let (first, last) = (self.samples.first()?, self.samples.last()?);
        let blocks = last.height.checked_sub(first.height).filter(|blocks| *blocks > 0)?;
        Some((last.at - first.at).as_secs_f64() * 1_000.0 / blocks as f64)
    }

    fn json(&self) -> Value {
        let checked = &self.checked;
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
            "opening_max_ms": checked.openings_ms.iter().max(),
            "block_mean_ms": self.block_ms(),
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
        "slowest opening",
        "block",
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
            checked.openings_ms.iter().max().map_or_else(String::new, |ms| format!("{ms} ms")),
            report.block_ms().map_or_else(String::new, |ms| format!("{ms:.0} ms")),
            checked.app_hash.chars().take(12).collect(),
        ]);
    }
    table.to_string()
}

/// All of it.
pub(crate) fn json(reports: &[Report]) -> Value {
    json!({"schema_version": 1, "scenarios": reports.iter().map(Report::json).collect::<Vec<_>>()})
}
