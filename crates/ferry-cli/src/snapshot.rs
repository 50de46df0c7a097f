//! `ferry snapshot`: writes a memiavl snapshot at the node's present height.

use std::time::{Duration, Instant};

use ferry::Node;
use serde::Serialize;

use crate::exit::Exit;
use crate::home;
use crate::output::{self, Output, Report};
use crate::settings::NodeArgs;
use crate::{table, units};

/// Write a memiavl snapshot at the node's present height.
///
/// A later start loads it instead of replaying the changelog. The node must not be running.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  ferry snapshot --home DIR")]
pub(crate) struct Args {
    #[command(flatten)]
    node: NodeArgs,
}

#[derive(Debug, Serialize)]
struct SnapshotReport {
    height: u64,
    path: String,
    snapshot_bytes: u64,
    memiavl_bytes: u64,
    elapsed_seconds: f64,
}

/// Runs the command.
///
/// # Errors
/// A home that does not open, or a snapshot that cannot be written.
pub(crate) fn run(args: &Args, output: Output) -> anyhow::Result<Exit> {
    let began = Instant::now();
    let options = args.node.options()?;
    home::require_node(&args.node.home)?;
    let mut node = Node::open(&args.node.home, options)?;
    let height = node.height();
    let path = node.snapshot_now()?;
    let memiavl_bytes = ferry::tree_bytes(node.home().memiavl())?;
    node.close()?;
    let report = SnapshotReport {
        height,
        snapshot_bytes: ferry::tree_bytes(&path)?,
        memiavl_bytes,
        path: path.display().to_string(),
        elapsed_seconds: began.elapsed().as_secs_f64(),
    };
    output::print(&report, output)?;
    Ok(Exit::Ok)
}

impl Report for SnapshotReport {
    const COMMAND: &'static str = "snapshot";

    fn table(&self) -> String {
        table::facts([
            ("height", units::count(self.height)),
            ("snapshot", self.path.clone()),
            ("its size", units::bytes(self.snapshot_bytes)),
            ("memiavl in all", units::bytes(self.memiavl_bytes)),
            ("time", units::span(Duration::from_secs_f64(self.elapsed_seconds))),
        ])
    }
}
