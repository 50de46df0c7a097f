//! What `ferry plan` prints.

use std::path::Path;
use std::time::Duration;

use ferry::preflight::{Finding, ModuleCount, Phase, Preflight, Sample, Severity, Terms};
use ferry::rehearsal::Rehearsal;
use serde::Serialize;
use serde_json::Value;

use super::Args;
use crate::output::Report;
use crate::{table, units};

#[derive(Debug, Serialize)]
pub(super) struct PlanReport {
    verdict: &'static str,
    home: String,
    height: u64,
    write_mode: &'static str,
    batch_keys: u64,
    block_time_ms: Option<u64>,
    keys: u64,
    modules: Vec<Module>,
    phases: Vec<PhaseAhead>,
    room: Room,
    sample: Option<SampleReport>,
    rehearsal: Option<RehearsalReport>,
    findings: Vec<FindingReport>,
    #[serde(skip)]
    severity: Severity,
}

#[derive(Debug, Serialize)]
struct Module {
    name: String,
    is_left: bool,
    keys: u64,
    key_bytes: Option<u64>,
    value_bytes: Option<u64>,
    row_bytes_max: Option<u64>,
    zero_keys: Option<u64>,
}

#[derive(Debug, Serialize)]
struct PhaseAhead {
    write_mode: &'static str,
    keys: u64,
    blocks: Option<u64>,
    work_seconds: Option<f64>,
    elapsed_seconds: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Room {
    needed_bytes: u64,
    rows_bytes: u64,
    compaction_bytes: u64,
    snapshot_bytes: u64,
    logs_bytes: u64,
    free_bytes: Option<u64>,
}

#[derive(Debug, Serialize)]
struct SampleReport {
    keys: u64,
    blocks: u64,
    batch_keys: u64,
    keys_per_second: f64,
    reading_ms: u128,
    moving_ms: u128,
    block_median_ms: f64,
    block_max_ms: f64,
    is_on_the_homes_disk: bool,
}

#[derive(Debug, Serialize)]
struct RehearsalReport {
    directory: String,
    kept: bool,
    from_height: u64,
    to_height: u64,
    linked_bytes: u64,
    copied_bytes: u64,
    before_bytes: u64,
    most_bytes: u64,
    after_bytes: u64,
    app_hash: String,
    flatkv_root: Option<String>,
    phases: Vec<RehearsedPhase>,
}

#[derive(Debug, Serialize)]
struct RehearsedPhase {
    write_mode: &'static str,
    keys: u64,
    blocks: u64,
    work_seconds: f64,
    keys_per_second: f64,
    block_median_ms: f64,
    block_p99_ms: f64,
    block_max_ms: f64,
    /// On the chain, at its time between two blocks.
    elapsed_seconds: Option<f64>,
}

#[derive(Debug, Serialize)]
struct FindingReport {
    check: &'static str,
    severity: &'static str,
    says: String,
}

impl PlanReport {
    pub(super) fn new(home: &Path, found: &Preflight, terms: &Terms, is_beside_home: Option<bool>) -> Self {
        let module = |module: &ModuleCount| {
            let counted = |number: u64| found.is_counted.then_some(number);
            Module {
                name: module.name.clone(),
                is_left: module.is_left,
                keys: module.count.keys,
                key_bytes: counted(module.count.key_bytes),
                value_bytes: counted(module.count.value_bytes),
                row_bytes_max: counted(module.count.row_bytes),
                zero_keys: counted(module.count.zero_keys),
            }
        };
        let sample = found.sample.as_ref().map(|sample| SampleReport::new(sample, is_beside_home.unwrap_or(false)));
        Self {
            verdict: verdict(found.verdict()),
            home: home.display().to_string(),
            height: found.status.height,
            write_mode: found.status.mode.as_str(),
            batch_keys: terms.batch_keys,
            block_time_ms: terms.block_time.map(|time| time.as_millis() as u64),
            keys: found.keys(),
            modules: found.modules.iter().map(module).collect(),
            phases: found.phases.iter().map(PhaseAhead::new).collect(),
            room: Room {
                needed_bytes: found.room.bytes(),
                rows_bytes: found.room.rows_bytes,
                compaction_bytes: found.room.compaction_bytes,
                snapshot_bytes: found.room.snapshot_bytes,
                logs_bytes: found.room.logs_bytes,
                free_bytes: found.machine.disk_free_bytes,
            },
            sample,
            rehearsal: None,
            findings: found.findings.iter().map(FindingReport::new).collect(),
            severity: found.verdict(),
        }
    }

