//! `ferry export`: writes the state of the last block as a portable stream, or makes a home of it beside the node's.

mod checkpoint;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use ferry::{DEFAULT_CHUNK_BYTES, ErrorKind, ExportProgress, ExportReport, Source, export};
use serde::Serialize;

use crate::exit::Exit;
use crate::home;
use crate::output::{self, Output, Report};
use crate::progress::Progress;
use crate::settings::NodeArgs;
use crate::signals::Signals;
use crate::{table, units};

/// Write the state behind the last block into a directory, in chunks, for `ferry import` elsewhere.
///
/// A node may run at the home: the state is that of the block that it had when the export began. Nothing below the home is
/// written. Two nodes of a chain at one height write the same chunks. An export that was interrupted goes on behind its last
/// whole chunk as long as the home is at the same block.
///
/// With --checkpoint: a home of its own at that block, for this machine. What is never written again is shared by hard links,
/// so that it costs little where it lies on the same disk. A running `ferry run` makes it between two blocks; the home of a
/// stopped node is opened for it, which finishes what a crash has left there.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Example:
  ferry export --home DIR --to /backup/state
  ferry export --home DIR --to /backup/state --height 1200000
  ferry export --home DIR --checkpoint BESIDE")]
pub(crate) struct Args {
    #[command(flatten)]
    node: NodeArgs,
    /// Where the export goes: a new or empty directory, or one with an unfinished export of the same block.
    #[arg(long, value_name = "DIR", required_unless_present = "checkpoint")]
    to: Option<PathBuf>,
    /// Make a home at the last block here instead, in a new or empty directory outside of the home.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["to", "height", "chunk_bytes"])]
    checkpoint: Option<PathBuf>,
    /// With --checkpoint: the control socket of the run; by default data/state_commit/ferry.sock in the home.
    #[arg(long, value_name = "PATH", requires = "checkpoint")]
    socket: Option<PathBuf>,
    /// The block that the home must be at; another one is refused.
    #[arg(long, value_name = "HEIGHT")]
    height: Option<u64>,
    /// Bytes of a chunk before it is packed. Nodes that serve each other's chunks must agree on it.
    #[arg(long, value_name = "BYTES", default_value_t = DEFAULT_CHUNK_BYTES)]
    chunk_bytes: u32,
}

#[derive(Debug, Serialize)]
struct Written {
    height: u64,
    app_hash: String,
    export_hash: String,
    format: u32,
    chunks: u32,
    chunks_before: u32,
    chunk_bytes: u32,
    records: u64,
    stream_bytes: u64,
    chunk_file_bytes: u64,
    memiavl: bool,
    flatkv: bool,
    path: String,
    elapsed_seconds: f64,
}

/// Runs the command.
///
/// # Errors
/// A home that cannot be read or is at another height, a directory that holds something else, I/O.
pub(crate) fn run(args: &Args, output: Output, signals: &Signals) -> anyhow::Result<Exit> {
    let began = Instant::now();
    args.node.settings()?;
    if let Some(to) = &args.checkpoint {
        home::require_node(&args.node.home)?;
        return checkpoint::run(args, to, output, signals);
    }
    home::require_state(&args.node.home)?;
    let to = args.to.as_deref().context("name a directory with --to")?;
    let source = Source::of_home(&args.node.home, args.height)?;
    let mut shown: Option<Progress> = None;
    let mut progress = |now: ExportProgress| {
        let shown = shown.get_or_insert_with(|| Progress::start("export", "records", Some(now.records_total)));
        shown.set(now.records, &units::bytes(now.stream_bytes));
        if signals.received().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let exported = export(&source, to, args.chunk_bytes, &mut progress);
    drop(shown);
    let report = match (exported, signals.received()) {
        (Ok(report), _) => report,
        (Err(error), Some(exit)) if error.kind() == ErrorKind::Cancelled => {
            output::note("export: stopped by a signal; the same command goes on behind the last whole chunk");
            return Ok(exit);
        }
        (Err(error), _) => return Err(error.into()),
    };
    output::print(&Written::new(to, &report, began.elapsed()), output)?;
    Ok(Exit::Ok)
}

impl Written {
    fn new(to: &Path, report: &ExportReport, elapsed: Duration) -> Self {
        let manifest = &report.manifest;
        Self {
            height: manifest.height,
            app_hash: hex::encode(manifest.app_hash),
            export_hash: hex::encode(manifest.hash()),
            format: manifest.format(),
            chunks: manifest.chunk_count(),
            chunks_before: report.chunks_before,
            chunk_bytes: manifest.chunk_bytes,
            records: manifest.records,
            stream_bytes: manifest.stream_bytes,
            chunk_file_bytes: report.chunk_file_bytes,
            memiavl: manifest.has_memiavl,
            flatkv: manifest.has_flatkv(),
            path: to.display().to_string(),
            elapsed_seconds: elapsed.as_secs_f64(),
        }
    }
}

impl Report for Written {
    const COMMAND: &'static str = "export";

    fn table(&self) -> String {
        let stores = match (self.memiavl, self.flatkv) {
            (true, true) => "memiavl and FlatKV",
            (true, false) => "memiavl",
            _ => "FlatKV",
        };
        table::facts([
            ("height", units::count(self.height)),
            ("app hash", self.app_hash.clone()),
            ("export", self.export_hash.clone()),
            ("stores", stores.to_owned()),
            ("chunks", format!("{}, {} of them there before", units::count(self.chunks.into()), self.chunks_before)),
            ("records", units::count(self.records)),
            ("state", units::bytes(self.stream_bytes)),
            ("on disk", units::bytes(self.chunk_file_bytes)),
            ("directory", self.path.clone()),
            ("time", units::span(Duration::from_secs_f64(self.elapsed_seconds))),
        ])
    }
}
