//! Operations that fail: the N-th one, N = 1, 2, … until a run meets none, in each way, once and for ever.
//!
//! A run is the small life in an empty home. What must hold, whatever fails:
//!
//! - an error is typed, and its kind is I/O or poisoned; nothing panics, hangs or dies;
//! - a node that says that it is poisoned says so on the next call too; another one takes the block once more when the
//!   operations work again;
//! - views that were handed out show a whole block;
//! - opening again without a fault finds one whole block, no earlier than the last acknowledged one, and the life goes on
//!   to the same end;
//! - a write that is merely cut short is no failure at all.

use std::io::{BufRead, BufReader, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use crossbeam_channel::{RecvTimeoutError, unbounded};
use ferry::ErrorKind;

use crate::child::{Control, Scene};
use crate::crash_points::{Rig, check_home, lock, words};
use crate::hang;
use crate::life::{Action, Life};
use crate::node::{Actor, Script};
use crate::report::{Report, Violation};
use crate::trace::Goal;

/// A child that says nothing for so long hangs.
const SILENCE: Duration = Duration::from_secs(120);

/// How operations fail: the words that the recorder knows.
pub(crate) const FAULTS: [(&str, &str); 6] =
    [("io", "once"), ("io", "ever"), ("full", "once"), ("full", "ever"), ("short", "once"), ("short", "ever")];

/// Everything for one child.
pub(crate) struct Plan<'a> {
    pub(crate) way: &'a str,
    pub(crate) duration: &'a str,
    /// The first operation to fail, and the distance to the next one.
    pub(crate) from: u64,
    pub(crate) step: u64,
    /// No operation behind this one.
    pub(crate) until: u64,
    /// Expects a block that never was.
    pub(crate) plant: bool,
}

/// The child: fails one operation after the other.
pub(crate) fn fail_all(home: &Path, seed: u64, plan: &Plan<'_>) -> Result<()> {
    let scratch = home.with_file_name("rehearsal");
    let script = Script::rehearse(Life::small(seed), &scratch)?;
    let mut control = Control::open()?;
    let mut at = plan.from;
    while at <= plan.until {
        say(&format!("case {at}"))?;
        let result = one(home, &script, &mut control, plan, at);
        control.order("lift")?;
        match result {
            Ok(None) => {
                say("met none")?;
                return Ok(());
            }
            Ok(Some(outcome)) => say(&format!("held {outcome}"))?,
            Err(error) => {
                let first = control.answer().unwrap_or_default();
                say(&format!("violation {error:#} (failed: {first})").replace('\n', " "))?;
            }
        }
        at += plan.step;
    }
    Ok(())
}

fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("the parent is gone")
}

/// One run; none if no operation was left to fail, else in one word what became of it.
fn one(home: &Path, script: &Script, control: &mut Control, plan: &Plan<'_>, at: u64) -> Result<Option<&'static str>> {
    crate::image::clear(home)?;
    control.order(&format!("fail {} {at} {}", plan.way, plan.duration))?;
    let run = || attempt(home, script, control, plan);
    let (mut goals, outcome) =
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Err(anyhow!(words(&*panic))))?;
    let answer = control.answer()?;
    let met: u64 = answer.split(' ').nth(1).context("no answer")?.parse()?;
    if plan.plant {
        goals = vec![Goal { state: script.life.last(), step: script.life.steps.len() }];
    }
    // Going on to the end costs more than all the rest.
    check_home(script, home, &goals, at % 4 == 1).context("opening again without a fault")?;
    Ok((met > 0).then_some(outcome))
}

/// Leads the life into the fault, and past it. What may be found afterwards, and what became of the failure.
fn attempt(home: &Path, script: &Script, control: &mut Control, plan: &Plan<'_>) -> Result<(Vec<Goal>, &'static str)> {
    let life = &script.life;
    let goal = |step: usize| Goal { state: life.before(step), step };
    let mut actor = match Actor::open(home, &script.saved, life) {
        Ok(actor) => actor,
        Err(error) => {
            check_error(&error, plan).context("founding")?;
            control.order("lift")?;
            return Ok((vec![goal(0)], "not_opened"));
        }
    };
    for (index, step) in life.steps.iter().enumerate() {
        let Err(error) = actor.act(&step.action) else { continue };
        let kind = check_error(&error, plan).with_context(|| format!("step {index} ({})", step.phase))?;
        let goals = vec![goal(index), goal(index + 1)];
        if actor.node_mut().is_none() {
            // Closing or opening failed. Opening while the fault lasts must fail in order, or not at all.
            if let Err(error) = Actor::open(home, &script.saved, life) {
                check_error(&error, plan).context("opening while the fault lasts")?;
            }
            control.order("lift")?;
            return Ok((goals, "reopened"));
        }
        if let Action::Block(_) = step.action
            && kind == ErrorKind::Poisoned
        {
            let node = actor.node_mut().context("the node is open")?;
            let next = node.apply(vec![]).err().context("a poisoned node takes a flush")?;
            ensure!(next.kind() == ErrorKind::Poisoned, "a poisoned node says something else: {next:?}");
            control.order("lift")?;
            script.recognise(actor.node()?, &[goals[0].state, goals[1].state]).context("a view of a poisoned node")?;
            return Ok((goals, "poisoned"));
        }
        control.order("lift")?;
        script.recognise(actor.node()?, &[goals[0].state]).context("a view behind a failure")?;
        actor.node_mut().context("the node is open")?.discard().context("dropping the block that failed")?;
        return match actor.act(&step.action) {
            Ok(()) => Ok((vec![goal(index + 1)], "went_on")),
            Err(error) => {
                check_error(&error, plan).context("once more without a fault")?;
                Ok((goals, "needs_reopening"))
            }
        };
    }
    let closed = actor.close();
    control.order("lift")?;
    if let Err(error) = closed {
        check_error(&error, plan).context("closing")?;
    }
    Ok((vec![goal(life.steps.len())], "unnoticed"))
}

