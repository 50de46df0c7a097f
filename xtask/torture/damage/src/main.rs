//! The damage layer of `cargo xtask torture`: every byte of a home is flipped, zeroed and set, every length is cut, and each
//! case must be noticed at open, by the full check, or on use, or be harmless for a known reason.
//!
//! **It is not** a test of crashes: whatever is damaged here had been written and synced.
//!
//! Good starting points:
//! - [`judge`]: what becomes of one case.
//! - [`classes`]: which bytes there are, and why damage to some of them may go unnoticed.
//! - [`homes`]: the small homes that are damaged.
//! - [`enumerate`]: which cases a run has.

mod case;
mod check;
mod classes;
mod enumerate;
mod homes;
mod judge;
mod ledger;
mod oracle;
mod pool;
mod reasons;
mod recorded;
mod rows;
mod run;
mod script;
mod wal;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Damages small homes byte by byte and says what notices it.
#[derive(Parser)]
#[command(name = "torture-damage", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(flatten)]
    run: run::Arguments,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Repeats one case, given by the words printed with it, and tells what became of it.
    Replay(run::Replay),
    /// Judges the cases that stand on stdin, one a line.
    #[command(hide = true)]
    Worker {
        /// Where the undamaged homes are.
        #[arg(long)]
        homes: PathBuf,
        /// Damages nothing.
        #[arg(long)]
        plant: bool,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.command {
        None => run::run(&arguments.run),
        Some(Command::Replay(replay)) => run::replay(replay),
        Some(Command::Worker { homes, plant }) => worker::serve(homes, *plant).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
