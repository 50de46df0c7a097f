//! What the scheduler did to a thread: `/proc/thread-self/schedstat`, asked now and then and behind each read that was slow.
//!
//! One question costs 1.3 to 3.8 µs (on a loaded machine) and comes every [`INTERVAL_READS`] reads, between two of them, so it
//! takes no part in what is measured: a read is timed without it. The answer covers the reads since the last question, which are so few that what it tells
//! beside the slow read's own wait is small.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Reads between two questions, unless one was slow.
pub(super) const INTERVAL_READS: u64 = 1_024;
const PATH: &str = "/proc/thread-self/schedstat";

/// The questions of one thread.
pub(super) struct Scheduler {
    /// Opened by this thread, it tells of this thread.
    file: File,
    last: Seen,
    at: Instant,
}

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    waited: Duration,
    turns: u64,
}

/// What happened since the last question.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meanwhile {
    /// How long ago that was.
    pub(super) window: Duration,
    /// Time that the thread could have run and another one did.
    pub(super) waited: Duration,
    /// How often it was given a processor: 0 if it ran all the time.
    pub(super) turns: u64,
}

impl Scheduler {
    /// Of the thread that calls.
    pub(super) fn of_this_thread() -> Result<Self> {
        let file = File::open(PATH).with_context(|| format!("cannot open {PATH}"))?;
        let last = seen(&file)?;
        Ok(Self { file, last, at: Instant::now() })
    }

    /// What happened since the last call.
    pub(super) fn ask(&mut self) -> Result<Meanwhile> {
        let (now, window) = (seen(&self.file)?, self.at.elapsed());
        let before = std::mem::replace(&mut self.last, now);
        self.at = Instant::now();
        Ok(Meanwhile {
            window,
            waited: now.waited.saturating_sub(before.waited),
            turns: now.turns.saturating_sub(before.turns),
        })
    }
}

fn seen(file: &File) -> Result<Seen> {
    let mut bytes = [0; 96];
    let length = file.read_at(&mut bytes, 0).with_context(|| format!("cannot read {PATH}"))?;
    let text = std::str::from_utf8(&bytes[..length]).unwrap_or_default();
    parse(text).with_context(|| format!("{PATH} holds {text:?}"))
}

/// Time on a processor, time waiting for one, both in nanoseconds, and how often it got one.
fn parse(text: &str) -> Option<Seen> {
    let mut fields = text.split_whitespace().skip(1).map(str::parse::<u64>);
    let (waited, turns) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some(Seen { waited: Duration::from_nanos(waited), turns })
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn the_second_field_is_the_wait_and_the_third_the_turns() {
        let seen = Seen { waited: Duration::from_nanos(250), turns: 7 };
        assert_eq!(parse("1000 250 7\n"), Some(seen));
        assert_eq!((parse(""), parse("1000 250"), parse("1000 x 7")), (None, None, None));
    }

    #[test]
    fn a_thread_that_slept_got_a_processor_again_and_hardly_waited() {
        let mut scheduler = Scheduler::of_this_thread().expect("the system has the file");
        thread::sleep(Duration::from_millis(20));
        let meanwhile = scheduler.ask().expect("the system has the file");
        assert!(meanwhile.turns >= 1 && meanwhile.window >= Duration::from_millis(20), "{meanwhile:?}");
    }
}
