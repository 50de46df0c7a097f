//! Syncs that fail, and then the power goes: the N-th one, N = 1, 2, … until a life meets none, once and for ever.
//!
//! What a failed sync was for is lost, though every read still shows it (see `disk`). So what was acknowledged behind it must
//! rest on something else: a life goes on until something says that it failed, and at each acknowledgement behind the
//! failure, and at the end, the home that a power cut leaves must have the block.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, anyhow, bail, ensure};
use ferry::ErrorKind;

use crate::child::{self, Control, Scene};
use crate::crash_points::{Rig, check_home, lock, words};
use crate::disk::Disk;
use crate::image::{Image, clear};
use crate::life::Kind;
use crate::node::Actor;
use crate::recording::{self, Op};
use crate::report::{Report, Violation};
use crate::survivors::Survivors;
use crate::trace::{Goal, Moment};

/// How long syncs fail: the words that the recorder knows.
const DURATIONS: [&str; 2] = ["once", "ever"];
/// Random subsets of the unsynced operations at each check, beside none of them.
const SUBSETS: u64 = 2;

/// The child: leads a life whose sync `at` fails, and ends where something says so, without closing anything.
pub(crate) fn live(home: &Path, seed: u64, at: u64, duration: &str) -> Result<()> {
    let life = Kind::Small.life(seed);
    let mut control = Control::open()?;
    let saved = home.with_file_name("saved");
    clear(&saved)?;
    control.order(&format!("fail sync {at} {duration}"))?;
    let mut lead = || -> Result<()> {
        let mut actor = Actor::open(home, &saved, &life)?;
        for (index, step) in life.steps.iter().enumerate() {
            control.mark(&format!("begin {index}"))?;
            if let Err(error) = actor.act(&step.action) {
                // What is closed here would be synced after all.
                std::mem::forget(actor);
                return Err(error.context(format!("step {index} ({})", step.phase)));
            }
            control.mark(&format!("done {index}"))?;
        }
        actor.close().context("closing")
    };
    let failure = lead().err();
    control.order("lift")?;
    let met = control.answer()?;
    if let Some(error) = &failure {
        let kind = error.downcast_ref::<ferry::Error>().map(ferry::Error::kind);
        let is_due = matches!(kind, Some(ErrorKind::Io | ErrorKind::Poisoned));
        ensure!(is_due, "an error that the failed sync does not explain (failed: {met}): {error:#}");
    }
    let outcome = if failure.is_some() { "told" } else { "untold" };
    println!("{outcome} {met}");
    // Threads of the life that is left behind end with the process.
    std::process::exit(0)
}

impl Rig<'_> {
    /// Fails every sync of the small life in turn.
    pub(crate) fn failed_syncs(&self, report: &Mutex<Report>) -> Result<()> {
        for duration in DURATIONS {
            let next = AtomicU64::new(1);
            std::thread::scope(|scope| {
                let work = |number| {
                    let next = &next;
                    move || -> Result<()> {
                        let dir = self.scratch.join(format!("failed-syncs-{number}"));
                        while !self.stop.load(Ordering::Relaxed) {
                            let at = next.fetch_add(1, Ordering::Relaxed);
                            if !self.failed_sync(&dir, at, duration, report)? {
                                return Ok(());
                            }
                        }
                        Ok(())
                    }
                };
                let workers: Vec<_> = (0..self.effort.threads).map(|number| scope.spawn(work(number))).collect();
                workers.into_iter().try_for_each(|worker| worker.join().map_err(|panic| anyhow!(words(&*panic)))?)
            })?;
            lock(report).count("failed_sync_loops_ended", duration, 1);
        }
        Ok(())
    }

    /// One life; false if no sync was left to fail.
    fn failed_sync(&self, dir: &Path, at: u64, duration: &str, report: &Mutex<Report>) -> Result<bool> {
        clear(dir)?;
        let scene = Scene::new(dir)?;
        let (home, seed, at) = (scene.home.to_string_lossy().into_owned(), self.seed.to_string(), at.to_string());
        let line = ["failed-sync", "--seed", &seed, "--home", &home, "--at", &at, "--duration", duration];
        let line = line.map(str::to_owned);
        let phase = format!("sync_{duration}");
        let violation = |what: String| Violation {
            replay: format!("torture-crash --seed {seed} --layer failed-syncs, sync {at} {duration}"),
            phase: phase.clone(),
            what,
        };
        let said = match child::run(&mut scene.command(&line, true)?) {
            Ok(said) => said,
            Err(error) => {
                lock(report).violation(violation(format!("{error:#}")));
                return Ok(true);
            }
        };
        let mut said = said.split_whitespace();
        let (outcome, met) = (said.next().context("no outcome")?, said.nth(1).context("no answer")?);
        if met == "0" {
            return Ok(false);
        }
        {
            let mut report = lock(report);
            report.count("failed_syncs", &phase, 1);
            report.count(&format!("failed_syncs_{outcome}"), &phase, 1);
            report.progress(&phase, at.parse()?, at.parse()?);
        }
        let checked = self.power_cuts(&recording::read(&scene.log)?, &dir.join("check/home"));
        let mut report = lock(report);
        match checked {
            Ok(images) => report.count("failed_sync_images", &phase, images),
            Err(error) => report.violation(violation(format!("{error:#}"))),
        }
        Ok(true)
    }

    /// Opens what a power cut leaves behind each acknowledgement since the failure, and at the end.
    fn power_cuts(&self, ops: &[Op], home: &Path) -> Result<u64> {
        let life = &self.script.life;
        let goals = vec![Goal { state: 0, step: 0 }];
        let mut moment = Moment::start(Disk::empty(), goals, "founding");
        let (mut has_failed, mut seen) = (false, HashSet::new());
        for (index, op) in ops.iter().enumerate() {
            moment.advance(op, life)?;
            has_failed |= matches!(op, Op::FailedSync { .. });
            if !has_failed || !(moment.settled || index + 1 == ops.len()) {
                continue;
            }
            if self.plant {
                moment.goals = vec![Goal { state: life.last(), step: life.steps.len() }];
            }
            let random = |number| Survivors::Random { seed: self.seed ^ (moment.point as u64) << 8 ^ number };
            for survivors in std::iter::once(Survivors::None).chain((0..SUBSETS).map(random)) {
                let image = Image::of(&moment.disk, survivors);
                if !seen.insert((image.id(), moment.goals.first().map(|goal| goal.state))) {
                    continue;
                }
                image.put(home)?;
                // Going on to the end costs more than all the rest.
                let finishes = seen.len() % 8 == 1;
                let context = || format!("behind operation {} ({}), {survivors}", moment.point, moment.phase);
                let quiet = child::no_starts();
                check_home(self.script, home, &moment.goals, finishes).with_context(context)?;
                drop(quiet);
            }
        }
        if !has_failed {
            bail!("the failed sync is not in the recording");
        }
        Ok(seen.len() as u64)
    }
}
