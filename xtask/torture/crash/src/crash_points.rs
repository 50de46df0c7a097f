//! The crash points: every operation of a recorded life × what a power cut may leave of it; and once more during the
//! recovery from such an image.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, anyhow, ensure};
use crossbeam_channel::{Receiver, bounded};
use ferry::Home;
use memiavl_iter::{Snapshot, list_snapshots};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::child::{self, Scene};
use crate::disk::Ino;
use crate::image::{Image, clear};
use crate::life::{Kind, Life};
use crate::node::{Actor, Script};
use crate::recording::{self, Op};
use crate::report::{Report, Violation};
use crate::survivors::Survivors;
use crate::syncs;
use crate::trace::{Course, Goal, Moment};

/// How much is tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Random subsets per crash point.
    pub(crate) subsets: u64,
    /// One image in so many goes on to the end of the life.
    pub(crate) finish_one_in: u64,
    /// Images whose recovery is stopped at each of its operations.
    pub(crate) recoveries: usize,
    /// Random subsets per crash point of a recovery.
    pub(crate) recovery_subsets: u64,
    pub(crate) threads: usize,
}

/// An image on its way to a check.
struct Case {
    image: Image,
    goals: Vec<Goal>,
    survivors: Survivors,
    phase: &'static str,
    replay: String,
    finishes: bool,
    figure: &'static str,
}

/// Everything that a run shares.
#[derive(Clone, Copy)]
pub(crate) struct Rig<'a> {
    pub(crate) script: &'a Script,
    pub(crate) seed: u64,
    pub(crate) kind: Kind,
    /// The only part of the life whose crash points are tried.
    pub(crate) phase: Option<&'a str>,
    /// A fault of the rig's own that it must find: syncs are forgotten, and a block is expected that never was.
    pub(crate) plant: bool,
    pub(crate) effort: Effort,
    /// A directory on a tmpfs.
    pub(crate) scratch: &'a Path,
    /// Where recordings of failures are kept.
    pub(crate) keep: &'a Path,
    pub(crate) stop: &'a AtomicBool,
}

/// Records a life below the recorder, and checks that nothing went unseen.
pub(crate) fn record(kind: Kind, seed: u64, scratch: &Path, keep: &Path) -> Result<(Vec<Op>, PathBuf)> {
    let dir = scratch.join("record");
    clear(&dir)?;
    let scene = Scene::new(&dir)?;
    let home = scene.home.to_string_lossy().into_owned();
    let words = ["live", "--life", kind.word(), "--seed", &seed.to_string(), "--home", &home];
    let words = words.map(str::to_owned);
    child::run(&mut scene.command(&words, true)?).context("recording the life")?;
    let ops = recording::read(&scene.log)?;
    check_complete(&ops, &kind.life(seed), &scene.home)?;
    let kept = keep.join(format!("life-{}-{seed}.log", kind.word()));
    std::fs::create_dir_all(keep)?;
    std::fs::copy(&scene.log, &kept).context("keeping the recording")?;
    Ok((ops, kept))
}

/// The whole log, applied to an empty directory, must be the home, byte for byte.
fn check_complete(ops: &[Op], life: &Life, home: &Path) -> Result<()> {
    let mut moment = Moment::start(crate::disk::Disk::empty(), Vec::new(), "");
    for op in ops {
        moment.advance(op, life)?;
    }
    let replayed = Image::of(&moment.disk, Survivors::All);
    match replayed.difference(&Image::read(home)?) {
        None => Ok(()),
        Some(path) => Err(anyhow!("the recording does not lead to the home; something went unseen: path={path}")),
    }
}

