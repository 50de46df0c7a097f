//! `ferry status`: how far the migration has come. Reads only, and writes nothing below the home.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ferry::control::{self, Command, Running, socket_path};
use ferry::memiavl::LockState;
use ferry::migrate_core::{LAST_VERSION, Route};
use ferry::{Boundary, Home, HomeJournal, State, Status, journal_pace};
use serde::Serialize;
use serde_json::Value;

use crate::exit::Exit;
use crate::home::{self, DiskSizes};
use crate::import::UnfinishedForm;
use crate::output::{self, Output, Report};
use crate::settings::NodeArgs;
use crate::{status_line, table, units};

/// Say how far the migration has come.
///
/// The figures are exact: a moved key has left memiavl, and memiavl counts its keys. A run that answers at its control
/// socket is asked, and says rate, ETA and why it does not move too; otherwise the home is looked at, beside whoever runs
/// it: rate and ETA are those of the minute before its last block then. Nothing is written.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  ferry status --home DIR --output json")]
pub(crate) struct Args {
    #[command(flatten)]
    node: NodeArgs,
    /// The control socket of the run; by default data/state_commit/ferry.sock in the home.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct StatusReport {
    /// Who says so: the run, at its `socket`, or the home, on `disk`.
    source: &'static str,
    process_id: Option<u32>,
    /// A [`State`]; `unknown` where nobody who runs the home was asked and its mode does not say.
    state: &'static str,
    reason: String,
    /// From disk: over the minute before the last block, by the journal.
    keys_per_second: Option<f64>,
    eta_seconds: Option<f64>,
    last_block_seconds: Option<f64>,
    height: u64,
    memiavl_height: Option<u64>,
    flatkv_height: Option<u64>,
    write_mode: &'static str,
    migration_version: u64,
    boundary: Option<Cursor>,
    flatkv_root: Option<String>,
    modules: Vec<Module>,
    #[serde(flatten)]
    disk: DiskSizes,
    /// An import into this home that was interrupted.
    unfinished_import: Option<UnfinishedForm>,
}

