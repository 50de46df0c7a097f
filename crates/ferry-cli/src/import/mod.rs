//! `ferry import`: makes an exported state the state of a home.

mod discard;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, Instant};

use ferry::{Exported, Restore, RestorePoint, RestoreProgress};
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGKILL};
use signal_hook::low_level::raise;

use crate::exit::Exit;
use crate::output::{self, Output, Report};
use crate::progress::Progress;
use crate::settings::NodeArgs;
use crate::signals::Signals;
use crate::words::TrustedHash;
use crate::{table, units};

pub(crate) use discard::UnfinishedForm;

/// Make an exported state the state of a home, whole or not at all.
///
/// Without --apply it says what is in the export and reads every chunk, and changes nothing. The home may be empty; a state
/// that it has is replaced. The node must not be running. Every chunk is checked, all hashes are computed from what is in
/// them, and the result is compared with the app hash before anything is replaced. Name the app hash that the chain has for
/// that height: without it the export is only held against itself. An import that was interrupted goes on behind the last
/// chunk that was taken; one that nobody goes on with is given up by --discard.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Example:\n  ferry import --home DIR --from /backup/state           says what is in it\n  ferry import --home DIR --from /backup/state --apply\n  ferry import --home DIR --discard                      says what an interrupted import has left\n  ferry import --home DIR --discard --apply"
)]
pub(crate) struct Args {
    #[command(flatten)]
    node: NodeArgs,
    /// The directory with the export.
    #[arg(long, value_name = "DIR", required_unless_present = "discard")]
    from: Option<PathBuf>,
    /// Instead, delete what an interrupted import has taken; the state that the home has stays.
    #[arg(long, conflicts_with_all = ["from", "app_hash"])]
    discard: bool,
    /// The app hash that the chain has for the export's height, in hex, as the next block's header says it.
    #[arg(long, value_name = "HEX")]
    app_hash: Option<TrustedHash>,
    /// Do it. With --from, what the home has is replaced then.
    #[arg(long)]
    apply: bool,
    /// Die by SIGKILL at this named point.
    #[arg(long, value_name = "POINT", hide = true)]
    kill_at: Option<At>,
    /// Get a SIGINT at this named point.
    #[arg(long, value_name = "POINT", hide = true)]
    interrupt_at: Option<At>,
}

/// A point of the restore at which a signal comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct At(RestorePoint);

/// A text that names no point.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {} got={got}", RestorePoint::ALL.map(RestorePoint::as_str).join(", "))]
struct NoPoint {
    got: String,
}

impl FromStr for At {
    type Err = NoPoint;

    fn from_str(text: &str) -> Result<Self, NoPoint> {
        let point = RestorePoint::ALL.into_iter().find(|point| point.as_str() == text);
        point.map(Self).ok_or_else(|| NoPoint { got: text.to_owned() })
    }
}

#[derive(Debug, Serialize)]
struct ImportReport {
    applied: bool,
    height: u64,
    app_hash: String,
    app_hash_trusted: bool,
    export_hash: String,
    chunks: u32,
    chunks_before: u32,
    records: u64,
    stream_bytes: u64,
    memiavl: bool,
    flatkv: bool,
    elapsed_seconds: f64,
}

/// Runs the command.
///
/// # Errors
/// An export that is damaged or made up, a home that is in use, I/O.
pub(crate) fn run(args: &Args, output: Output, signals: &Signals) -> anyhow::Result<Exit> {
    let began = Instant::now();
    let options = args.node.options()?;
    let Some(from) = &args.from else { return discard::run(&args.node.home, args.apply, output) };
    let exported = Exported::open(from)?;
    let mut chunks_before = 0;
    if args.apply {
        let trusted = args.app_hash.map(|hash| hash.0);
        let mut restore = Restore::begin(&args.node.home, exported.manifest(), trusted, &options)?;
        chunks_before = restore.next_chunk();
        restore.set_hook(hook(args));
        if let Some(exit) = apply(restore, &exported, signals)? {
            output::note("import: stopped by a signal, the state is as it was; the same command goes on");
            return Ok(exit);
        }
    } else {
        if let Some(TrustedHash(expected)) = args.app_hash {
            exported.manifest().check_trusted(expected)?;
        }
        if let Some(exit) = look(&exported, signals)? {
            output::note("import: stopped by a signal, nothing was changed");
            return Ok(exit);
        }
    }
    output::print(&ImportReport::new(args, &exported, chunks_before, began.elapsed()), output)?;
    Ok(Exit::Ok)
}

