//! `ferry top`: a page about a running `ferry run`, on the terminal, anew every second.

mod page;
mod screen;
mod told;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use ferry::control::{self, Command, Running, socket_path};

use crate::exit::Exit;
use crate::output::{self, Output};
use crate::signals::Signals;
use crate::units;

use screen::{Key, Screen};

/// The least time from page to page: a run is not to be kept busy with answering.
const EVERY_LEAST: Duration = Duration::from_millis(50);
/// Columns of a page that no terminal bounds.
const PLAIN_COLUMNS: usize = 80;

/// Watch a running `ferry run` on a terminal page.
///
/// Shows state and reason, progress, rate, remaining keys, ETA, block times, sizes on disk and what is left of each module,
/// anew every second. q or Ctrl-C ends it; the run goes on. Without a terminal it prints the page once and ends. Colours
/// only on a terminal, and not with NO_COLOR. With --output json it prints what `ferry ctl status` has, once, and ends; with
/// --output ndjson a line of it every so often, until a signal comes or nobody answers any more.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Example:
  ferry top --home DIR
  ferry top --home DIR --every 250ms
  ferry top --home DIR --every 10s --output ndjson   a line every ten seconds")]
pub(crate) struct Args {
    /// The home that the run works on.
    #[arg(long, env = "FERRY_HOME", value_name = "DIR", required_unless_present = "socket")]
    home: Option<PathBuf>,
    /// The control socket of the run; by default data/state_commit/ferry.sock in the home.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// The time from page to page, or from line to line; at least 50ms.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = units::parse_span)]
    every: Duration,
}

/// Runs the command.
///
/// # Errors
/// Without a terminal, or for programs: no run there. A terminal that fails.
pub(crate) fn run(args: &Args, output: Output, signals: &Signals) -> anyhow::Result<Exit> {
    let path = args.socket.clone().or_else(|| args.home.as_deref().map(socket_path));
    let path = path.context("name a home or a socket")?;
    let every = args.every.max(EVERY_LEAST);
    let ask = || control::ask(&path, Command::Status);
    match output {
        Output::Table => {}
        Output::Json => {
            told::once(ask()?)?;
            return Ok(Exit::Ok);
        }
        Output::Ndjson => return told::lines(&ask, every, signals),
    }
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        output::text(&plain(&ask()?))?;
        return Ok(Exit::Ok);
    }
    let has_colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut screen = Screen::open()?;
    loop {
        let asked = ask();
        screen.show(
            |columns| match &asked {
                Ok(running) => page::lines(running, columns),
                // It may start again, so this goes on.
                Err(error) => page::without_a_run(&error.to_string(), columns),
            },
            has_colour,
        )?;
        if let Some(exit) = signals.received() {
            return Ok(exit);
        }
        match screen.key(every)? {
            Some(Key::Quit) => return Ok(Exit::Ok),
            Some(Key::Interrupt) => return Ok(Exit::Interrupted),
            None => {}
        }
    }
}

/// The page as text.
fn plain(running: &Running) -> String {
    page::lines(running, PLAIN_COLUMNS).into_iter().map(|line| line.text + "\n").collect()
}
