//! A node of the example chain: `example-chain --home DIR --socket FILE`, then a CometBFT with `proxy_app = "unix://FILE"`.
//!
//! A line of JSON on stdout for the opening and for each committed block; the log on stderr.

mod rig;

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use anyhow::Context;
use clap::Parser;
use example_chain::{App, Chain, Error, Event, Settings, SnapshotSettings, serve};
use ferry::Options;
use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing_subscriber::EnvFilter;

/// A node of the example chain.
#[derive(Parser)]
struct Args {
    /// Where its state is. Keep the consensus engine's directory with it, and never one without the other.
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    /// The socket that the consensus engine connects to; at most 107 bytes long.
    #[arg(long, value_name = "FILE")]
    socket: PathBuf,
    /// Blocks between two snapshots of memiavl's trees. What came behind the last one is replayed when the node is opened.
    #[arg(long, value_name = "N", default_value_t = Options::default().snapshot.interval_blocks)]
    tree_snapshot_every: u64,
    /// A snapshot for nodes that join at every height that this divides; 0 for none.
    #[arg(long, value_name = "N", default_value_t = SnapshotSettings::default().every_blocks)]
    snapshot_every: u64,
    /// So many snapshots are kept.
    #[arg(long, value_name = "N", default_value_t = SnapshotSettings::default().kept)]
    snapshots_kept: usize,
    /// Bytes of a snapshot's chunk before it is packed; the same on all nodes.
    #[arg(long, value_name = "BYTES", default_value_t = SnapshotSettings::default().chunk_bytes)]
    snapshot_chunk_bytes: u32,
}

fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let args = Args::parse();
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("taking signals over")?;

    let mut store = Options::default();
    store.snapshot.interval_blocks = args.tree_snapshot_every;
    let settings = Settings { store, keys_less: rig::keys_less()?, at_point: rig::at_point()? };
    let chain = Chain::open(&args.home, settings)?;
    let app_hash = chain.app_hash().map(hex::encode);
    println!("{}", json!({"opened": chain.height(), "app_hash": app_hash}));

    let snapshots = SnapshotSettings {
        every_blocks: args.snapshot_every,
        kept: args.snapshots_kept,
        chunk_bytes: args.snapshot_chunk_bytes,
    };
    let app = App::new(chain, snapshots, |event| println!("{}", line(&event)));
    // A socket that a killed process has left takes no connections.
    if args.socket.exists() {
        fs::remove_file(&args.socket).with_context(|| format!("removing {}", args.socket.display()))?;
    }
    let listener = UnixListener::bind(&args.socket).with_context(|| format!("binding {}", args.socket.display()))?;

    // The program ends by a signal, or with the first request that has no answer.
    let (failed, ended) = mpsc::channel();
    let by_signal = failed.clone();
    thread::spawn(move || signals.forever().next().map(|_| by_signal.send(Error::Closed)));
    let served = app.clone();
    thread::spawn(move || match serve(&listener, &served, &failed) {
        Ok(()) => Ok(()),
        Err(error) => failed.send(error),
    });
    let end = ended.recv().context("nobody is left to answer")?;
    let closed = app.close();
    match end {
        Error::Closed => Ok(closed?),
        failure => Err(failure.into()),
    }
}

/// What is printed of an event.
fn line(event: &Event) -> Value {
    match event {
        Event::Committed(block) => json!({"committed": block.height, "app_hash": hex::encode(block.app_hash)}),
        Event::SnapshotTaken(height) => json!({"snapshot": height}),
        Event::Restored(height, app_hash) => json!({"restored": height, "app_hash": hex::encode(app_hash)}),
        _ => Value::Null,
    }
}
