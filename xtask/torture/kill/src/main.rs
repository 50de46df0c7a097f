//! The rig that kills: `torture-kill` runs the real program, kills it with SIGKILL, starts it again, and compares.
//!
//! **It is not** a test of power cuts: a killed process leaves its page cache behind. What a lost cache does is the crash
//! points' business.
//!
//! Good starting points:
//! - `campaign`: which lives are led and how many kills they must meet.
//! - `life`: one home, from its first block to its last, however often it is killed on the way.
//! - `workload`: what the program does meanwhile: recorded lives under `ferry replay`, and a load of our own.
//!
//! Invariants: what a run has acknowledged is there when the next one opens; what it had not begun to make durable is
//! not; a life ends as it does undisturbed.

mod campaign;
mod child;
mod kill;
mod life;
mod load;
mod progress;
mod report;
mod workload;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Context;
use clap::{Parser, Subcommand};

/// Kill the real program, start it again, compare.
#[derive(Parser)]
#[command(name = "torture-kill", args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    campaign: campaign::Args,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Go on from the image of a home that a violation has left.
    Replay(campaign::ReplayArgs),
    /// The load that is killed: the rig starts itself so.
    #[command(hide = true)]
    Load(load::Args),
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    if let Some(Command::Load(args)) = &cli.command {
        return load::run(args);
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("taking a signal over")?;
    }
    match &cli.command {
        Some(Command::Replay(args)) => campaign::replay(args),
        _ => campaign::run(&cli.campaign, &stop),
    }
}

/// A piece of the repository.
fn repository(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../..")).join(path)
}
