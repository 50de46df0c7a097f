//! `ferry ctl`: asks and tells a `ferry run` that runs on this machine.

use std::path::PathBuf;

use anyhow::Context;
use ferry::control::{self, Command, Running, socket_path};
use ferry::drive::BATCH_KEYS_MAX;
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Output, Report};
use crate::{status_line, table, units};

/// Pause, resume, stop a running `ferry run`, or change its batch size.
///
/// Speaks to the process through a socket that only its owner can use. Every action prints how the run stands behind it;
/// it takes effect between two blocks.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Example:
  ferry ctl --home DIR pause
  ferry ctl --home DIR batch 5000
  ferry ctl --home DIR status --output json")]
pub(crate) struct Args {
    /// The home that the run works on.
    #[arg(long, env = "FERRY_HOME", value_name = "DIR", required_unless_present = "socket")]
    home: Option<PathBuf>,
    /// The socket of the run, if it was given another one than data/state_commit/ferry.sock in its home.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// What to do: pause makes no more blocks, resume makes them again, batch sets how many keys a block moves, stop ends
    /// the run behind the block in work, status changes nothing.
    #[arg(value_name = "ACTION", value_enum)]
    action: Action,
    /// With batch: keys that a block moves from the next one on; with 0 none are made.
    #[arg(value_name = "KEYS", required_if_eq("action", "batch"), value_parser = clap::value_parser!(u64).range(..=BATCH_KEYS_MAX))]
    keys: Option<u64>,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Action {
    Pause,
    Resume,
    Batch,
    Stop,
    Status,
}

/// How a run stands, as programs are told.
#[derive(Debug, Serialize)]
pub(crate) struct RunForm {
    process_id: u32,
    paused: bool,
    batch_keys: u64,
    progress: ferry::Progress,
}

impl From<Running> for RunForm {
    fn from(running: Running) -> Self {
        let Running { process_id, paused, batch_keys, progress, .. } = running;
        Self { process_id, paused, batch_keys, progress }
    }
}

/// Runs the command.
///
/// # Errors
/// No run there, or one that says no.
pub(crate) fn run(args: &Args, output: Output) -> anyhow::Result<Exit> {
    let path = args.socket.clone().or_else(|| args.home.as_deref().map(socket_path));
    let path = path.context("name a home or a socket")?;
    if args.keys.is_some() && args.action != Action::Batch {
        return Err(Failure::KeysWithoutBatch.into());
    }
    let command = match args.action {
        Action::Pause => Command::Pause,
        Action::Resume => Command::Resume,
        Action::Batch => Command::Batch(args.keys.unwrap_or(0)),
        Action::Stop => Command::Stop,
        Action::Status => Command::Status,
    };
    output::print(&RunForm::from(control::ask(&path, command)?), output)?;
    Ok(Exit::Ok)
}

impl Report for RunForm {
    const COMMAND: &'static str = "ctl";

    fn table(&self) -> String {
        table::facts([
            ("process", self.process_id.to_string()),
            ("paused", if self.paused { "yes" } else { "no" }.to_owned()),
            ("batch", format!("{} keys a block", units::count(self.batch_keys))),
            ("now", status_line::text(&self.progress)),
        ])
    }
}
