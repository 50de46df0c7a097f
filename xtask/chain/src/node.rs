//! One validator: the chain's program and its consensus engine. The program is started first and outlives nothing.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::Args;
use crate::config::Place;
use crate::process::{LOOK_EVERY, Process};
use crate::rpc::Rpc;

/// How long an opening may take before it counts as stuck, on a machine that has other work.
const OPEN_WITHIN: Duration = Duration::from_secs(120);

/// Every node takes snapshots in chunks so small that a state has several, and keeps them for as long as a node takes to join:
/// minutes, at ten blocks a second, where a snapshot's only sender is refused.
const SNAPSHOTS: [&str; 4] = ["--snapshots-kept", "200", "--snapshot-chunk-bytes", "50000"];

/// Blocks between two snapshots of the trees. What comes behind one is replayed by an opening, which is to be short.
const TREE_SNAPSHOT_EVERY: &str = "50";

/// What a program is told through its environment: `POINT:COUNT`, where it kills itself; how many keys less it moves.
pub(crate) const KILL_AT: &str = "CHAIN_KILL_AT";
pub(crate) const KEYS_LESS: &str = "CHAIN_KEYS_LESS";

/// How long an engine may take to end before it is killed.
const ENGINE_ENDS_WITHIN: Duration = Duration::from_secs(10);

/// A validator.
pub(crate) struct Node {
    pub(crate) index: usize,
    pub(crate) place: Place,
    app_program: PathBuf,
    engine_program: PathBuf,
    snapshot_every: u64,
    app: Option<Process>,
    engine: Option<Process>,
    /// How often it was started.
    pub(crate) starts: u64,
}

/// What the chain's program has said of itself.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Milliseconds of each opening of the store, as its log has them.
    pub(crate) openings_ms: Vec<u64>,
    /// Heights with the app hash in hex, of openings and of commits, in the order told.
    pub(crate) app_hashes: Vec<(u64, String)>,
    /// The heights of the snapshots that became the node's state.
    pub(crate) restored: Vec<u64>,
}

impl Node {
    pub(crate) fn new(index: usize, place: Place, args: &Args) -> Self {
        let (app_program, engine_program) = (args.app.clone(), args.engine.clone());
        let snapshot_every = args.snapshot_every;
        Self { index, place, app_program, engine_program, snapshot_every, app: None, engine: None, starts: 0 }
    }

    pub(crate) fn rpc(&self) -> Rpc {
        Rpc { port: self.place.rpc_port }
    }

    /// Starts the program with these variables in its environment, and then the engine.
    pub(crate) fn start(&mut self, environment: &[(&str, String)]) -> Result<()> {
        if self.place.socket.exists() {
            fs::remove_file(&self.place.socket).context("removing a socket")?;
        }
        let mut app = Command::new(&self.app_program);
        app.arg("--home").arg(&self.place.home).arg("--socket").arg(&self.place.socket);
        app.args(["--tree-snapshot-every", TREE_SNAPSHOT_EVERY]);
        app.arg("--snapshot-every").arg(self.snapshot_every.to_string()).args(SNAPSHOTS);
        app.envs(environment.iter().map(|(name, value)| (name, value)));
        self.app = Some(Process::start(&mut app, &self.said("app.out"), &self.said("app.log"))?);
        let until = Instant::now() + OPEN_WITHIN;
        while !self.place.socket.exists() {
            if let Some(status) = self.app.as_mut().map(Process::ended).transpose()?.flatten() {
                bail!("the chain's program did not open: node={} {status}", self.index);
            }
            if Instant::now() > until {
                bail!("the chain's program does not open: node={}", self.index);
            }
            thread::sleep(LOOK_EVERY);
        }
        let mut engine = Command::new(&self.engine_program);
        engine.arg("start").arg("--home").arg(&self.place.engine);
        self.engine = Some(Process::start(&mut engine, &self.said("engine.log"), &self.said("engine.err"))?);
        self.starts += 1;
        Ok(())
    }

    /// Makes a stopped node one that has never run. Not for one that votes: it would vote again.
    pub(crate) fn reset(&mut self) -> Result<()> {
        if self.place.home.exists() {
            fs::remove_dir_all(&self.place.home).context("removing a home")?;
        }
        self.reset_engine()
    }

