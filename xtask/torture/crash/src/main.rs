//! `torture-crash`: a node's life stopped at every operation, opened again and compared; and every operation failed in turn.

mod builder;
mod child;
mod coverage;
mod crash_points;
mod disk;
mod failed_syncs;
mod faults;
mod hang;
mod image;
mod life;
#[path = "../../../../crates/ferry/tests/common/model.rs"]
mod model;
mod node;
mod recording;
mod report;
mod survivors;
mod syncs;
mod trace;
mod user_home;

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};

use crate::crash_points::{Effort, Rig};
use crate::life::Kind;
use crate::node::Script;
use crate::report::Report;
use crate::survivors::Survivors;

/// Stops a node's life at every operation, opens what is left, and compares; fails every operation in turn.
#[derive(Parser)]
#[command(name = "torture-crash", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(clap::Args)]
struct Run {
    /// What is random comes from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Some minutes: every crash point of one life, and a small life for failing operations.
    #[arg(long, conflicts_with = "long")]
    smoke: bool,
    /// One life after the other, each of its own seed, until it is stopped or `--minutes` have passed.
    #[arg(long)]
    long: bool,
    /// How long a long run lasts.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// Only this layer.
    #[arg(long, value_enum)]
    layer: Option<Layer>,
    /// Only these lives.
    #[arg(long, value_enum, value_delimiter = ',')]
    life: Vec<Kind>,
    /// Only the crash points of this part of a life.
    #[arg(long, value_name = "NAME", requires = "life")]
    phase: Option<String>,
    /// Stops at the first violation: for planted faults.
    #[arg(long)]
    first: bool,
    /// The rig itself is broken so that it must find something: syncs are forgotten, and a block is expected that never was.
    #[arg(long)]
    plant: bool,
    /// Writes the results there instead of printing them.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Where recordings are kept, for repeating a failure.
    #[arg(long, default_value = "target/torture")]
    keep: PathBuf,
    /// A directory on a tmpfs for homes and images.
    #[arg(long, default_value = "/dev/shm")]
    scratch: PathBuf,
}

/// What is tortured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Layer {
    /// Crash points, and those of recoveries.
    Crash,
    /// Operations that fail.
    Faults,
    /// Syncs that fail, and a power cut behind them.
    FailedSyncs,
}

#[derive(Subcommand)]
enum Command {
    /// Repeats one image.
    Replay(Replay),
    /// Tortures a copy of a home.
    Home(user_home::Arguments),
    /// Leads the life below the recorder.
    #[command(hide = true)]
    Live(Home),
    /// Repeats a run in which one operation fails.
    ReplayFault(Fault),
    /// Fails one operation after the other.
    #[command(hide = true)]
    Faults {
        #[arg(long)]
        home: PathBuf,
        #[command(flatten)]
        fault: Fault,
        #[arg(long)]
        step: u64,
        #[arg(long)]
        plant: bool,
    },
    /// Leads the small life below the recorder, and one of its syncs fails.
    #[command(hide = true)]
    FailedSync {
        #[arg(long)]
        seed: u64,
        #[arg(long)]
        home: PathBuf,
        #[arg(long)]
        at: u64,
        #[arg(long)]
        duration: String,
    },
    /// Recovers below the recorder.
    #[command(hide = true)]
    Recover {
        #[command(flatten)]
        home: Home,
        #[arg(long, value_delimiter = ',')]
        goals: Vec<trace::Goal>,
    },
}

#[derive(clap::Args)]
struct Home {
    #[arg(long, value_enum, default_value = "whole")]
    life: Kind,
    #[arg(long)]
    seed: u64,
    #[arg(long)]
    home: PathBuf,
}

#[derive(clap::Args)]
struct Fault {
    #[arg(long)]
    seed: u64,
    /// io, full, short
    #[arg(long)]
    way: String,
    /// once, ever
    #[arg(long)]
    duration: String,
    /// Which operation, counted from 1.
    #[arg(long)]
    from: u64,
}

