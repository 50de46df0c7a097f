//! Offline import of evm, and of all modules, beside the least that any import of as many rows must do.

use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Result, ensure};
use ferry::{Import, ImportReport, Mode, Node, Options};
use serde_json::{Value, json};

use crate::home::Homes;
use crate::memory::Peak;
use crate::progress::Progress;
use crate::sorted::{self, Rows};
use crate::{Arguments, threads};

/// What is imported, and the mode that the node is in then.
const TARGETS: [(&str, Mode); 2] = [("evm", Mode::EvmMigrated), ("all modules", Mode::FlatkvOnly)];

/// Both imports of one home, each of a fresh copy.
pub(crate) fn run(homes: &Homes, arguments: &Arguments) -> Result<Value> {
    TARGETS.into_iter().map(|(what, to)| one(homes, arguments, what, to)).collect()
}

fn one(homes: &Homes, arguments: &Arguments, what: &str, to: Mode) -> Result<Value> {
    let home = homes.copy()?;
    let options = Options::default();
    let node = Node::open(home, options.clone())?;
    let at_height = node.height();
    node.close()?;
    let (mut progress, peak) = (Progress::new("import"), Peak::watch());
    let import = Import { at_height, to, threads: threads() };
    let report = ferry::import(home, import, &options, &mut |now| {
        progress.tell(|| format!("{what}: {} of {} keys", now.keys, now.keys_total));
        ControlFlow::Continue(())
    })?;
    let anonymous = peak.end()?;
    let ImportReport { moved, opening, moving, building, switching, .. } = report;
    ensure!(moved.keys > 0, "the import moved nothing: {what}");
    eprintln!("bench: import: the limit for {} rows", moved.keys);
    let (key_bytes, value_bytes) = (moved.key_bytes / moved.keys, moved.value_bytes / moved.keys);
    let limit = sorted::measure(&arguments.scratch, Rows { count: moved.keys, key_bytes, value_bytes })?;
    let seconds = |time: Duration| time.as_secs_f64();
    let work = seconds(moving + building);
    Ok(json!({
        "moved": what, "home": homes.size.to_string(), "keys": moved.keys, "threads": threads(),
        "keys_per_second": moved.keys as f64 / work, "work_seconds": work,
        "fixed_seconds": seconds(opening + switching), "opening_seconds": seconds(opening),
        "moving_seconds": seconds(moving), "building_seconds": seconds(building),
        "switching_seconds": seconds(switching), "rss_anon_bytes_max": anonymous,
        "limit_seconds": seconds(limit), "limit_rows_per_second": moved.keys as f64 / seconds(limit),
        "times_the_limit": work / seconds(limit),
    }))
}
