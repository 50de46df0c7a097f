//! A node of the example chain: `example-chain --home DIR --socket FILE`, then a CometBFT with `proxy_app = "unix://FILE"`.
//!
//! A line of JSON on stdout for the opening and for each committed block; the log on stderr.

mod rig;

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use anyhow::Context;
use clap::Parser;
use example_chain::{App, Chain, Error, Settings, serve};
use ferry::Committed;
use serde_json::json;
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
}

fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let args = Args::parse();
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("taking signals over")?;

    let began = Instant::now();
    let settings = Settings { keys_less: rig::keys_less()?, ..Settings::default() };
    let mut chain = Chain::open(&args.home, settings)?;
    let app_hash = chain.app_hash().map(hex::encode);
    println!(
        "{}",
        json!({"opened": chain.height(), "app_hash": app_hash, "open_ms": began.elapsed().as_millis() as u64})
    );
    if let Some(hook) = rig::kill_hook()? {
        chain.set_kill_hook(hook);
    }

    let app = App::new(chain, print_block);
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

fn print_block(block: &Committed) {
    println!("{}", json!({"committed": block.height, "app_hash": hex::encode(block.app_hash)}));
}
