//! A run from its homes to its report, and one case again.

use std::fs;
use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::case::Case;
use crate::enumerate::{Plan, cases};
use crate::homes::HOMES;
use crate::judge::{Judge, Stage};
use crate::ledger::Ledger;
use crate::pool::{Event, Pool};
use crate::worker::judge_caught;

/// Violations that are told as they happen.
const TOLD_MAX: u64 = 20;
/// A file system in memory, where there is one: cases write much and keep nothing.
const MEMORY: &str = "/dev/shm";

/// What a run takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What the samples and flipped bits depend on.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Our own files and rows whole, RocksDB's in samples (this is the default).
    #[arg(long, conflicts_with = "long")]
    smoke: bool,
    /// Everything.
    #[arg(long)]
    long: bool,
    /// One in so many of the run's cases; which, follows from the seed.
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::MIN)]
    one_in: NonZeroUsize,
    /// Where the report goes, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Worker processes.
    #[arg(long, default_value_t = std::thread::available_parallelism().map_or(1, usize::from))]
    workers: usize,
    /// Only the cases whose words begin like this.
    #[arg(long, value_name = "WORDS", num_args = 1..)]
    only: Vec<String>,
    /// Stops at the first violation: for planted faults.
    #[arg(long)]
    first: bool,
    /// The rig itself is broken so that it must find something: nothing is damaged, and nobody knows why nothing is wrong.
    #[arg(long)]
    plant: bool,
    /// Keep the undamaged homes here, or take them from here if they are there.
    #[arg(long, value_name = "DIR")]
    homes: Option<PathBuf>,
}

/// What a replay takes.
#[derive(clap::Args)]
pub(crate) struct Replay {
    /// The homes of the run. Without them they are built anew; the bytes of RocksDB's files are others then.
    #[arg(long, value_name = "DIR")]
    homes: Option<PathBuf>,
    /// The words of the case.
    #[arg(required = true)]
    words: Vec<String>,
}

/// Damages the homes and reports.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let started = Instant::now();
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let place = Place::new(arguments.homes.as_deref())?;
    let plan = Plan { seed: arguments.seed, long: arguments.long };
    let mut cases = cases(&place.homes, plan)?;
    let only = arguments.only.join(" ");
    cases.retain(|(case, _)| case.to_string().starts_with(&only));
    // They are shuffled.
    cases.truncate(cases.len().div_ceil(arguments.one_in.get()));
    let (cases, classes): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    let mode = if arguments.long { "long" } else { "smoke" };
    eprintln!("torture-damage: {mode}, seed={} cases={} workers={}", plan.seed, cases.len(), arguments.workers);

    let mut ledger = Ledger::default();
    let pool =
        Pool { cases: Arc::new(cases), homes: place.homes.clone(), stop: Arc::clone(&stop), plant: arguments.plant };
    let mut progress = Progress::new(pool.cases.len());
    pool.run(arguments.workers, |event| {
        if let Event::Judged { index, verdict } = event
            && let Some(violation) = ledger.enter(&pool.cases[index], &classes[index], &verdict)
        {
            stop.fetch_or(arguments.first, Ordering::Relaxed);
            if ledger.violation_count <= TOLD_MAX {
                eprintln!("VIOLATION {violation}");
            }
        }
        progress.tell(&ledger);
    })?;

    let (mut figures, rows, violations) = ledger.report();
    figures["mode"] = mode.into();
    figures["complete"] = (ledger.cases == pool.cases.len() as u64).into();
    let seconds = started.elapsed().as_secs_f64();
    let report = json!({
        "layer": "damage", "seed": plan.seed, "seconds": (seconds * 10.0).round() / 10.0,
        "figures": figures, "ledger": rows, "violations": violations,
    });
    if let Some(path) = &arguments.json {
        fs::write(path, serde_json::to_string_pretty(&report)? + "\n")
            .with_context(|| format!("cannot write the report: path={}", path.display()))?;
    }
    print_table(&report);
    Ok(end(&ledger, &stop))
}

fn end(ledger: &Ledger, stop: &AtomicBool) -> ExitCode {
    match (ledger.violation_count, stop.load(Ordering::Relaxed)) {
        (0, false) => ExitCode::SUCCESS,
        (0, true) => ExitCode::from(130),
        _ => ExitCode::FAILURE,
    }
}

/// Repeats one case.
pub(crate) fn replay(arguments: &Replay) -> Result<ExitCode> {
    let case: Case = arguments.words.join(" ").parse()?;
    let place = Place::new(arguments.homes.as_deref())?;
    let own = tempfile::tempdir_in(place.homes.parent().unwrap_or(&place.homes))?;
    let verdict = judge_caught(&Judge::new(&place.homes, own.path())?, &case)?;
    println!("{}", serde_json::to_string_pretty(&json!({ "case": case.to_string(), "verdict": verdict }))?);
    Ok(if verdict.stage == Stage::Died { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Where the undamaged homes are; a temporary directory goes when this does.
struct Place {
    homes: PathBuf,
    _temporary: Option<TempDir>,
}

impl Place {
    fn new(kept: Option<&Path>) -> Result<Self> {
        let (homes, temporary) = match kept {
            Some(homes) => (homes.to_owned(), None),
            None => {
                let memory = Path::new(MEMORY);
                let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
                let temporary = tempfile::tempdir_in(base)?;
                (temporary.path().join("homes"), Some(temporary))
            }
        };
        for home in HOMES {
            let dir = homes.join(home.name);
            if !dir.exists() {
                fs::create_dir_all(&dir)?;
                home.build(&dir).with_context(|| format!("cannot build a home: name={}", home.name))?;
            }
        }
        Ok(Self { homes, _temporary: temporary })
    }
}

/// Rate, remaining cases and time, now and then.
struct Progress {
    started: Instant,
    told: Instant,
    every: Duration,
    total: usize,
}

impl Progress {
    fn new(total: usize) -> Self {
        let every = Duration::from_secs(if std::io::stderr().is_terminal() { 1 } else { 10 });
        Self { started: Instant::now(), told: Instant::now(), every, total }
    }

    fn tell(&mut self, ledger: &Ledger) {
        if self.told.elapsed() < self.every {
            return;
        }
        self.told = Instant::now();
        let rate = ledger.cases as f64 / self.started.elapsed().as_secs_f64();
        let remaining = (self.total as u64).saturating_sub(ledger.cases);
        let eta = if rate > 0.0 { remaining as f64 / rate } else { 0.0 };
        eprintln!(
            "{} of {} cases, {rate:.0}/s, {remaining} remaining, {eta:.0} s to go, {} violations",
            ledger.cases, self.total, ledger.violation_count
        );
    }
}

fn print_table(report: &Value) {
    println!("file class | byte class | cases | at open | by check | on use | harmless | older | not noticeable");
    for row in report["ledger"].as_array().into_iter().flatten() {
        let number = |name: &str| row[name].to_string();
        let numbers: Vec<String> =
            ["cases", "noticed_at_open", "noticed_by_check", "noticed_on_use", "harmless", "older", "not_noticeable"]
                .map(number)
                .to_vec();
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        println!("{} | {} | {}", text("file_class"), text("byte_class"), numbers.join(" | "));
    }
    println!("{}", report["figures"]);
}