fn hook(args: &Args) -> ferry::RestoreHook {
    let points = [(args.kill_at, SIGKILL), (args.interrupt_at, SIGINT)];
    Box::new(move |point| {
        for (_, signal) in points.into_iter().filter(|(at, _)| *at == Some(At(point))) {
            raise(signal).expect("a process may send itself a signal");
        }
    })
}

/// Reads all chunks; the exit of a signal that came meanwhile.
fn look(exported: &Exported, signals: &Signals) -> anyhow::Result<Option<Exit>> {
    let mut shown = Progress::start("import", "chunks", Some(exported.manifest().chunk_count().into()));
    let checked = exported.check(&mut |chunks| {
        shown.set(chunks.into(), "");
        if signals.received().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    match (checked, signals.received()) {
        (Err(error), Some(exit)) if error.kind() == ferry::ErrorKind::Cancelled => Ok(Some(exit)),
        (checked, _) => Ok(checked.map(|()| None)?),
    }
}

/// Takes all chunks and replaces the state; the exit of a signal that came before that.
fn apply(mut restore: Restore, exported: &Exported, signals: &Signals) -> anyhow::Result<Option<Exit>> {
    let chunks = exported.manifest().chunk_count();
    let mut shown = Progress::start("import", "chunks", Some(chunks.into()));
    for index in restore.next_chunk()..chunks {
        if let Some(exit) = signals.received() {
            return Ok(Some(exit));
        }
        restore.apply(index, &exported.chunk(index)?)?;
        shown.set((index + 1).into(), "");
    }
    let mut progress = |now: RestoreProgress| {
        shown.set(chunks.into(), &format!("{} rows read back", units::count(now.rows_checked)));
        if signals.received().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    match (restore.finish(&mut progress), signals.received()) {
        (Ok(_), _) => Ok(None),
        (Err(error), Some(exit)) if error.kind() == ferry::ErrorKind::Cancelled => Ok(Some(exit)),
        (Err(error), _) => Err(error.into()),
    }
}

impl ImportReport {
    fn new(args: &Args, exported: &Exported, chunks_before: u32, elapsed: Duration) -> Self {
        let manifest = exported.manifest();
        Self {
            applied: args.apply,
            height: manifest.height,
            app_hash: hex::encode(manifest.app_hash),
            app_hash_trusted: args.app_hash.is_some(),
            export_hash: hex::encode(manifest.hash()),
            chunks: manifest.chunk_count(),
            chunks_before,
            records: manifest.records,
            stream_bytes: manifest.stream_bytes,
            memiavl: manifest.has_memiavl,
            flatkv: manifest.has_flatkv(),
            elapsed_seconds: elapsed.as_secs_f64(),
        }
    }
}

impl Report for ImportReport {
    const COMMAND: &'static str = "import";

    fn table(&self) -> String {
        let trusted =
            if self.app_hash_trusted { "as trusted" } else { "as the export says; compare it with the chain's" };
        let done = if self.applied { "the home has this state" } else { "nothing yet: a dry run; add --apply" };
        table::facts([
            ("height", units::count(self.height)),
            ("app hash", format!("{}, {trusted}", self.app_hash)),
            ("export", self.export_hash.clone()),
            ("chunks", units::count(self.chunks.into())),
            ("records", units::count(self.records)),
            ("state", units::bytes(self.stream_bytes)),
            ("changed", done.to_owned()),
            ("time", units::span(Duration::from_secs_f64(self.elapsed_seconds))),
        ])
    }
}
