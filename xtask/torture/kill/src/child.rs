//! One run of the program: what it says on the way, and how it ends.
//!
//! A run says on stderr, a line each, `opened height=N` and `committed height=N [app_hash=HEX]`; its report is stdout.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use signal_hook::consts::SIGKILL;

use crate::kill::Kill;

/// A run that says nothing for so long hangs.
const SILENCE_MAX: Duration = Duration::from_secs(120);

/// What a run said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Opened(u64),
    Committed(u64, Option<String>),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By SIGKILL.
    Killed,
    /// By itself, with this code.
    Exited(i32),
    /// By another signal, a crash of its own.
    Signal(i32),
    /// It was silent for too long, and was ended.
    Hung,
}

/// A run that is over.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) end: End,
    pub(crate) events: Vec<Event>,
    pub(crate) stdout: String,
    /// The last lines of stderr that are no events.
    pub(crate) said: Vec<String>,
    /// How long it took to open its home; none if it was over before.
    pub(crate) opening: Option<Duration>,
    pub(crate) elapsed: Duration,
}

impl Ran {
    /// The height that the home had when it was opened.
    pub(crate) fn opened(&self) -> Option<u64> {
        self.events.iter().find_map(|event| match event {
            Event::Opened(height) => Some(*height),
            Event::Committed(..) => None,
        })
    }

    /// The last height that the run said to be there.
    pub(crate) fn acknowledged(&self) -> Option<u64> {
        self.events.last().map(|event| match event {
            Event::Opened(height) | Event::Committed(height, _) => *height,
        })
    }
}

/// Starts `command`, and kills it when `kill` says so.
pub(crate) fn run(command: &mut Command, kill: Option<Kill>) -> Result<Ran> {
    let began = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.as_mut().map_err(|error| anyhow::anyhow!("cannot start {command:?}: {error}"))?;
    let stdout = child.stdout.take().context("the run has no stdout")?;
    let stderr = child.stderr.take().context("the run has no stderr")?;
    let (sender, lines) = channel();
    let listener = thread::spawn(move || {
        let mut stderr = BufReader::new(stderr);
        let mut line = String::new();
        // A line that the kill cut short says nothing: its number may be cut too.
        while stderr.read_line(&mut line).is_ok() && line.ends_with('\n') {
            if sender.send(line.trim_end().to_owned()).is_err() {
                break;
            }
            line.clear();
        }
    });
    let report = thread::spawn(move || {
        let mut text = String::new();
        BufReader::new(stdout).read_to_string(&mut text).map(|_| text)
    });
    let mut ran = Ran {
        end: End::Hung,
        events: Vec::new(),
        stdout: String::new(),
        said: Vec::new(),
        opening: None,
        elapsed: Duration::ZERO,
    };
    let hung = listen(child, &lines, kill, began, &mut ran)?;
    let status = child.wait().context("waiting for the run")?;
    listener.join().map_err(|_| anyhow::anyhow!("the listener panicked"))?;
    for line in lines.try_iter() {
        hear(line, began, &mut ran);
    }
    ran.stdout = report.join().map_err(|_| anyhow::anyhow!("the reader panicked"))?.context("reading stdout")?;
    ran.end = if hung { End::Hung } else { end(status) };
    ran.elapsed = began.elapsed();
    Ok(ran)
}

/// Takes lines until the run closes its stderr; whether it had to be ended because it said nothing.
fn listen(
    child: &mut Child,
    lines: &Receiver<String>,
    kill: Option<Kill>,
    began: Instant,
    ran: &mut Ran,
) -> Result<bool> {
    let mut moment = match kill {
        Some(Kill::AfterStart(after)) => Some(began + after),
        _ => None,
    };
    loop {
        let silence = moment.map_or(SILENCE_MAX, |moment| moment.saturating_duration_since(Instant::now()));
        match lines.recv_timeout(silence) {
            Ok(line) => hear(line, began, ran),
            Err(RecvTimeoutError::Disconnected) => return Ok(false),
            Err(RecvTimeoutError::Timeout) => {
                child.kill().context("killing the run")?;
                return Ok(moment.is_none());
            }
        }
        if let (None, Some(Kill::AfterOpening(after)), Some(opening)) = (moment, kill, ran.opening) {
            moment = Some(began + opening + after);
        }
    }
}

fn hear(line: String, began: Instant, ran: &mut Ran) {
    match event(&line) {
        Some(event) => {
            if let Event::Opened(_) = event {
                ran.opening = Some(began.elapsed());
            }
            ran.events.push(event);
        }
        None => {
            ran.said.push(line);
            if ran.said.len() > 40 {
                ran.said.remove(0);
            }
        }
    }
}

fn event(line: &str) -> Option<Event> {
    if let Some((_, height)) = line.split_once("opened height=") {
        return height.trim().parse().ok().map(Event::Opened);
    }
    let (_, rest) = line.split_once("committed height=")?;
    let (height, hash) = rest.split_once(" app_hash=").map_or((rest, None), |(height, hash)| (height, Some(hash)));
    Some(Event::Committed(height.trim().parse().ok()?, hash.map(|hash| hash.trim().to_owned())))
}

fn end(status: ExitStatus) -> End {
    match (status.signal(), status.code()) {
        (Some(SIGKILL), _) => End::Killed,
        (Some(signal), _) => End::Signal(signal),
        (None, code) => End::Exited(code.unwrap_or(-1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_in_a_log_line_and_in_a_plain_one() {
        let check = |line: &str, expected| assert_eq!(event(line), expected, "{line}");
        check("2026-11-23T21:04:00Z DEBUG ferry::replay::run: opened height=12", Some(Event::Opened(12)));
        check("committed height=3 app_hash=00ff", Some(Event::Committed(3, Some("00ff".to_owned()))));
        check("DEBUG ferry::replay::run: committed height=4", Some(Event::Committed(4, None)));
        check("replay: 30 blocks, 3.0 blocks/s", None);
    }

    #[test]
    fn a_run_is_killed_at_its_moment_and_not_before() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo opened height=7 >&2; echo committed height=8 >&2; exec sleep 60"]);
        let ran = run(&mut command, Some(Kill::AfterOpening(Duration::from_millis(100)))).expect("runs");
        assert_eq!((ran.end.clone(), ran.opened(), ran.acknowledged()), (End::Killed, Some(7), Some(8)));
        assert!(ran.elapsed >= Duration::from_millis(100), "{ran:?}");
    }

    #[test]
    fn a_line_that_the_kill_cut_short_is_no_event() {
        let script = "echo opened height=7 >&2; printf 'committed height=1' >&2; exec sleep 60";
        let kill = Kill::AfterOpening(Duration::from_millis(100));
        let ran = run(Command::new("sh").args(["-c", script]), Some(kill)).expect("runs");
        assert_eq!(ran.events, [Event::Opened(7)]);
    }

    #[test]
    fn a_run_that_ends_by_itself_keeps_its_code() {
        let ran = run(Command::new("sh").args(["-c", "echo report; exit 3"]), None).expect("runs");
        assert_eq!((ran.end, ran.stdout.as_str()), (End::Exited(3), "report\n"));
    }
}
