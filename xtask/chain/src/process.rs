//! A program that was started, and is stopped when nobody holds it any more.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How often a state outside this process is looked at again.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a program may take to end by itself.
const END_WITHIN: Duration = Duration::from_secs(60);

/// A running program.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts `command`; what it says is added to `stdout` and `stderr`.
    pub(crate) fn start(command: &mut Command, stdout: &Path, stderr: &Path) -> Result<Self> {
        let child = command.stdout(appended(stdout)?).stderr(appended(stderr)?).spawn();
        Ok(Self { child: child.with_context(|| format!("cannot start {command:?}"))? })
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("looking at a program")
    }

    /// SIGKILL: nothing runs behind it.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill().context("killing a program")?;
        self.child.wait().context("waiting for a program")?;
        Ok(())
    }

    /// SIGTERM: it is to end in order.
    pub(crate) fn terminate(&self) -> Result<()> {
        // The process is not waited for yet, so its number is still its own.
        let status = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        status.map(drop).context("cannot start kill")
    }

    /// SIGTERM, and its end.
    pub(crate) fn stop(self) -> Result<ExitStatus> {
        self.terminate()?;
        self.wait()
    }

    /// Its end, which is to come by itself.
    pub(crate) fn wait(mut self) -> Result<ExitStatus> {
        match self.ended_within(END_WITHIN)? {
            Some(status) => Ok(status),
            None => bail!("a program did not end: pid={}", self.child.id()),
        }
    }

    /// Its end, by itself or by SIGKILL.
    pub(crate) fn end_within(mut self, patience: Duration) -> Result<()> {
        match self.ended_within(patience)? {
            Some(_) => Ok(()),
            None => self.kill(),
        }
    }

    fn ended_within(&mut self, patience: Duration) -> Result<Option<ExitStatus>> {
        let until = Instant::now() + patience;
        loop {
            let ended = self.ended()?;
            if ended.is_some() || Instant::now() > until {
                return Ok(ended);
            }
            thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn appended(path: &Path) -> Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.with_context(|| format!("cannot write {}", path.display()))
}
