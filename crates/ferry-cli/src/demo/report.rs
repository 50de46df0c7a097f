//! What the demonstration prints at its end.

use std::path::Path;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::Value;

use crate::difference::Difference;
use crate::home::DiskSizes;
use crate::keyspace::Sizes;
use crate::output::Report;
use crate::{table, units};

use super::Args;
use super::record::{Phase, Record};

/// How the demonstration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// Everything was compared and is as it must be.
    Correct,
    /// Something is not.
    Differs,
    /// A signal stopped it.
    Stopped,
}

/// The whole demonstration in figures.
#[derive(Debug, Serialize)]
pub(super) struct DemoReport {
    pub(super) outcome: Outcome,
    home: String,
    home_kept: bool,
    seed: u64,
    sizes: Sizes,
    batch_keys: u64,
    writes_per_block: u64,
    readers: u64,
    keys_made: u64,
    blocks_made: u64,
    keys_moved: u64,
    make_seconds: f64,
    check_seconds: f64,
    elapsed_seconds: f64,
    disk_before: DiskSizes,
    disk_after: DiskSizes,
    views_checked: u64,
    reads_checked: u64,
    midway_keys_checked: u64,
    midway_scan_rows_checked: u64,
    final_keys_checked: u64,
    final_scan_rows_checked: u64,
    height: Option<u64>,
    app_hash: Option<String>,
    flatkv_root: Option<String>,
    phases: Vec<PhaseRow>,
    pub(super) difference: Option<Difference>,
}

/// One write mode in figures.
#[derive(Debug, Serialize)]
struct PhaseRow {
    write_mode: &'static str,
    blocks: u64,
    keys_moved: u64,
    keys_per_second: f64,
    elapsed_seconds: f64,
    block_latency: Latency,
    reads: u64,
    read_latency: Latency,
    reopen_ms: Option<f64>,
    #[serde(flatten)]
    disk: DiskSizes,
}

/// Quantiles of a latency.
#[derive(Clone, Copy, Debug, Serialize)]
struct Latency {
    p50_ns: u64,
    p99_ns: u64,
    max_ns: u64,
}

impl From<&Histogram<u64>> for Latency {
    fn from(histogram: &Histogram<u64>) -> Self {
        let quantile = |quantile| histogram.value_at_quantile(quantile).min(histogram.max());
        Self { p50_ns: quantile(0.5), p99_ns: quantile(0.99), max_ns: histogram.max() }
    }
}

impl PhaseRow {
    fn new(phase: &Phase, reads: &Histogram<u64>) -> Self {
        Self {
            write_mode: phase.mode.as_str(),
            blocks: phase.blocks,
            keys_moved: phase.moved_keys,
            keys_per_second: phase.moved_keys as f64 / phase.elapsed.as_secs_f64().max(1e-6),
            elapsed_seconds: phase.elapsed.as_secs_f64(),
            block_latency: Latency::from(&phase.block_ns),
            reads: reads.len(),
            read_latency: Latency::from(reads),
            reopen_ms: phase.reopen.map(|elapsed| elapsed.as_secs_f64() * 1e3),
            disk: phase.disk,
        }
    }

    fn cells(&self) -> [String; 10] {
        let (block, read) = (&self.block_latency, &self.read_latency);
        let moving = |text: String| if self.keys_moved > 0 { text } else { "-".to_owned() };
        let if_read = |text: String| if self.reads > 0 { text } else { "-".to_owned() };
        [
            self.write_mode.to_owned(),
            units::count(self.blocks),
            moving(units::count(self.keys_moved)),
            moving(units::count(self.keys_per_second as u64)),
            units::latency(block.p50_ns),
            units::latency(block.p99_ns),
            units::latency(block.max_ns),
            if_read(units::latency(read.p50_ns)),
            if_read(units::latency(read.p99_ns)),
            if_read(units::latency(read.max_ns)),
        ]
    }
}

impl DemoReport {
    pub(super) fn new(args: &Args, home: &Path, record: &Record, outcome: Outcome, disk_after: DiskSizes) -> Self {
        let reads = &record.reads.read_ns;
        let last = record.last.as_ref();
        Self {
            outcome,
            home: home.display().to_string(),
            home_kept: args.home.is_some(),
            seed: args.seed,
            sizes: args.sizes,
            batch_keys: args.batch,
            writes_per_block: args.writes,
            readers: args.readers,
            keys_made: record.filled.keys,
            blocks_made: record.filled.height,
            keys_moved: record.phases.iter().map(|phase| phase.moved_keys).sum(),
            make_seconds: record.filled_elapsed.as_secs_f64(),
            check_seconds: record.check_elapsed.as_secs_f64(),
            elapsed_seconds: 0.0,
            disk_before: record.before,
            disk_after,
            views_checked: record.reads.views,
            reads_checked: reads.iter().map(Histogram::len).sum(),
            midway_keys_checked: record.sampled.keys,
            midway_scan_rows_checked: record.sampled.scan_rows,
            final_keys_checked: record.checked.keys,
            final_scan_rows_checked: record.checked.scan_rows,
            height: last.map(|last| last.height),
            app_hash: last.map(|last| last.app_hash.clone()),
            flatkv_root: last.and_then(|last| last.flatkv_root.clone()),
            phases: record.phases.iter().map(|phase| PhaseRow::new(phase, &reads[phase.mode as usize])).collect(),
            difference: None,
        }
    }

