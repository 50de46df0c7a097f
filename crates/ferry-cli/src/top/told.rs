//! What programs get instead of the page: the run as it stands, once or again and again.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use ferry::Error;
use ferry::control::Running;
use serde::Serialize;

use crate::ctl::RunForm;
use crate::exit::Exit;
use crate::output::{self, Output, Report};
use crate::signals::Signals;

/// How often a wait is looked up from.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// A page, for programs.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct TopReport(RunForm);

impl Report for TopReport {
    const COMMAND: &'static str = "top";

    fn table(&self) -> String {
        self.0.table()
    }
}

/// Prints the run as one JSON object.
///
/// # Errors
/// Stdout that cannot be written.
pub(super) fn once(running: Running) -> io::Result<()> {
    output::print(&TopReport(running.into()), Output::Json)
}

/// Prints a line every so often, until a signal comes, nobody reads any more, or nobody answers.
///
/// # Errors
/// No run there when it begins, an answer that is none, stdout that cannot be written.
pub(super) fn lines(
    ask: &dyn Fn() -> Result<Running, Error>,
    every: Duration,
    signals: &Signals,
) -> anyhow::Result<Exit> {
    let mut asked = ask()?;
    loop {
        if !output::still_read(&TopReport(asked.into()))? {
            return Ok(Exit::Ok);
        }
        if let Some(exit) = waited(every, signals) {
            return Ok(exit);
        }
        asked = match ask() {
            Err(Error::NotRunning { .. }) => {
                output::note("top: the run is over");
                return Ok(Exit::Ok);
            }
            asked => asked?,
        };
    }
}

/// Waits; the exit of a signal that came meanwhile.
fn waited(time: Duration, signals: &Signals) -> Option<Exit> {
    let until = Instant::now() + time;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match signals.received() {
            None if left.is_zero() => return None,
            None => thread::sleep(left.min(LOOK_INTERVAL)),
            signal => return signal,
        }
    }
}
