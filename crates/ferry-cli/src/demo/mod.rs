//! `ferry demo`: a whole migration on made-up state, with writers and readers, a restart in each phase, and a check of
//! everything at the end.

mod chain;
mod check;
mod model;
mod readers;
mod record;
mod report;
mod sampler;
#[cfg(test)]
mod tests;
mod workload;

use std::path::PathBuf;
use std::time::Instant;

use ferry::Scratch;

use crate::difference::Halt;
use crate::exit::Exit;
use crate::generate;
use crate::home;
use crate::keyspace::{Keyspace, Sizes};
use crate::output::{self, Output};
use crate::progress::Progress;
use crate::signals::Signals;

use chain::Chain;
use model::Model;
use record::Record;
use report::{DemoReport, Outcome};

/// Migrate a made-up node, with writers and readers at work, and check everything.
///
/// Makes a home (in a temporary directory unless --home is given), then runs blocks through all three migrations while
/// readers verify what they read. In the middle of each migration the node is closed and reopened. At the end every key
/// is compared with a model, every store is scanned, and FlatKV's root is computed anew from its rows.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  ferry demo --accounts 5000 --slots 20000 --bank 10000 --wasm 5000")]
pub(crate) struct Args {
    /// The home to make: a new or an empty directory, kept at the end. By default a temporary one.
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    #[command(flatten)]
    sizes: Sizes,
    /// Keys that a block moves.
    #[arg(long, value_name = "KEYS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    batch: u64,
    /// Keys that callers write in each block.
    #[arg(long, value_name = "KEYS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..1_000_000))]
    writes: u64,
    /// Threads that read without a pause.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=256))]
    readers: u64,
    /// Blocks before, between and after the migrations.
    #[arg(long, value_name = "BLOCKS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..1_000_000))]
    rest_blocks: u64,
    /// What keys, values, writes and reads follow from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// Runs the command.
///
/// # Errors
/// Anything but a difference or a clean stop, which the report tells.
pub(crate) fn run(args: &Args, output: Output, signals: &Signals) -> anyhow::Result<Exit> {
    let began = Instant::now();
    args.sizes.at_least(100)?;
    let (home, _temporary) = match &args.home {
        Some(home) => (home.clone(), None),
        None => {
            let directory = Scratch::temporary("ferry-demo-")?;
            (directory.path().join("home"), Some(directory))
        }
    };
    home::require_empty(&home)?;
    let keyspace = Keyspace::new(args.seed, args.sizes);
    let mut model = Model::new(keyspace);
    let mut progress = Progress::start("demo: making the home", "keys", Some(keyspace.total()));
    let mut made = 0;
    let filled = generate::fill(&home, &keyspace, signals, &mut |class, index, height| {
        model.set(class, index, height);
        made += 1;
        progress.set(made, "");
    })?;
    drop(progress);
    let mut record = Record::new(filled, began.elapsed(), home::sizes(&home)?);
    let result = if signals.received().is_some() {
        Ok(Outcome::Stopped)
    } else {
        Chain::open(args, &home, model, signals, &mut record).and_then(Chain::run)
    };
    let (outcome, difference) = match result {
        Ok(outcome) => (outcome, None),
        Err(Halt::Different(difference)) => (Outcome::Differs, Some(*difference)),
        Err(Halt::Failed(error)) => return Err(error),
    };
    let mut report = DemoReport::new(args, &home, &record, outcome, home::sizes(&home)?).took(began.elapsed());
    report.difference = difference;
    output::print(&report, output)?;
    Ok(match report.outcome {
        Outcome::Correct => Exit::Ok,
        Outcome::Differs => Exit::Divergence,
        Outcome::Stopped => signals.received().unwrap_or(Exit::Interrupted),
    })
}
