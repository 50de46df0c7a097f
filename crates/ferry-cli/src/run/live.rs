//! Block by block.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferry::control::{ControlSocket, socket_path};
use ferry::drive::{Controls, Drive, DriveEnd, DriveReport, drive};
use ferry::{Endpoint, Metrics, Node, View, node_source, status_of};
use serde::Serialize;

use crate::exit::Exit;
use crate::home::{self, DiskSizes};
use crate::output::{self, Output, Report};
use crate::settings::batch_keys;
use crate::signals::Signals;
use crate::status_line::StatusLine;
use crate::{table, units};

use super::Args;

/// How often sizes on disk are measured: a walk over some hundred files.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(10);

#[derive(Debug, Serialize)]
struct RunReport {
    outcome: &'static str,
    home: String,
    height: u64,
    write_mode: &'static str,
    app_hash: String,
    flatkv_root: Option<String>,
    blocks: u64,
    keys: u64,
    remaining_keys: u64,
    keys_per_second: f64,
    elapsed_seconds: f64,
    #[serde(flatten)]
    disk: DiskSizes,
}

/// Drives the node.
///
/// # Errors
/// A home that is in use or damaged, a socket or an address that cannot be had, what a block meets.
pub(super) fn run(args: &Args, output: Output, signals: &Signals) -> anyhow::Result<Exit> {
    output::note("run: makes blocks of its own; a node of a living chain must not be driven so, it would part from it");
    let mut options = args.node.options()?;
    options.batch.keys = args.batch_keys.unwrap_or_else(|| batch_keys(&options));
    let controls = Arc::new(Controls::new(options.batch.keys));
    let metrics = Arc::new(Metrics::new());
    options.observer = metrics.clone();
    let mut node = Node::open(&args.node.home, options)?;
    metrics.start_sampling(SAMPLE_INTERVAL, node_source(&node))?;
    let path = args.socket.clone().unwrap_or_else(|| socket_path(&args.node.home));
    let socket = ControlSocket::listen(&path, Arc::clone(&controls), Arc::clone(&metrics), node.views())?;
    let endpoint = args.metrics_addr.map(|address| serve(address, &metrics)).transpose()?;

    let interval = args.every.or(args.blocks_per_second.map(|pace| pace.0));
    let settings = Drive { to: args.to.into(), interval, blocks_max: args.blocks, rests: args.empty };
    let mut line = StatusLine::start("run");
    let began = Instant::now();
    let driven = drive(&mut node, &settings, &controls, &metrics, &mut |progress| {
        line.show(progress);
        if signals.received().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let elapsed = began.elapsed();
    if driven.is_err() {
        line.show(&metrics.progress());
    }
    drop(line);
    drop((socket, endpoint));
    metrics.close();
    let driven = driven?;
    let view = node.view()?;
    let remaining = metrics.progress().keys_to_go();
    let mut report = RunReport::new(args, &driven, &view, remaining, elapsed)?;
    drop(view);
    node.close()?;
    report.disk = home::sizes(&args.node.home)?;
    output::print(&report, output)?;
    Ok(match driven.end {
        DriveEnd::Done => Exit::Ok,
        DriveEnd::BlocksMade if args.empty => Exit::Ok,
        DriveEnd::BlocksMade => Exit::Unfinished,
        DriveEnd::Stopped => signals.received().unwrap_or(Exit::Unfinished),
    })
}

/// Serves the metrics, and says where.
fn serve(address: SocketAddr, metrics: &Arc<Metrics>) -> Result<Endpoint, ferry::Error> {
    let endpoint = Endpoint::start(address, Arc::clone(metrics))?;
    output::note(&format!("run: metrics and a page at http://{}/", endpoint.address()));
    if !endpoint.address().ip().is_loopback() {
        output::note("run: whoever reaches that address can read how this node stands");
    }
    Ok(endpoint)
}

impl RunReport {
    fn new(
        args: &Args,
        driven: &DriveReport,
        view: &View,
        remaining_keys: u64,
        elapsed: Duration,
    ) -> Result<Self, ferry::Error> {
        Ok(Self {
            outcome: match driven.end {
                DriveEnd::Done => "done",
                DriveEnd::BlocksMade => "blocks_made",
                DriveEnd::Stopped => "stopped",
            },
            home: args.node.home.display().to_string(),
            height: view.height(),
            // As an opening would find it: behind a migration's last block, the mode that rests.
            write_mode: status_of(view)?.mode.as_str(),
            app_hash: hex::encode(view.app_hash()),
            flatkv_root: view.root().map(hex::encode),
            blocks: driven.blocks,
            keys: driven.moved_keys,
            remaining_keys,
            keys_per_second: driven.moved_keys as f64 / elapsed.as_secs_f64().max(1e-3),
            elapsed_seconds: elapsed.as_secs_f64(),
            disk: DiskSizes::default(),
        })
    }
}

impl Report for RunReport {
    const COMMAND: &'static str = "run";

    fn table(&self) -> String {
        table::facts([
            ("result", self.outcome.replace('_', " ")),
            ("height", units::count(self.height)),
            ("write mode", self.write_mode.to_owned()),
            ("blocks", units::count(self.blocks)),
            ("keys moved", format!("{}, {}", units::count(self.keys), units::rate(self.keys_per_second, "keys"))),
            ("keys remaining", units::count(self.remaining_keys)),
            ("app hash", self.app_hash.clone()),
            ("FlatKV's root", self.flatkv_root.clone().unwrap_or_else(|| "none".to_owned())),
            ("time", units::span(Duration::from_secs_f64(self.elapsed_seconds))),
            ("memiavl on disk", units::bytes(self.disk.memiavl_bytes)),
            ("FlatKV on disk", units::bytes(self.disk.flatkv_bytes)),
        ])
    }
}
