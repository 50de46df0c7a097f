//! `ferry plan`: what a migration of this home would take, and whether it should be begun.

mod report;

use std::num::NonZeroU64;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use ferry::preflight::{self, Severity, Terms, preflight};
use ferry::rehearsal::{self, rehearse};
use ferry::settings::parse_span;
use ferry::{ErrorKind, Options, Scratch};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::goal::Goal;
use crate::home;
use crate::output::{self, Output};
use crate::progress::Progress;
use crate::settings::{NodeArgs, batch_keys};
use crate::signals::Signals;

use report::PlanReport;

/// Say how much a migration of this home would move, how long it would take, how much room it needs, and what speaks against.
///
/// Changes nothing at the home, also while a node runs there. Every key left in memiavl is counted and its leaf checked
/// against its hash; then some of the keys are moved by a real node in a scratch directory, to see what this disk takes.
/// Exit code 8 if the migration should not be begun like this. With --rehearse a copy of the home is migrated from
/// beginning to end in another directory: snapshots and tables are hard links there, so that the copy costs little.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Example:\n  ferry plan --home DIR --batch-keys 1000 --block-time 400ms\n  ferry plan --home DIR --rehearse OTHER --batch-keys 1000"
)]
pub(crate) struct Args {
    #[command(flatten)]
    node: NodeArgs,
    /// Keys that a block is to move; chain.batch_keys by default, or 1000 if that is 0.
    #[arg(long, value_name = "KEYS")]
    batch_keys: Option<NonZeroU64>,
    /// The time between two blocks of the chain, as in 400ms: with it the end can be foreseen.
    #[arg(long, value_name = "TIME")]
    block_time: Option<BlockTime>,
    /// Where the sample is moved, in a directory of its own that goes again; beside the home by default.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Move no sample: then no time is told.
    #[arg(long, conflicts_with = "scratch")]
    no_sample: bool,
    /// Count no bytes and look at no keys: numbers of keys alone, in no time.
    #[arg(long)]
    quick: bool,
    /// Threads that count; as many as program.threads says by default.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroU64>,
    /// Migrate a copy of the home in this directory, which is new or empty and lies outside of the home.
    #[arg(long, value_name = "DIR")]
    rehearse: Option<PathBuf>,
    /// The mode that the rehearsal ends in; all is the last one.
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Goal::FlatkvOnly, requires = "rehearse")]
    to: Goal,
    /// Keep what the rehearsal made.
    #[arg(long, requires = "rehearse")]
    keep: bool,
}

/// A time between two blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BlockTime(Duration);

/// A text that is no time.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a time such as 400ms or 2s got={got}")]
struct NoTime {
    got: String,
}

impl FromStr for BlockTime {
    type Err = NoTime;

    fn from_str(text: &str) -> Result<Self, NoTime> {
        parse_span(text).map(Self).ok_or_else(|| NoTime { got: text.to_owned() })
    }
}

/// Runs the command.
///
/// # Errors
/// A home that holds no state or is damaged, a directory that will not do, I/O.
pub(crate) fn run(args: &Args, output: Output, signals: &Signals) -> anyhow::Result<Exit> {
    let (options, threads) = (args.node.options()?, args.node.threads(args.threads)?);
    home::require_state(&args.node.home)?;
    match plan(args, &options, threads, signals) {
        Ok(report) => {
            output::print(&report, output)?;
            Ok(if report.verdict() == Severity::Unsafe { Exit::Refused } else { Exit::Ok })
        }
        Err(error) => match (error.downcast_ref::<ferry::Error>(), signals.received()) {
            (Some(cause), Some(exit)) if cause.kind() == ErrorKind::Cancelled => {
                eprintln!("plan: stopped by a signal, nothing is left behind");
                Ok(exit)
            }
            _ => Err(error),
        },
    }
}

fn plan(args: &Args, options: &Options, threads: usize, signals: &Signals) -> anyhow::Result<PlanReport> {
    let home = &args.node.home;
    let batch_keys = args.batch_keys.map_or_else(|| batch_keys(options), NonZeroU64::get);
    let scratch = if args.no_sample || args.rehearse.is_some() { None } else { Some(Place::make(args)?) };
    let terms = Terms {
        batch_keys,
        block_time: args.block_time.map(|time| time.0),
        scratch: scratch.as_ref().map(|scratch| scratch.path().to_owned()),
        counts: !args.quick,
        threads,
    };
    let mut progress = None;
    let found = preflight(home, options, &terms, &mut |now| {
        if now.keys_total > 0 {
            progress.get_or_insert_with(|| Progress::start("plan", "keys", Some(now.keys_total))).set(now.keys, "");
        }
        stops(signals)
    })?;
    drop(progress);
    let beside_home = scratch.map(|scratch| scratch.is_beside_home);
    let mut report = PlanReport::new(home, &found, &terms, beside_home);
    match &args.rehearse {
        Some(_) if found.verdict() == Severity::Unsafe => {
            eprintln!("plan: not rehearsed, see what is unsafe");
        }
        Some(dir) => {
            let terms =
                rehearsal::Terms { batch_keys, to: args.to.into(), room_bytes: found.room.bytes(), keeps: args.keep };
            report.add(rehearsed(args, dir, options, &terms, signals)?, args);
        }
        None => {}
    }
    Ok(report)
}

fn rehearsed(
    args: &Args,
    dir: &Path,
    options: &Options,
    terms: &rehearsal::Terms,
    signals: &Signals,
) -> Result<rehearsal::Rehearsal, ferry::Error> {
    let mut progress = None;
    rehearse(&args.node.home, dir, options, terms, &mut |now| {
        let shown = progress.get_or_insert_with(|| Progress::start("rehearsal", "keys", Some(now.keys_total)));
        shown.set(now.keys, &format!("block {}", now.blocks));
        stops(signals)
    })
}

fn stops(signals: &Signals) -> ControlFlow<()> {
    if signals.received().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// A directory for the sample, which goes with it.
struct Place {
    directory: Scratch,
    /// Whether it lies on the home's file system.
    is_beside_home: bool,
}

impl Place {
    /// Where the user says, or beside the home, or where temporary files go.
    fn make(args: &Args) -> anyhow::Result<Self> {
        let home = args.node.home.canonicalize()?;
        let make = |place: &Path| -> anyhow::Result<Self> {
            let is_beside_home = preflight::is_one_file_system(place, &home)?;
            Ok(Self { directory: Scratch::make(preflight::SCRATCH, place)?, is_beside_home })
        };
        let named = |place: &Path, error: anyhow::Error| {
            error.context(format!(
                "making a directory for the sample, name another with --scratch: path={}",
                place.display()
            ))
        };
        if let Some(place) = &args.scratch {
            let real = place.canonicalize().map_err(|error| named(place, error.into()))?;
            if real.starts_with(&home) {
                return Err(Failure::ScratchInHome { scratch: place.clone(), home: args.node.home.clone() }.into());
            }
            return make(&real).map_err(|error| named(place, error));
        }
        let temporary = std::env::temp_dir();
        let beside = home.parent().map(make).and_then(Result::ok);
        beside.map_or_else(|| make(&temporary).map_err(|error| named(&temporary, error)), Ok)
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }
}