    pub(super) fn took(mut self, elapsed: Duration) -> Self {
        self.elapsed_seconds = elapsed.as_secs_f64();
        self
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let span = |seconds| units::span(Duration::from_secs_f64(seconds));
        let verdict = match self.outcome {
            Outcome::Correct => "CORRECT: every key, scan and root is as it must be",
            Outcome::Differs => "WRONG: see the first difference",
            Outcome::Stopped => "stopped by a signal",
        };
        let mut rows = vec![
            ("result", verdict.to_owned()),
            (
                "made",
                format!(
                    "{} keys in {} blocks, in {}",
                    units::count(self.keys_made),
                    units::count(self.blocks_made),
                    span(self.make_seconds)
                ),
            ),
            (
                "moved",
                format!(
                    "{} keys, {} a block (what callers deleted before its turn never moves)",
                    units::count(self.keys_moved),
                    units::count(self.batch_keys)
                ),
            ),
            (
                "meanwhile",
                format!(
                    "{} writes a block, {} readers: {} reads in {} views, all judged",
                    units::count(self.writes_per_block),
                    self.readers,
                    units::count(self.reads_checked),
                    units::count(self.views_checked)
                ),
            ),
        ];
        if self.midway_keys_checked > 0 {
            rows.push(("restarts midway", self.restarts()));
        }
        if self.final_keys_checked > 0 {
            rows.push((
                "check at the end",
                format!(
                    "{} keys, {} rows of scans, root from the rows, in {}",
                    units::count(self.final_keys_checked),
                    units::count(self.final_scan_rows_checked),
                    span(self.check_seconds)
                ),
            ));
        }
        rows.push(("on disk before", sizes(&self.disk_before)));
        rows.push(("on disk after", sizes(&self.disk_after)));
        if let (Some(height), Some(app_hash)) = (self.height, &self.app_hash) {
            rows.push(("app hash", format!("{app_hash} at height {}", units::count(height))));
        }
        rows.push(("time", span(self.elapsed_seconds)));
        if self.home_kept {
            rows.push(("home", self.home.clone()));
        }
        if let Some(Difference { height, what, expected, got }) = &self.difference {
            rows.push(("first difference", what.clone()));
            rows.push(("at height", height.to_string()));
            rows.push(("expected", expected.clone()));
            rows.push(("got", got.clone()));
        }
        rows
    }

    fn restarts(&self) -> String {
        let reopened: Vec<_> = self.phases.iter().filter_map(|phase| phase.reopen_ms).collect();
        let times: Vec<_> = reopened.iter().map(|ms| units::latency((ms * 1e6) as u64)).collect();
        format!(
            "{}, open again in {}; {} keys, {} rows of scans compared",
            reopened.len(),
            if times.is_empty() { "-".to_owned() } else { times.join(", ") },
            units::count(self.midway_keys_checked),
            units::count(self.midway_scan_rows_checked)
        )
    }
}

fn sizes(disk: &DiskSizes) -> String {
    format!("memiavl {}, FlatKV {}", units::bytes(disk.memiavl_bytes), units::bytes(disk.flatkv_bytes))
}

impl Report for DemoReport {
    const COMMAND: &'static str = "demo";

    fn table(&self) -> String {
        let header =
            ["write mode", "blocks", "keys moved", "keys/s", "block p50", "p99", "max", "read p50", "p99", "max"];
        let phases = table::figures(header, self.phases.iter().map(PhaseRow::cells));
        format!("{phases}\n{}", table::facts(self.facts()))
    }

    fn records(&self) -> serde_json::Result<Vec<(&'static str, Value)>> {
        let mut records = Vec::new();
        for phase in &self.phases {
            records.push(("phase", serde_json::to_value(phase)?));
        }
        let mut whole = serde_json::to_value(self)?;
        if let Value::Object(fields) = &mut whole {
            fields.remove("phases");
        }
        records.push(("demo", whole));
        Ok(records)
    }
}