    /// Has the engine of a stopped node begin anew, and leaves the program what it has.
    pub(crate) fn reset_engine(&self) -> Result<()> {
        let mut reset = Command::new(&self.engine_program);
        reset.args(["unsafe-reset-all", "--keep-addr-book", "--home"]).arg(&self.place.engine);
        let output = reset.output().with_context(|| format!("cannot start {reset:?}"))?;
        ensure!(output.status.success(), "{reset:?} failed: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// Where the program or the engine says something.
    pub(crate) fn said(&self, what: &str) -> PathBuf {
        self.place.engine.join(what)
    }

    /// SIGKILL to the chain's program; its engine ends by itself.
    pub(crate) fn kill_app(&mut self) -> Result<()> {
        self.app.take().map_or(Ok(()), Process::kill)?;
        self.engine_ends()
    }

    /// SIGKILL to the engine, and an orderly end for the program.
    pub(crate) fn kill_engine(&mut self) -> Result<()> {
        self.engine.take().map_or(Ok(()), Process::kill)?;
        self.stop_app()
    }

    /// SIGKILL to both.
    pub(crate) fn kill_both(&mut self) -> Result<()> {
        self.app.take().map_or(Ok(()), Process::kill)?;
        self.engine.take().map_or(Ok(()), Process::kill)
    }

    /// An orderly end for both, the engine first.
    pub(crate) fn stop(&mut self) -> Result<()> {
        if let Some(engine) = self.engine.take() {
            engine.terminate()?;
            engine.end_within(ENGINE_ENDS_WITHIN)?;
        }
        self.stop_app()
    }

    fn stop_app(&mut self) -> Result<()> {
        let Some(app) = self.app.take() else { return Ok(()) };
        let status = app.stop()?;
        if !status.success() {
            bail!("the chain's program did not end in order: node={} {status}", self.index);
        }
        Ok(())
    }

    /// Waits for the program to end by itself, and for its engine. An engine whose program died says that all is well.
    pub(crate) fn app_ends(&mut self) -> Result<std::process::ExitStatus> {
        let app = self.app.take().context("the program does not run")?;
        let status = app.wait()?;
        self.engine_ends()?;
        Ok(status)
    }

    /// An engine whose program died ends by itself, most of the time: now and then one waits for an answer for ever, and
    /// has to be killed as an operator would.
    fn engine_ends(&mut self) -> Result<()> {
        self.engine.take().map_or(Ok(()), |engine| engine.end_within(ENGINE_ENDS_WITHIN))
    }

    /// Whether either of the two has ended without being asked to.
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        for process in [self.app.as_mut(), self.engine.as_mut()].into_iter().flatten() {
            if process.ended()?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Waits until a node that was started answers; false if it has ended instead.
    pub(crate) fn comes_up(&mut self) -> Result<bool> {
        let until = Instant::now() + OPEN_WITHIN;
        while self.rpc().height().is_err() {
            if self.has_ended()? {
                return Ok(false);
            }
            ensure!(Instant::now() < until, "a node does not answer: node={}", self.index);
            thread::sleep(LOOK_EVERY);
        }
        Ok(true)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.app.is_some() && self.engine.is_some()
    }

    /// What the program has said so far. A line that a kill cut short is none.
    pub(crate) fn record(&self) -> Result<Record> {
        let path = self.said("app.out");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut record = Record { openings_ms: openings_ms(&self.log("app.log")?), ..Record::default() };
        for line in text.lines() {
            let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
            record.restored.extend(line["restored"].as_u64());
            let height = ["committed", "opened", "restored"].into_iter().find_map(|event| line[event].as_u64());
            if let (Some(height), Some(hash)) = (height, line["app_hash"].as_str()) {
                record.app_hashes.push((height, hash.to_owned()));
            }
        }
        Ok(record)
    }

    /// Whether the engine has said so in its log.
    pub(crate) fn engine_says(&self, what: &str) -> Result<bool> {
        self.says("engine.log", what)
    }

    /// Whether the engine has said so when it gave up.
    pub(crate) fn engine_cries(&self, what: &str) -> Result<bool> {
        self.says("engine.err", what)
    }

    /// Whether the chain's program has said so in its log.
    pub(crate) fn app_says(&self, what: &str) -> Result<bool> {
        self.says("app.log", what)
    }

    fn says(&self, log: &str, what: &str) -> Result<bool> {
        Ok(self.log(log)?.contains(what))
    }

    fn log(&self, log: &str) -> Result<String> {
        let path = self.said(log);
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// What the store's log has about its openings, `… node is open … open_ms=12`.
fn openings_ms(log: &str) -> Vec<u64> {
    let openings = log.lines().filter(|line| line.contains("node is open"));
    let times = openings.filter_map(|line| line.split(' ').find_map(|word| word.strip_prefix("open_ms=")));
    times.filter_map(|ms| ms.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openings_are_read_from_the_log() {
        let log = "2026 INFO memiavl is open version=3\n2026 INFO ferry::node: node is open height=3 open_ms=12 x=1\n\
                   2026 INFO ferry::node: node is open height=9 open_ms=7\n2026 INFO open_ms=5\n";
        assert_eq!(openings_ms(log), [12, 7]);
    }
}
