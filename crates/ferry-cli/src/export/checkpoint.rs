//! `ferry export --checkpoint`: a home of its own at the last block, whose files are hard links where they can be.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use ferry::control::{self, socket_path};
use ferry::{Checkpoint, Error, ErrorKind};
use serde::Serialize;

use crate::exit::Exit;
use crate::output::{self, Output, Report};
use crate::signals::Signals;
use crate::{table, units};

use super::Args;

#[derive(Debug, Serialize)]
struct CheckpointReport {
    height: u64,
    app_hash: String,
    /// All files, those that are shared with the home included.
    checkpoint_bytes: u64,
    path: String,
    /// Who made it: the run, asked at its `socket`, or this process, from `disk`.
    source: &'static str,
    elapsed_seconds: f64,
}

/// Makes the checkpoint: the process that runs the node does, if it answers at its socket, else this one.
///
/// # Errors
/// A home that another process has open and that answers at no socket, a directory that will not do, I/O.
pub(super) fn run(args: &Args, to: &Path, output: Output, signals: &Signals) -> anyhow::Result<Exit> {
    let began = Instant::now();
    let options = args.node.options()?;
    let home = &args.node.home;
    let socket = args.socket.clone().unwrap_or_else(|| socket_path(home));
    let mut waits = || if signals.received().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let (made, source) = match control::checkpoint(&socket, to, &mut waits) {
        Err(Error::NotRunning { .. } | Error::SocketPathTooLong { .. }) if args.socket.is_none() => {
            (ferry::checkpoint(home, to, &options), "disk")
        }
        asked => (asked, "socket"),
    };
    let made = match (made, signals.received()) {
        (Err(error), Some(exit)) if error.kind() == ErrorKind::Cancelled => {
            output::note("export: stopped by a signal; the running node makes the checkpoint all the same");
            return Ok(exit);
        }
        (made, _) => made?,
    };
    let Checkpoint { height, app_hash, bytes, .. } = made;
    let report = CheckpointReport {
        height,
        app_hash: hex::encode(app_hash),
        checkpoint_bytes: bytes,
        path: to.display().to_string(),
        source,
        elapsed_seconds: began.elapsed().as_secs_f64(),
    };
    output::print(&report, output)?;
    Ok(Exit::Ok)
}

impl Report for CheckpointReport {
    const COMMAND: &'static str = "export";

    fn table(&self) -> String {
        table::facts([
            ("height", units::count(self.height)),
            ("app hash", self.app_hash.clone()),
            ("files", format!("{}, shared with the home where they can be", units::bytes(self.checkpoint_bytes))),
            ("directory", self.path.clone()),
            ("made by", if self.source == "socket" { "the running node" } else { "this command" }.to_owned()),
            ("time", units::span(Duration::from_secs_f64(self.elapsed_seconds))),
        ])
    }
}