impl Rig<'_> {
    /// Tries every crash point of a recorded life.
    pub(crate) fn run(&self, ops: &[Op], recording: &Path, report: &Mutex<Report>) -> Result<()> {
        let (cases, inbox) = bounded::<Case>(2 * self.effort.threads);
        std::thread::scope(|scope| {
            for number in 0..self.effort.threads {
                let inbox = inbox.clone();
                scope.spawn(move || self.work(number, &inbox, report));
            }
            drop(inbox);
            let done = self.enumerate(ops, recording, report, |case| cases.send(case).is_ok());
            drop(cases);
            done
        })?;
        if self.effort.recoveries > 0 { self.recoveries(ops, recording, report) } else { Ok(()) }
    }

    /// Counts the data syncs of every block: the thread that commits waits for one.
    pub(crate) fn count_syncs(&self, ops: &[Op], report: &Mutex<Report>) -> Result<()> {
        let mut report = lock(report);
        for block in syncs::of_blocks(ops, &self.script.life)? {
            let phase = self.script.life.steps[block.step].phase;
            report.count("data_syncs_on_other_threads", phase, block.behind);
            if block.made_flatkv {
                report.count("blocks_that_make_flatkv", phase, 1);
                continue;
            }
            let whose = if block.is_memiavl_s { "the_changelog_s" } else { "its_own" };
            report.count(&format!("blocks_that_waited_for_one_data_sync_of_{whose}_thread"), phase, 1);
            if !block.is_one() {
                let what = format!("a block waited for other than one data sync: {block:?}");
                let replay = format!("torture-crash --seed {} --layer crash, step {}", self.seed, block.step);
                report.violation(Violation { replay, phase: phase.to_owned(), what });
            }
        }
        Ok(())
    }

    fn enumerate(
        &self,
        ops: &[Op],
        recording: &Path,
        report: &Mutex<Report>,
        mut send: impl FnMut(Case) -> bool,
    ) -> Result<()> {
        let total = ops.iter().filter(|op| op.is_operation()).count() as u64;
        let mut moment = Moment::of_life(&self.script.life);
        let mut seen = HashSet::new();
        for op in ops {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let is_forgotten = self.plant && matches!(op, Op::Sync { .. });
            if is_forgotten
                || !moment.advance(op, &self.script.life)?
                || self.phase.is_some_and(|phase| phase != moment.phase)
            {
                continue;
            }
            let (point, phase) = (moment.point as u64, moment.phase);
            if !moment.settled {
                let mut report = lock(report);
                report.count("crash_points", phase, 1);
                report.count(&format!("crash_points_at_{}", op.name()), phase, 1);
                report.progress("crash points", point, total);
            }
            for survivors in choices(&moment, self.seed, self.effort.subsets) {
                let image = Image::of(&moment.disk, survivors);
                lock(report).count("images_made", phase, 1);
                // What may be found belongs to the case: the same bytes before and after an acknowledgement are two.
                if !seen.insert((image.id(), moment.oldest(survivors))) {
                    continue;
                }
                let mut random = ChaCha8Rng::seed_from_u64(self.seed ^ point.rotate_left(32) ^ seen.len() as u64);
                let case = Case {
                    image,
                    goals: moment.allowed(survivors),
                    survivors,
                    phase,
                    replay: format!(
                        "torture-crash replay --life {} --seed {} --recording {} --point {point} --survivors {survivors}{}",
                        self.kind.word(),
                        self.seed,
                        recording.display(),
                        if moment.settled { " --settled" } else { "" }
                    ),
                    finishes: random.random_ratio(1, u32::try_from(self.effort.finish_one_in).unwrap_or(1)),
                    figure: "images",
                };
                if !send(case) {
                    return Ok(());
                }
            }
        }
        let distinct: HashSet<_> = seen.iter().map(|(id, _)| id).collect();
        lock(report).count("distinct_images", "all", distinct.len() as u64);
        Ok(())
    }

    fn work(&self, number: usize, inbox: &Receiver<Case>, report: &Mutex<Report>) {
        let home = self.scratch.join(format!("check-{number}/home"));
        for case in inbox {
            if self.stop.load(Ordering::Relaxed) {
                continue;
            }
            let result = self.check(&case, &home);
            let mut report = lock(report);
            report.count(case.figure, case.phase, 1);
            if case.finishes {
                report.count("finished_lives", case.phase, 1);
            }
            if let Err(error) = result {
                let what = format!("{error:#}");
                report.violation(Violation { replay: case.replay, phase: case.phase.to_owned(), what });
            }
        }
    }

    fn check(&self, case: &Case, home: &Path) -> Result<()> {
        case.image.put(home)?;
        // A life that goes on closes its home and opens it again, and a recovery's child may start meanwhile.
        let _quiet = child::no_starts();
        check_home(&self.script.opened_as(case.survivors, &case.goals), home, &case.goals, case.finishes).map(drop)
    }

    /// For some images: records the recovery itself, and tries each of its crash points.
    fn recoveries(&self, ops: &[Op], recording: &Path, report: &Mutex<Report>) -> Result<()> {
        let points = ops.iter().filter(|op| op.is_operation()).count();
        let mut random = ChaCha8Rng::seed_from_u64(self.seed.wrapping_add(1));
        let mut picks: Vec<(usize, u64)> =
            (0..self.effort.recoveries).map(|_| (random.random_range(1..=points), random.random())).collect();
        picks.sort_unstable();
        let (cases, inbox) = bounded::<Case>(2 * self.effort.threads);
        std::thread::scope(|scope| {
            for number in 0..self.effort.threads {
                let inbox = inbox.clone();
                scope.spawn(move || self.work(number, &inbox, report));
            }
            drop(inbox);
            let mut seen = HashSet::new();
            let mut moment = Moment::of_life(&self.script.life);
            let mut picks = picks.iter().enumerate().peekable();
            for op in ops {
                moment.advance(op, &self.script.life)?;
                while let Some((done, (point, choice))) = picks.next_if(|(_, (point, _))| *point <= moment.point) {
                    if self.stop.load(Ordering::Relaxed) {
                        return Ok(());
                    }
                    lock(report).progress("recoveries", done as u64, self.effort.recoveries as u64);
                    let survivors = match choice % 4 {
                        0 => Survivors::None,
                        1 => Survivors::All,
                        _ => Survivors::Random { seed: *choice },
                    };
                    let first = format!(
                        "torture-crash replay --life {} --seed {} --recording {} --point {point} --survivors {survivors}",
                        self.kind.word(),
                        self.seed,
                        recording.display()
                    );
                    self.one_recovery(&moment, survivors, &first, &mut seen, report, &cases)?;
                }
            }
            drop(cases);
            lock(report).count("double_crash_distinct_images", "all", seen.len() as u64);
            Ok(())
        })
    }

    fn one_recovery(
        &self,
        moment: &Moment,
        survivors: Survivors,
        first: &str,
        seen: &mut HashSet<([u8; 32], Option<usize>)>,
        report: &Mutex<Report>,
        cases: &crossbeam_channel::Sender<Case>,
    ) -> Result<()> {
        let dir = self.scratch.join("again");
        clear(&dir)?;
        let scene = Scene::new(&dir)?;
        let image = Image::of(&moment.disk, survivors);
        image.put(&scene.home)?;
        let numbers = image.numbers(&scene.home)?;
        recording::begin(&scene.log, &numbers)?;
        let goals: Vec<String> = moment.goals.iter().map(Goal::to_string).collect();
        let home = scene.home.to_string_lossy().into_owned();
        let (life, seed, goals) = (self.kind.word(), self.seed.to_string(), goals.join(","));
        let words = ["recover", "--life", life, "--seed", &seed, "--home", &home, "--goals", &goals];
        let words = words.map(str::to_owned);
        if let Err(error) = child::run(&mut scene.command(&words, true)?) {
            let what = format!("{error:#}");
            lock(report).violation(Violation { replay: first.to_owned(), phase: moment.phase.to_owned(), what });
            return Ok(());
        }
        let ops = recording::read(&scene.log)?;
        let kept = self.keep.join(format!("recovery-{}-{}-{}.log", self.kind.word(), self.seed, moment.point));
        let mut second = after_crash(moment, survivors, &numbers)?;
        std::fs::copy(&scene.log, &kept).context("keeping the recording")?;
        lock(report).count("recoveries_recorded", moment.phase, 1);
        let mut random = ChaCha8Rng::seed_from_u64(self.seed ^ moment.point as u64);
        for op in &ops {
            if !second.advance(op, &self.script.life)? {
                continue;
            }
            lock(report).count("double_crash_points", moment.phase, u64::from(!second.settled));
            for survivors in choices(&second, self.seed, self.effort.recovery_subsets) {
                let image = Image::of(&second.disk, survivors);
                if !seen.insert((image.id(), second.oldest(survivors))) {
                    continue;
                }
                let case = Case {
                    image,
                    goals: second.goals.clone(),
                    survivors,
                    phase: moment.phase,
                    replay: format!(
                        "{first} --again {} --again-point {} --again-survivors {survivors}{}",
                        kept.display(),
                        second.point,
                        if second.settled { " --again-settled" } else { "" }
                    ),
                    finishes: random.random_ratio(1, u32::try_from(self.effort.finish_one_in).unwrap_or(1)),
                    figure: "double_crash_images",
                };
                if cases.send(case).is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// Opens a home that a crash has left; compares; looks at each snapshot that memiavl has kept, for a rollback may need it; goes
/// on to the end of the life if `finishes`. A panic is an error.
pub(crate) fn check_home(script: &Script, home: &Path, goals: &[Goal], finishes: bool) -> Result<usize> {
    let check = || -> Result<usize> {
        let states: Vec<usize> = goals.iter().map(|goal| goal.state).collect();
        let actor = Actor::open(home, &script.saved, &script.life).context("opening")?;
        let state = script.recognise(actor.node()?, &states)?;
        let goal = goals.iter().find(|goal| goal.state == state).context("no goal of this state")?;
        open_snapshots(&Home::locate(home)).context("a snapshot of memiavl")?;
        if finishes {
            script.finish(actor, goal.step)?;
        } else {
            actor.close().context("closing")?;
        }
        Ok(state)
    };
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|panic| Err(anyhow!(words(&*panic))))
}

/// Opens all snapshots of a home's memiavl, if it has one.
fn open_snapshots(home: &Home) -> Result<()> {
    if home.memiavl().exists() {
        for (_, dir) in list_snapshots(home.memiavl())? {
            Snapshot::open(&dir)?;
        }
    }
    Ok(())
}

/// What a panic said.
pub(crate) fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let words = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    format!("a panic: {}", words.unwrap_or("without words"))
}

/// What is tried at a crash point.
pub(crate) fn choices(moment: &Moment, seed: u64, subsets: u64) -> Vec<Survivors> {
    let mut choices = vec![Survivors::None];
    if !moment.disk.has_pending() {
        return choices;
    }
    choices.push(Survivors::All);
    if moment.disk.has_pending_rename() {
        choices.push(Survivors::Unrenamed);
    }
    if let Some(length) = moment.disk.last_write_bytes() {
        let torn = [1, 512, 4096, length.saturating_sub(1)].into_iter().filter(|bytes| (1..length).contains(bytes));
        let mut torn: Vec<usize> = torn.collect();
        torn.sort_unstable();
        torn.dedup();
        choices.extend(torn.into_iter().map(|bytes| Survivors::Torn { bytes }));
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ (moment.point as u64).rotate_left(17));
    choices.extend((0..subsets).map(|_| Survivors::Random { seed: u64::from(random.random::<u32>()) }));
    choices
}

pub(crate) fn lock(report: &Mutex<Report>) -> std::sync::MutexGuard<'_, Report> {
    report.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The beginning of a recovery from what `survivors` of `moment` leave, when the files have these numbers.
pub(crate) fn after_crash(moment: &Moment, survivors: Survivors, numbers: &HashMap<String, Ino>) -> Result<Moment> {
    let disk = match survivors {
        // The process died, and the power goes later: what was not synced still is not.
        Survivors::All => moment.disk.moved(numbers)?,
        _ => Image::of(&moment.disk, survivors).disk(numbers)?,
    };
    Ok(Moment::start(disk, moment.goals.clone(), moment.phase))
}

/// Finds the moment of crash point `point`, before or behind the acknowledgement that follows it.
pub(crate) fn moment_at(
    mut moment: Moment,
    ops: &[Op],
    point: usize,
    settled: bool,
    course: &impl Course,
) -> Result<Moment> {
    for op in ops {
        if moment.point == point && (op.is_operation() || moment.settled == settled) {
            break;
        }
        moment.advance(op, course)?;
    }
    ensure!(moment.point == point, "the recording has no crash point {point}: last={}", moment.point);
    Ok(moment)
}
