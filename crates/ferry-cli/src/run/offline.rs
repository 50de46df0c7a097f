//! `ferry run --offline`: moves the state of a stopped node at once.

use std::ops::ControlFlow;
use std::str::FromStr;
use std::time::{Duration, Instant};

use ferry::migrate_metrics::anonymous_bytes;
use ferry::{ErrorKind, Import, ImportPoint, ImportProgress, ImportReport, Mode};
use serde::Serialize;
use serde_json::Value;
use signal_hook::consts::{SIGINT, SIGKILL};
use signal_hook::low_level::raise;

use crate::exit::Exit;
use crate::home::{self, DiskSizes};
use crate::output::{self, Output, Report};
use crate::progress::Progress;
use crate::signals::Signals;
use crate::{table, units};

use super::Args;

/// A point of the import at which a signal comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At(ImportPoint);

/// A text that names no point.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {} got={got}", ImportPoint::ALL.map(ImportPoint::as_str).join(", "))]
pub(super) struct NoPoint {
    got: String,
}

impl FromStr for At {
    type Err = NoPoint;

    fn from_str(text: &str) -> Result<Self, NoPoint> {
        let point = ImportPoint::ALL.into_iter().find(|point| point.as_str() == text);
        point.map(Self).ok_or_else(|| NoPoint { got: text.to_owned() })
    }
}

#[derive(Debug, Serialize)]
struct RunReport {
    outcome: &'static str,
    home: String,
    height: u64,
    write_mode: &'static str,
    from_migration_version: u64,
    migration_version: u64,
    keys: u64,
    key_bytes: u64,
    value_bytes: u64,
    keys_per_second: f64,
    /// Opening and switching: what does not grow with the keys to move.
    fixed_seconds: f64,
    opening_seconds: f64,
    moving_seconds: f64,
    building_seconds: f64,
    switching_seconds: f64,
    elapsed_seconds: f64,
    threads: usize,
    rss_anon_bytes_max: u64,
    flatkv_root: Option<String>,
    modules: Vec<Module>,
    #[serde(flatten)]
    disk: DiskSizes,
}

#[derive(Debug, Serialize)]
struct Module {
    name: String,
    moved_keys: u64,
}

/// Imports.
///
/// # Errors
/// A home that is at another height, in use or damaged; I/O.
pub(super) fn run(args: &Args, at_height: u64, output: Output, signals: &Signals) -> anyhow::Result<Exit> {
    let began = Instant::now();
    let (options, threads) = (args.node.options()?, args.node.threads(args.threads)?);
    let import = Import { at_height, to: args.to.into(), threads };
    let mut shown: Option<Progress> = None;
    let mut rss_anon_bytes_max = 0;
    let mut progress = |now: ImportProgress| {
        rss_anon_bytes_max = rss_anon_bytes_max.max(anonymous_bytes().unwrap_or(0));
        shown.get_or_insert_with(|| Progress::start("import", "keys", Some(now.keys_total))).set(now.keys, "");
        if signals.received().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let mut hook = |point| {
        for (at, signal) in [(args.kill_at, SIGKILL), (args.interrupt_at, SIGINT)] {
            if at == Some(At(point)) {
                raise(signal).expect("a process may send itself a signal");
            }
        }
    };
    let imported = ferry::import_with(&args.node.home, import, &options, &mut progress, &mut hook);
    drop(shown);
    let rss_anon_bytes_max = rss_anon_bytes_max.max(anonymous_bytes().unwrap_or(0));
    let report = match (imported, signals.received()) {
        (Ok(report), _) => report,
        (Err(error), Some(exit)) if error.kind() == ErrorKind::Cancelled => {
            output::note("import: stopped by a signal, the state is as it was");
            return Ok(exit);
        }
        (Err(error), _) => return Err(error.into()),
    };
    let report = RunReport::new(args, report, began.elapsed(), threads, rss_anon_bytes_max)?;
    output::print(&report, output)?;
    Ok(Exit::Ok)
}

impl RunReport {
    fn new(
        args: &Args,
        report: ImportReport,
        elapsed: Duration,
        threads: usize,
        rss_anon_bytes_max: u64,
    ) -> anyhow::Result<Self> {
        let work = (report.moving + report.building).as_secs_f64();
        Ok(Self {
            outcome: if report.from_version < report.to_version { "imported" } else { "nothing_to_do" },
            home: args.node.home.display().to_string(),
            height: report.height,
            write_mode: Mode::resting_at(report.to_version).map_or("unknown", Mode::as_str),
            from_migration_version: report.from_version,
            migration_version: report.to_version,
            keys: report.moved.keys,
            key_bytes: report.moved.key_bytes,
            value_bytes: report.moved.value_bytes,
            keys_per_second: report.moved.keys as f64 / work.max(1e-3),
            fixed_seconds: (report.opening + report.switching).as_secs_f64(),
            opening_seconds: report.opening.as_secs_f64(),
            moving_seconds: report.moving.as_secs_f64(),
            building_seconds: report.building.as_secs_f64(),
            switching_seconds: report.switching.as_secs_f64(),
            elapsed_seconds: elapsed.as_secs_f64(),
            threads,
            rss_anon_bytes_max,
            flatkv_root: report.root.map(hex::encode),
            modules: report
                .modules
                .into_iter()
                .map(|module| Module { name: module.name, moved_keys: module.keys })
                .collect(),
            disk: home::sizes(&args.node.home)?,
        })
    }
}

impl Report for RunReport {
    const COMMAND: &'static str = "run";

    fn table(&self) -> String {
        let span = |seconds| units::span(Duration::from_secs_f64(seconds));
        let facts = table::facts([
            ("result", if self.outcome == "imported" { "imported" } else { "nothing to do" }.to_owned()),
            ("height", units::count(self.height)),
            ("write mode", self.write_mode.to_owned()),
            ("keys moved", format!("{}, {}", units::count(self.keys), units::rate(self.keys_per_second, "keys"))),
            ("key bytes", units::bytes(self.key_bytes)),
            ("value bytes", units::bytes(self.value_bytes)),
            ("FlatKV's root", self.flatkv_root.clone().unwrap_or_else(|| "none".to_owned())),
            ("opening", span(self.opening_seconds)),
            ("moving", span(self.moving_seconds)),
            ("building", span(self.building_seconds)),
            ("switching", span(self.switching_seconds)),
            ("memory", units::bytes(self.rss_anon_bytes_max)),
            ("memiavl on disk", units::bytes(self.disk.memiavl_bytes)),
            ("FlatKV on disk", units::bytes(self.disk.flatkv_bytes)),
        ]);
        let modules = self.modules.iter().map(|module| [module.name.clone(), units::count(module.moved_keys)]);
        format!("{facts}\n{}", table::figures(["module", "moved"], modules))
    }

    fn records(&self) -> serde_json::Result<Vec<(&'static str, Value)>> {
        let mut import = serde_json::to_value(self)?;
        if let Value::Object(fields) = &mut import {
            fields.remove("modules");
        }
        let mut records = vec![("import", import)];
        for module in &self.modules {
            records.push(("module", serde_json::to_value(module)?));
        }
        Ok(records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_point_is_known_by_its_name_and_nothing_else_is() {
        for point in ImportPoint::ALL {
            assert_eq!(point.as_str().parse(), Ok(At(point)));
        }
        let refused = "import".parse::<At>().expect_err("refused");
        assert_eq!(refused, NoPoint { got: "import".to_owned() });
    }
}