    pub(super) fn verdict(&self) -> Severity {
        self.severity
    }

    pub(super) fn add(&mut self, rehearsal: Rehearsal, args: &Args) {
        let block_time = args.block_time.map(|time| time.0);
        let phases = rehearsal.phases.into_iter().map(|phase| RehearsedPhase {
            write_mode: phase.mode.as_str(),
            keys: phase.keys,
            blocks: phase.blocks,
            work_seconds: phase.work.as_secs_f64(),
            keys_per_second: phase.keys as f64 / phase.work.as_secs_f64().max(1e-6),
            block_median_ms: phase.block_median.as_secs_f64() * 1e3,
            block_p99_ms: phase.block_p99.as_secs_f64() * 1e3,
            block_max_ms: phase.block_max.as_secs_f64() * 1e3,
            elapsed_seconds: block_time
                .map(|time| (time.as_secs_f64() * phase.blocks as f64).max(phase.work.as_secs_f64())),
        });
        self.rehearsal = Some(RehearsalReport {
            directory: args.rehearse.as_deref().unwrap_or(Path::new("")).display().to_string(),
            kept: args.keep,
            from_height: rehearsal.from_height,
            to_height: rehearsal.to_height,
            linked_bytes: rehearsal.copied.linked_bytes,
            copied_bytes: rehearsal.copied.copied_bytes,
            before_bytes: rehearsal.disk.before_bytes,
            most_bytes: rehearsal.disk.most_bytes,
            after_bytes: rehearsal.disk.after_bytes,
            app_hash: hex::encode(rehearsal.app_hash),
            flatkv_root: rehearsal.root.map(hex::encode),
            phases: phases.collect(),
        });
    }
}

fn verdict(severity: Severity) -> &'static str {
    match severity {
        Severity::Unsafe => "unsafe",
        Severity::Note => "can be begun, with notes",
        _ => "can be begun",
    }
}

impl PhaseAhead {
    fn new(phase: &Phase) -> Self {
        Self {
            write_mode: phase.mode.as_str(),
            keys: phase.keys,
            blocks: phase.blocks,
            work_seconds: phase.work.map(|time| time.as_secs_f64()),
            elapsed_seconds: phase.elapsed.map(|time| time.as_secs_f64()),
        }
    }
}

impl SampleReport {
    fn new(sample: &Sample, is_on_the_homes_disk: bool) -> Self {
        Self {
            keys: sample.keys,
            blocks: sample.blocks,
            batch_keys: sample.batch_keys,
            keys_per_second: sample.keys_per_second(),
            reading_ms: sample.reading.as_millis(),
            moving_ms: sample.moving.as_millis(),
            block_median_ms: sample.block_median.as_secs_f64() * 1e3,
            block_max_ms: sample.block_max.as_secs_f64() * 1e3,
            is_on_the_homes_disk,
        }
    }
}

impl FindingReport {
    fn new(finding: &Finding) -> Self {
        Self { check: finding.check, severity: finding.severity.as_str(), says: finding.says.clone() }
    }
}

fn seconds(seconds: f64) -> String {
    units::span(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

fn or_unknown<T>(value: Option<T>, text: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), text)
}

impl PlanReport {
    fn facts(&self) -> String {
        let sample = self.sample.as_ref().map_or_else(
            || "none".to_owned(),
            |sample| {
                let disk = if sample.is_on_the_homes_disk { "" } else { ", on another disk than the home's" };
                let rate = units::rate(sample.keys_per_second, "keys");
                let (median, most) = (sample.block_median_ms, sample.block_max_ms);
                let keys = units::count(sample.keys);
                format!(
                    "{keys} keys in {} blocks, {rate}, block {median:.1} ms, at most {most:.1} ms{disk}",
                    sample.blocks
                )
            },
        );
        let room = format!(
            "{} at the worst moment (rows {}, compaction {}, snapshot {}, logs {}); {} free",
            units::bytes(self.room.needed_bytes),
            units::bytes(self.room.rows_bytes),
            units::bytes(self.room.compaction_bytes),
            units::bytes(self.room.snapshot_bytes),
            units::bytes(self.room.logs_bytes),
            or_unknown(self.room.free_bytes, units::bytes)
        );
        table::facts([
            ("verdict", self.verdict.to_owned()),
            ("height", units::count(self.height)),
            ("write mode", self.write_mode.to_owned()),
            ("keys to move", format!("{}, {} a block", units::count(self.keys), units::count(self.batch_keys))),
            ("room", room),
            ("sample", sample),
        ])
    }