/// The boundary, as its record has it.
#[derive(Debug, Serialize)]
struct Cursor {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    module: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

#[derive(Debug, Serialize)]
struct Module {
    name: String,
    moved_keys: u64,
    remaining_keys: u64,
    moved_percent: f64,
}

/// Runs the command.
///
/// # Errors
/// A home that holds no state or cannot be read.
pub(crate) fn run(args: &Args, output: Output) -> anyhow::Result<Exit> {
    let options = args.node.options()?;
    let home = &args.node.home;
    home::require_state(home)?;
    let running = ask(&args.socket.clone().unwrap_or_else(|| socket_path(home)))?;
    let told = running.and_then(|running| Some((running.status()?, Some(running))));
    let (status, running) = match told {
        Some(told) => told,
        None => (ferry::inspect(home, &options.modules)?, None),
    };
    let source = match running {
        Some(running) => Source::Run(Box::new(running)),
        None => Source::Disk { pace: Pace::of(home)?, writer: Home::locate(home).writer()? },
    };
    let unfinished_import = ferry::unfinished_restore(home)?.map(UnfinishedForm::from);
    output::print(
        &StatusReport { unfinished_import, ..StatusReport::new(status, &source, home::sizes(home)?) },
        output,
    )?;
    Ok(Exit::Ok)
}

/// Who says so.
enum Source {
    Run(Box<Running>),
    Disk { pace: Option<Pace>, writer: LockState },
}

/// How fast the home's last blocks moved keys, and how long ago that was.
#[derive(Clone, Copy)]
struct Pace {
    keys_per_second: f64,
    last_block_seconds: f64,
}

impl Pace {
    fn of(home: &Path) -> Result<Option<Self>, ferry::Error> {
        let Some(journal) = HomeJournal::open(home)? else { return Ok(None) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        Ok(journal_pace(journal.lines(0))?.map(|pace| Self {
            keys_per_second: pace.keys_per_second,
            last_block_seconds: now.saturating_sub(pace.last_unix_ms.into()) as f64 / 1e3,
        }))
    }
}

/// What a run says of itself; none if nobody listens, or nobody who can be understood.
fn ask(path: &Path) -> Result<Option<Running>, ferry::Error> {
    match control::ask(path, Command::Status) {
        Ok(running) => Ok(Some(running)),
        // A home with a long path has its socket elsewhere, if it has one.
        Err(ferry::Error::NotRunning { .. } | ferry::Error::SocketPathTooLong { .. }) => Ok(None),
        Err(error @ (ferry::Error::Answer { .. } | ferry::Error::Io { .. })) => {
            output::note(&format!("status: {error}; looking at the disk"));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Keys that the migration under way has left to move; none while none is.
fn keys_to_go(status: &Status) -> Option<u64> {
    status.mode.migration()?;
    let next = status.mode.next()?;
    let moving = status.modules.iter().filter(|module| next.route(&module.name) == Route::New);
    Some(moving.map(|module| module.remaining).sum())
}

/// What the home alone says of the migration's state.
fn state_on_disk(status: &Status, pace: Option<Pace>, writer: &LockState) -> (&'static str, String) {
    if status.version.max(if status.mode.migration().is_none() { status.mode.base_version() } else { 0 })
        >= LAST_VERSION
    {
        return (State::Done.as_str(), "all has moved".to_owned());
    }
    match status.mode.next().filter(|_| status.mode.migration().is_none()) {
        Some(next) => {
            let reason = format!("nothing is left to move in this mode; a step to {next} goes on");
            (State::WaitingForModeStep.as_str(), reason)
        }
        None => {
            let who = match writer {
                LockState::Held(Some(holder)) => format!("process {} has the home open", holder.pid),
                LockState::Free => "nobody has the home open".to_owned(),
                _ => "a process has the home open".to_owned(),
            };
            let ago = pace.and_then(|pace| Duration::try_from_secs_f64(pace.last_block_seconds).ok());
            let last = ago.map(|ago| format!(", the last block was {} ago", units::span(ago))).unwrap_or_default();
            ("unknown", format!("{who}, and no run answers at the control socket{last}"))
        }
    }
}

impl StatusReport {
    fn new(status: Status, source: &Source, disk: DiskSizes) -> Self {
        let (running, progress, pace) = match source {
            Source::Run(running) => (Some(running), Some(&running.progress), None),
            Source::Disk { pace, .. } => (None, None, pace.filter(|_| keys_to_go(&status).is_some())),
        };
        let (state, reason) = match source {
            Source::Run(running) => (running.progress.state.as_str(), running.progress.reason.clone()),
            Source::Disk { pace, writer } => state_on_disk(&status, *pace, writer),
        };
        let eta = pace.zip(keys_to_go(&status)).map(|(pace, keys)| keys as f64 / pace.keys_per_second);
        let modules = status.modules.into_iter().map(|module| Module {
            moved_percent: units::percent(module.moved, module.moved.saturating_add(module.remaining)),
            name: module.name,
            moved_keys: module.moved,
            remaining_keys: module.remaining,
        });
        Self {
            source: if running.is_some() { "socket" } else { "disk" },
            process_id: running.map(|running| running.process_id),
            state,
            reason,
            keys_per_second: progress
                .map(|progress| progress.keys_per_second)
                .or(pace.map(|pace| pace.keys_per_second)),
            // A rate of nothing leads nowhere.
            eta_seconds: progress.and_then(|progress| progress.eta_seconds).or(eta.filter(|eta| eta.is_finite())),
            last_block_seconds: progress
                .and_then(|progress| progress.last_block_seconds)
                .or(pace.map(|pace| pace.last_block_seconds)),
            height: status.height,
            memiavl_height: status.memiavl_height,
            flatkv_height: status.flatkv_height,
            write_mode: status.mode.as_str(),
            migration_version: status.version,
            boundary: status.boundary.map(Cursor::from),
            flatkv_root: status.root.map(hex::encode),
            modules: modules.collect(),
            disk,
            unfinished_import: None,
        }
    }
}

impl From<Boundary> for Cursor {
    fn from(boundary: Boundary) -> Self {
        let (status, place) = match boundary {
            Boundary::NotStarted => ("not_started", None),
            Boundary::InProgress { module, key } => {
                ("in_progress", Some((String::from_utf8_lossy(&module).into_owned(), hex::encode(key))))
            }
            Boundary::Complete => ("complete", None),
        };
        let (module, key) = place.unzip();
        Self { status, module, key }
    }
}

impl Report for StatusReport {
    const COMMAND: &'static str = "status";

    fn table(&self) -> String {
        let boundary = match &self.boundary {
            None => "none in flight".to_owned(),
            Some(Cursor { status, module: Some(module), key: Some(key) }) => format!("{status} in {module} at {key}"),
            Some(Cursor { status, .. }) => (*status).to_owned(),
        };
        let state = self.state.replace('_', " ");
        let unfinished = self.unfinished_import.as_ref().map(|left| {
            let remedy = "the same import goes on, `ferry import --discard` gives it up";
            ("unfinished import", format!("{}; {remedy}", left.said()))
        });
        let facts = [
            ("source", self.process_id.map_or_else(|| "disk".to_owned(), |id| format!("process {id}"))),
            ("state", if self.reason.is_empty() { state } else { format!("{state}: {}", self.reason) }),
            ("rate", self.keys_per_second.map_or_else(|| "unknown".to_owned(), |rate| units::rate(rate, "keys"))),
            ("ETA", status_line::eta(self.eta_seconds)),
            ("height", units::count(self.height)),
            ("write mode", self.write_mode.to_owned()),
            ("migration version", self.migration_version.to_string()),
            ("boundary", boundary),
            ("memiavl on disk", units::bytes(self.disk.memiavl_bytes)),
            ("FlatKV on disk", units::bytes(self.disk.flatkv_bytes)),
        ];
        let facts = table::facts(facts.into_iter().chain(unfinished));
        let modules = self.modules.iter().map(|module| {
            let Module { name, moved_keys, remaining_keys, moved_percent } = module;
            [name.clone(), units::count(*moved_keys), units::count(*remaining_keys), format!("{moved_percent:.2} %")]
        });
        format!("{facts}\n{}", table::figures(["module", "moved", "remaining", "done"], modules))
    }

    fn records(&self) -> serde_json::Result<Vec<(&'static str, Value)>> {
        let mut node = serde_json::to_value(self)?;
        if let Value::Object(fields) = &mut node {
            fields.remove("modules");
        }
        let mut records = vec![("node", node)];
        for module in &self.modules {
            records.push(("module", serde_json::to_value(module)?));
        }
        Ok(records)
    }
}
