//! Worker processes, a case at a time each. One that dies or hangs costs its case and is replaced.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::case::Case;
use crate::judge::Verdict;

/// A case that takes longer hangs: the slowest takes a tenth of a second.
const CASE_TIMEOUT: Duration = Duration::from_secs(120);

/// What a run hears of its cases.
pub(crate) enum Event {
    /// A case was judged.
    Judged { index: usize, verdict: Verdict },
    /// Nothing for half a second.
    Pause,
}

/// Cases on their way through the workers.
pub(crate) struct Pool {
    pub(crate) cases: Arc<Vec<Case>>,
    pub(crate) homes: PathBuf,
    pub(crate) stop: Arc<AtomicBool>,
    /// Whether the workers damage nothing.
    pub(crate) plant: bool,
}

impl Pool {
    /// Judges all cases with `workers` processes; `take` hears of each as it comes.
    pub(crate) fn run(&self, workers: usize, mut take: impl FnMut(Event)) -> Result<()> {
        let next = AtomicUsize::new(0);
        let failure = Mutex::new(None);
        let (sender, verdicts) = channel();
        thread::scope(|scope| {
            for _ in 0..workers {
                let (sender, next, failure) = (sender.clone(), &next, &failure);
                scope.spawn(move || {
                    if let Err(error) = self.work(next, &sender) {
                        self.stop.store(true, Ordering::Relaxed);
                        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    }
                });
            }
            drop(sender);
            loop {
                match verdicts.recv_timeout(Duration::from_millis(500)) {
                    Ok((index, verdict)) => take(Event::Judged { index, verdict }),
                    Err(RecvTimeoutError::Timeout) => take(Event::Pause),
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
        });
        failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    fn work(&self, next: &AtomicUsize, verdicts: &Sender<(usize, Verdict)>) -> Result<()> {
        let mut worker = Worker::start(&self.homes, self.plant)?;
        while !self.stop.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = self.cases.get(index) else { break };
            let verdict = match worker.judge(case)? {
                Ok(verdict) => verdict,
                Err(death) => {
                    worker = Worker::start(&self.homes, self.plant)?;
                    Verdict::died(death)
                }
            };
            if verdicts.send((index, verdict)).is_err() {
                break;
            }
        }
        worker.end()
    }
}

struct Worker {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Worker {
    fn start(homes: &Path, plant: bool) -> Result<Self> {
        let program = std::env::current_exe().context("where this program is")?;
        let mut command = Command::new(program);
        command.arg("worker").arg("--homes").arg(homes).args(plant.then_some("--plant"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start a worker")?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("a worker has a stdout")?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let worker = Self { child, stdin, lines };
        match worker.lines.recv_timeout(CASE_TIMEOUT) {
            Ok(line) if line == "ready" => Ok(worker),
            other => bail!("a worker did not get ready: {other:?}"),
        }
    }

    /// The verdict, or how the worker died of the case.
    fn judge(&mut self, case: &Case) -> Result<Result<Verdict, String>> {
        let stdin = self.stdin.as_mut().context("a worker has a stdin")?;
        // A worker that is gone says so by its status below.
        let sent = writeln!(stdin, "{case}").and_then(|()| stdin.flush());
        if sent.is_ok() {
            match self.lines.recv_timeout(CASE_TIMEOUT) {
                Ok(line) => return Ok(Ok(serde_json::from_str(&line).context("a verdict")?)),
                Err(RecvTimeoutError::Timeout) => {
                    self.child.kill().context("cannot end a worker that hangs")?;
                    self.child.wait()?;
                    return Ok(Err(format!("it hung for {} s", CASE_TIMEOUT.as_secs())));
                }
                Err(RecvTimeoutError::Disconnected) => {}
            }
        }
        let status = self.child.wait()?;
        if status.code().is_some_and(|code| code == 1) {
            bail!("a worker cannot judge the case, see above: {case}");
        }
        Ok(Err(format!("the process ended: {status}")))
    }

    fn end(mut self) -> Result<()> {
        drop(self.stdin.take());
        self.child.wait()?;
        Ok(())
    }
}
