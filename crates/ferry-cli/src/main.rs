//! The program `ferry`: an operator's view of a node's state store before, during and after the migration.
//!
//! **It is not** a library: what it does to a node, it does through the crate `ferry`.
//!
//! Good starting points:
//! - `cli`: the command line; each subcommand is the file of its name (`gen` is `generate`).
//! - `exit`: the exit codes, and which error leads to which.
//! - `output`: the forms in which a report goes to stdout.
//!
//! Invariants: data on stdout, progress and log on stderr; a signal ends a run between two blocks; what a command
//! refuses, it refuses before it changes a byte below the home.

mod blocks;
mod cli;
mod completions;
mod config;
mod ctl;
mod demo;
mod difference;
mod digest;
mod exit;
mod explain;
mod export;
mod failure;
mod gen_docs;
mod generate;
mod goal;
mod home;
mod import;
mod inspect;
mod journal;
mod keyspace;
mod logging;
mod output;
mod plan;
mod progress;
mod reconcile;
mod replay;
mod rollback;
mod run;
mod settings;
mod signals;
mod snapshot;
mod status;
mod status_line;
mod table;
mod top;
mod units;
mod verify;
mod words;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use exit::Exit;
use signals::Signals;

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start();
    match run(&cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            output::note(&format!("error: {}", told(&error)));
            Exit::of_error(&error).into()
        }
    }
}

/// An error and its causes in a line; a cause that the one above has quoted already is not told again.
fn told(error: &anyhow::Error) -> String {
    error
        .chain()
        .skip(1)
        .map(ToString::to_string)
        .fold(error.to_string(), |told, cause| if told.ends_with(&cause) { told } else { format!("{told}: {cause}") })
}

fn run(cli: &Cli) -> anyhow::Result<Exit> {
    let signals = if cli.command.only_looks() { Signals::install_for_looking()? } else { Signals::install()? };
    match &cli.command {
        Command::Completions(args) => completions::run(args),
        Command::Config(args) => config::run(args, cli.output),
        Command::Ctl(args) => ctl::run(args, cli.output),
        Command::Demo(args) => demo::run(args, cli.output, &signals),
        Command::Digest(args) => digest::run(args, cli.output, &signals),
        Command::Explain(args) => explain::run(args, cli.output),
        Command::Export(args) => export::run(args, cli.output, &signals),
        Command::Import(args) => import::run(args, cli.output, &signals),
        Command::Gen(args) => generate::run(args, cli.output, &signals),
        Command::Inspect(args) => inspect::run(args, cli.output),
        Command::Journal(args) => journal::run(args, cli.output),
        Command::Plan(args) => plan::run(args, cli.output, &signals),
        Command::Reconcile(args) => reconcile::run(args, cli.output, &signals),
        Command::Replay(args) => replay::run(args, cli.output, &signals),
        Command::Rollback(args) => rollback::run(args, cli.output, &signals),
        Command::Run(args) => run::run(args, cli.output, &signals),
        Command::Snapshot(args) => snapshot::run(args, cli.output),
        Command::Status(args) => status::run(args, cli.output),
        Command::Top(args) => top::run(args, cli.output, &signals),
        Command::Verify(args) => verify::run(args, cli.output, &signals),
        Command::GenDocs(args) => gen_docs::run(args),
    }
}