    fn rehearsal(&self) -> Option<String> {
        let rehearsal = self.rehearsal.as_ref()?;
        let kept = if rehearsal.kept { format!("kept in {}", rehearsal.directory) } else { "gone again".to_owned() };
        let disk = [rehearsal.before_bytes, rehearsal.most_bytes, rehearsal.after_bytes].map(units::bytes);
        let facts = table::facts([
            ("rehearsed", format!("blocks {} to {}", rehearsal.from_height + 1, rehearsal.to_height)),
            (
                "shared, copied",
                format!("{}, {}", units::bytes(rehearsal.linked_bytes), units::bytes(rehearsal.copied_bytes)),
            ),
            ("on disk", format!("{} before, {} at most, {} after", disk[0], disk[1], disk[2])),
            ("FlatKV's root", or_unknown(rehearsal.flatkv_root.clone(), |root| root)),
            ("the copy", kept),
        ]);
        let rows = rehearsal.phases.iter().map(|phase| {
            [
                phase.write_mode.to_owned(),
                units::count(phase.keys),
                units::count(phase.blocks),
                seconds(phase.work_seconds),
                units::rate(phase.keys_per_second, "keys"),
                format!("{:.1} ms", phase.block_median_ms),
                format!("{:.1} ms", phase.block_p99_ms),
                format!("{:.1} ms", phase.block_max_ms),
                or_unknown(phase.elapsed_seconds, seconds),
            ]
        });
        let header = ["rehearsed", "keys", "blocks", "work", "rate", "block p50", "p99", "max", "on the chain"];
        Some(format!("{facts}\n{}", table::figures(header, rows)))
    }
}

impl Report for PlanReport {
    const COMMAND: &'static str = "plan";

    fn table(&self) -> String {
        let modules = self.modules.iter().filter(|module| module.keys > 0).map(|module| {
            let bytes = |number| or_unknown(number, units::bytes);
            [
                module.name.clone(),
                units::count(module.keys),
                bytes(module.key_bytes),
                bytes(module.value_bytes),
                or_unknown(module.zero_keys, units::count),
                if module.is_left { "to move".to_owned() } else { "stays".to_owned() },
            ]
        });
        let phases = self.phases.iter().map(|phase| {
            [
                phase.write_mode.to_owned(),
                units::count(phase.keys),
                or_unknown(phase.blocks, units::count),
                or_unknown(phase.work_seconds, seconds),
                or_unknown(phase.elapsed_seconds, seconds),
            ]
        });
        let findings = self
            .findings
            .iter()
            .map(|finding| [finding.check.to_owned(), finding.severity.to_owned(), finding.says.clone()]);
        let mut parts = vec![
            self.facts(),
            table::figures(["module", "keys", "key bytes", "value bytes", "zero", ""], modules),
            table::figures(["migration", "keys", "blocks", "work", "on the chain"], phases),
        ];
        parts.extend(self.rehearsal());
        parts.push(table::texts(["check", "", "answer"], findings));
        parts.join("\n")
    }

    fn records(&self) -> serde_json::Result<Vec<(&'static str, Value)>> {
        let mut plan = serde_json::to_value(self)?;
        let mut records = Vec::new();
        if let Value::Object(fields) = &mut plan {
            for (list, record) in [("modules", "module"), ("phases", "phase"), ("findings", "finding")] {
                if let Some(Value::Array(items)) = fields.remove(list) {
                    records.extend(items.into_iter().map(|item| (record, item)));
                }
            }
        }
        records.insert(0, ("plan", plan));
        Ok(records)
    }
}