#[derive(clap::Args)]
struct Replay {
    /// Which life it was.
    #[arg(long, value_enum, default_value = "whole")]
    life: Kind,
    #[arg(long)]
    seed: u64,
    /// The life's recording.
    #[arg(long)]
    recording: PathBuf,
    /// The crash point: operations that were done.
    #[arg(long)]
    point: usize,
    /// Which unsynced ones are on disk.
    #[arg(long)]
    survivors: Survivors,
    /// Behind the acknowledgement that follows the crash point.
    #[arg(long)]
    settled: bool,
    /// The recording of a recovery from that image, for a crash in it.
    #[arg(long, requires_all = ["again_point", "again_survivors"])]
    again: Option<PathBuf>,
    #[arg(long)]
    again_point: Option<usize>,
    #[arg(long)]
    again_survivors: Option<Survivors>,
    #[arg(long)]
    again_settled: bool,
    /// Puts the image there and leaves it as it is found.
    #[arg(long)]
    image: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode> {
    match arguments.command {
        None => torture(&arguments.run),
        Some(Command::Replay(replay)) => repeat(&replay),
        Some(Command::Home(arguments)) if arguments.is_below_the_recorder() => user_home::run(&arguments),
        Some(Command::Home(_)) => without_allocation(),
        Some(Command::ReplayFault(fault)) => repeat_fault(&fault),
        Some(Command::Faults { home, fault, step, plant }) => {
            let Fault { seed, way, duration, from } = fault;
            let plan = faults::Plan { way: &way, duration: &duration, from, step, until: u64::MAX, plant };
            faults::fail_all(&home, seed, &plan).map(|()| ExitCode::SUCCESS)
        }
        Some(Command::Live(home)) => child::live(&home.home, home.life, home.seed).map(|()| ExitCode::SUCCESS),
        Some(Command::FailedSync { seed, home, at, duration }) => {
            failed_syncs::live(&home, seed, at, &duration).map(|()| ExitCode::SUCCESS)
        }
        Some(Command::Recover { home, goals }) => {
            let scratch = tempfile::tempdir_in("/dev/shm")?;
            let script = Script::rehearse(home.life.life(home.seed), scratch.path())?;
            child::recover(&home.home, &script, &goals).map(|()| ExitCode::SUCCESS)
        }
    }
}

fn torture(run: &Run) -> Result<ExitCode> {
    if std::env::var_os("TORTURE_NO_ALLOCATION").is_none() {
        return without_allocation();
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("cannot listen to signals")?;
    }
    if run.long {
        let (end, stop) = (Duration::from_secs(60 * run.minutes), Arc::clone(&stop));
        std::thread::spawn(move || {
            std::thread::sleep(end);
            stop.store(true, Ordering::Relaxed);
        });
    }
    let scratch = tempfile::tempdir_in(&run.scratch).context("no scratch directory")?;
    let report = Mutex::new(Report::new("crash", run.seed, run.first.then(|| Arc::clone(&stop))));
    let done = lives(run, scratch.path(), &stop, &report);
    let mut report = report.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Err(error) = done {
        // A life that does not come to its end undisturbed is a finding too.
        let what = format!("{error:#}");
        let replay = format!("torture-crash --seed {} --smoke", run.seed);
        report.violation(report::Violation { replay, phase: "rehearsal".to_owned(), what });
    }
    report.finish(run.json.as_deref())?;
    Ok(if report.violations() > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The lives once in a smoke; one after the other, each of its own seed, in a long run.
fn lives(run: &Run, scratch: &Path, stop: &AtomicBool, report: &Mutex<Report>) -> Result<()> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let smoke = Effort { subsets: 8, finish_one_in: 32, recoveries: 16, recovery_subsets: 2, threads };
    let long = Effort { subsets: 48, finish_one_in: 64, recoveries: 32, recovery_subsets: 4, threads };
    let effort = if run.long { long } else { smoke };
    for seed in run.seed.. {
        for kind in Kind::LIVES.into_iter().filter(|kind| run.life.is_empty() || run.life.contains(kind)) {
            let script = Script::rehearse(kind.life(seed), &scratch.join("rehearsal"))?;
            if let Some(phase) = run.phase.as_deref().filter(|phase| !script.life.has_phase(phase)) {
                bail!("there is no such part of the life: life={} phase={phase}", kind.word());
            }
            // Of the others only the crash points are told from those of the whole life.
            let recoveries = match kind {
                Kind::Whole | Kind::Moved if run.phase.is_none() => effort.recoveries,
                _ => 0,
            };
            // The moved life builds its stores anew and again: it has as many operations as all others together.
            let subsets = if kind == Kind::Moved { effort.subsets.div_ceil(8) } else { effort.subsets };
            let effort = Effort { recoveries, subsets, ..effort };
            let phase = run.phase.as_deref();
            let (keep, plant) = (&run.keep, run.plant);
            let rig = Rig { script: &script, seed, kind, phase, plant, effort, scratch, keep, stop };
            if kind == Kind::Whole && run.layer.is_none_or(|layer| layer == Layer::Faults) {
                rig.faults(1, report)?;
            }
            if kind == Kind::Whole && run.layer.is_none_or(|layer| layer == Layer::FailedSyncs) {
                let small = Script::rehearse(Kind::Small.life(seed), &scratch.join("rehearsal"))?;
                Rig { script: &small, kind: Kind::Small, ..rig }.failed_syncs(report)?;
            }
            if run.layer.is_none_or(|layer| layer == Layer::Crash) {
                let (ops, recording) = crash_points::record(kind, seed, scratch, &run.keep)?;
                match kind {
                    Kind::Os => rig.check_waits(&ops, report)?,
                    _ => rig.count_syncs(&ops, report)?,
                }
                rig.run(&ops, &recording, report)?;
            }
            crash_points::lock(report).count("lives", kind.word(), 1);
        }
        if !run.long || stop.load(Ordering::Relaxed) {
            break;
        }
    }
    Ok(())
}

/// This program once more, below the recorder, which refuses to allocate ahead: on a tmpfs that costs more than the rest.
fn without_allocation() -> Result<ExitCode> {
    let program = std::env::current_exe().context("where this program is")?;
    let mut command = std::process::Command::new(&program);
    command.args(std::env::args_os().skip(1)).env("LD_PRELOAD", child::recorder(&program)?);
    Err(command.env("TORTURE_NO_ALLOCATION", "1").exec()).context("cannot start again below the recorder")
}

fn repeat(replay: &Replay) -> Result<ExitCode> {
    let scratch = tempfile::tempdir_in("/dev/shm")?;
    let script = Script::rehearse(replay.life.life(replay.seed), &scratch.path().join("rehearsal"))?;
    let ops = recording::read(&replay.recording)?;
    let start = trace::Moment::of_life(&script.life);
    let moment = crash_points::moment_at(start, &ops, replay.point, replay.settled, &script.life)?;
    let (moment, survivors) = match (&replay.again, replay.again_point, replay.again_survivors) {
        (Some(recording), Some(point), Some(survivors)) => {
            let ops = recording::read(recording)?;
            let start = crash_points::after_crash(&moment, replay.survivors, &recording::numbers(&ops))?;
            (crash_points::moment_at(start, &ops, point, replay.again_settled, &script.life)?, survivors)
        }
        _ => (moment, replay.survivors),
    };
    let home: &Path = replay.image.as_deref().unwrap_or(scratch.path());
    let home = home.join("home");
    image::Image::of(&moment.disk, survivors).put(&home)?;
    let goals = moment.allowed(survivors);
    println!("point {} in {}: expected one of {goals:?}", moment.point, moment.phase);
    if replay.image.is_some() {
        return Ok(ExitCode::SUCCESS);
    }
    match crash_points::check_home(&script.opened_as(survivors, &goals), &home, &goals, true) {
        Ok(state) => {
            println!("state {state}, and the same end");
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            println!("violation: {error:#}");
            Ok(ExitCode::FAILURE)
        }
    }
}

fn repeat_fault(fault: &Fault) -> Result<ExitCode> {
    let scratch = tempfile::tempdir_in("/dev/shm")?;
    let scene = child::Scene::new(scratch.path())?;
    let home = scene.home.to_string_lossy().into_owned();
    let (seed, from) = (fault.seed.to_string(), fault.from.to_string());
    // A step beyond every run: one case and no more.
    let words = ["faults", "--home", &home, "--seed", &seed, "--way", &fault.way, "--duration", &fault.duration];
    let words = [words.as_slice(), &["--from", &from, "--step", "1000000000"]].concat();
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let said = child::run(&mut scene.command(&words, false)?)?;
    print!("{said}");
    Ok(if said.contains("violation") { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
