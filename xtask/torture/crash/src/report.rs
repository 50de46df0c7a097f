//! What a layer found: figures, figures by phase, violations; as JSON, and a line of progress.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

/// Violations kept in full; of others only the number.
const KEPT: usize = 50;
const TERMINAL_PERIOD: Duration = Duration::from_millis(500);
const PLAIN_PERIOD: Duration = Duration::from_secs(10);

/// Something that must not be.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    /// The words that repeat it.
    pub(crate) replay: String,
    pub(crate) phase: String,
    pub(crate) what: String,
}

/// A layer's results.
pub(crate) struct Report {
    layer: &'static str,
    seed: u64,
    started: Instant,
    figures: BTreeMap<String, u64>,
    phases: BTreeMap<String, BTreeMap<String, u64>>,
    violations: Vec<Violation>,
    printed: Instant,
    stop: Option<Arc<AtomicBool>>,
}

impl Report {
    /// `stop` is set by the first violation.
    pub(crate) fn new(layer: &'static str, seed: u64, stop: Option<Arc<AtomicBool>>) -> Self {
        let now = Instant::now();
        Self {
            layer,
            seed,
            started: now,
            figures: BTreeMap::new(),
            phases: BTreeMap::new(),
            violations: Vec::new(),
            printed: now,
            stop,
        }
    }

    pub(crate) fn count(&mut self, figure: &str, phase: &str, by: u64) {
        *self.figures.entry(figure.to_owned()).or_default() += by;
        *self.phases.entry(phase.to_owned()).or_default().entry(figure.to_owned()).or_default() += by;
    }

    pub(crate) fn figure(&self, figure: &str) -> u64 {
        self.figures.get(figure).copied().unwrap_or(0)
    }

    pub(crate) fn violation(&mut self, violation: Violation) {
        self.count("violations", &violation.phase, 1);
        if let Some(stop) = &self.stop {
            stop.store(true, Ordering::Relaxed);
        }
        if self.violations.len() < KEPT {
            eprintln!("violation ({}): {}\n  {}", violation.phase, violation.what, violation.replay);
            self.violations.push(violation);
        }
    }

    pub(crate) fn violations(&self) -> usize {
        self.violations.len()
    }

    /// A line every now and then: how far, how fast, how long still.
    pub(crate) fn progress(&mut self, what: &str, done: u64, total: u64) {
        let terminal = std::io::stderr().is_terminal();
        if self.printed.elapsed() < if terminal { TERMINAL_PERIOD } else { PLAIN_PERIOD } {
            return;
        }
        self.printed = Instant::now();
        let seconds = self.started.elapsed().as_secs_f64();
        let checked = self.figure("images") + self.figure("double_crash_images") + self.figure("io_faults");
        let left = if done > 0 { seconds / done as f64 * total.saturating_sub(done) as f64 } else { 0.0 };
        let line = format!(
            "{}: {what} {done}/{total}, {checked} checked, {:.0}/s, {} violations, {left:.0} s left",
            self.layer,
            checked as f64 / seconds.max(0.001),
            self.figure("violations"),
        );
        if terminal { eprint!("\r\x1b[K{line}") } else { eprintln!("{line}") }
    }

    fn to_json(&self) -> Value {
        let violation = |violation: &Violation| json!({ "replay": violation.replay, "phase": violation.phase, "what": violation.what });
        let mut object = Map::new();
        object.insert("schema_version".to_owned(), json!(1));
        object.insert("layer".to_owned(), json!(self.layer));
        object.insert("seed".to_owned(), json!(self.seed));
        object.insert("seconds".to_owned(), json!(self.started.elapsed().as_secs_f64()));
        object.insert("figures".to_owned(), json!(self.figures));
        object.insert("per_phase".to_owned(), json!(self.phases));
        object.insert("violations".to_owned(), self.violations.iter().map(violation).collect());
        Value::Object(object)
    }

    /// Prints the figures, and writes all of it to `file` if there is one.
    pub(crate) fn finish(&self, file: Option<&Path>) -> Result<()> {
        if std::io::stderr().is_terminal() {
            eprintln!();
        }
        let json = serde_json::to_string_pretty(&self.to_json())?;
        match file {
            Some(path) => std::fs::write(path, json + "\n").with_context(|| format!("cannot write {}", path.display())),
            None => {
                println!("{json}");
                Ok(())
            }
        }
    }
}