/// Whether an error is one that the fault explains; its kind.
fn check_error(error: &anyhow::Error, plan: &Plan<'_>) -> Result<ErrorKind> {
    let found = error.downcast_ref::<ferry::Error>().map(ferry::Error::kind);
    let Some(kind) = found else { bail!("an error that is not the facade's: {error:#}") };
    ensure!(plan.way != "short", "a write that was cut short became an error: {error:#}");
    ensure!(matches!(kind, ErrorKind::Io | ErrorKind::Poisoned), "an error of kind {}: {error:#}", kind.as_str());
    Ok(kind)
}

impl Rig<'_> {
    /// Fails every operation in every way; `step` 1 for all of them. Every `threads` children at once.
    pub(crate) fn faults(&self, step: u64, report: &Mutex<Report>) -> Result<()> {
        let (jobs, inbox) = unbounded();
        for fault in FAULTS {
            // Two halves of every loop, so that both cores have work to the end.
            jobs.send((fault, 1, 2 * step))?;
            jobs.send((fault, 1 + step, 2 * step))?;
        }
        drop(jobs);
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.effort.threads)
                .map(|number| {
                    let inbox = inbox.clone();
                    scope.spawn(move || -> Result<()> {
                        for (fault, from, step) in inbox {
                            self.fault(number, fault, from, step, report)?;
                        }
                        Ok(())
                    })
                })
                .collect();
            for worker in workers {
                worker.join().map_err(|panic| anyhow!(words(&*panic)))??;
            }
            Ok(())
        })
    }

    /// One kind of fault, from `from` on; a child that dies is a finding, and another one goes on behind it.
    fn fault(&self, number: usize, fault: (&str, &str), from: u64, step: u64, report: &Mutex<Report>) -> Result<()> {
        let mut from = from;
        while let Some(last) = self.child(number, fault, from, step, report)? {
            from = last + step;
        }
        Ok(())
    }

    /// Runs a child to its end; if it died, the operation that it died of.
    fn child(
        &self,
        number: usize,
        fault: (&str, &str),
        from: u64,
        step: u64,
        report: &Mutex<Report>,
    ) -> Result<Option<u64>> {
        let dir = self.scratch.join(format!("faults-{number}"));
        crate::image::clear(&dir)?;
        let scene = Scene::new(&dir)?;
        let (way, duration) = fault;
        let mut line: Vec<String> = ["faults", "--seed", &self.seed.to_string()].map(str::to_owned).to_vec();
        line.extend(["--home".to_owned(), scene.home.to_string_lossy().into_owned()]);
        line.extend(["--way", way, "--duration", duration].map(str::to_owned));
        line.extend(["--from".to_owned(), from.to_string(), "--step".to_owned(), step.to_string()]);
        line.extend(self.plant.then(|| "--plant".to_owned()));
        let mut command = scene.command(&line, false)?;
        let mut child = command.stderr(Stdio::null()).spawn().context("cannot start a child")?;
        let out = child.stdout.take().context("a child without output")?;
        let (lines, heard) = unbounded();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        let phase = format!("{way}_{duration}");
        let replay = |at: u64| {
            format!("torture-crash replay-fault --seed {} --way {way} --duration {duration} --from {at}", self.seed)
        };
        let mut at = None;
        let mut end = None;
        while end.is_none() {
            match heard.recv_timeout(SILENCE) {
                Ok(line) => self.hear(&line, &mut at, &phase, &replay, report),
                Err(RecvTimeoutError::Timeout) => {
                    let waiting = hang::describe(child.id());
                    child.kill().context("cannot end a child that hangs")?;
                    end = Some(format!("hangs [{waiting}]"));
                }
                Err(RecvTimeoutError::Disconnected) => end = Some(String::new()),
            }
            if self.stop.load(Ordering::Relaxed) {
                child.kill().context("cannot end a child")?;
                child.wait()?;
                return Ok(None);
            }
        }
        let status = child.wait().context("waiting for a child")?;
        if status.success() {
            return Ok(None);
        }
        let at = at.context("a child failed before its first case")?;
        let what = format!("the process {} {status}", end.filter(|end| !end.is_empty()).unwrap_or("dies:".to_owned()));
        lock(report).violation(Violation { replay: replay(at), phase, what });
        Ok(Some(at))
    }

    fn hear(
        &self,
        line: &str,
        at: &mut Option<u64>,
        phase: &str,
        replay: &dyn Fn(u64) -> String,
        report: &Mutex<Report>,
    ) {
        let mut report = lock(report);
        match line.split_once(' ') {
            Some(("case", number)) => *at = number.parse().ok(),
            Some(("held", outcome)) => {
                report.count("io_faults", phase, 1);
                report.count(&format!("io_faults_{outcome}"), phase, 1);
                report.progress(phase, at.unwrap_or(0), at.unwrap_or(0));
            }
            Some(("violation", what)) => {
                report.count("io_faults", phase, 1);
                let violation =
                    Violation { replay: replay(at.unwrap_or(0)), phase: phase.to_owned(), what: what.to_owned() };
                report.violation(violation);
            }
            _ => report.count("io_loops_ended", phase, 1),
        }
    }
}
