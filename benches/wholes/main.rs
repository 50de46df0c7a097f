//! The whole runs: what a node does in a second, beside what this machine could do at most, both from one run.
//!
//! ```text
//! limits   rows hashed, leaves hashed, a block's bytes written and synced, without anything around them
//! live     blocks of a migration, with a caller's writes and with readers
//! reads    point reads behind the migration
//! reopen   closing and opening again
//! ```
//! Figures of different runs are not compared: machines are shared. Ratios of one run are.

mod home;
mod limits;
mod live;
mod measure;
mod reads;

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use serde_json::{Value, json};

use crate::home::Homes;

/// Runs whole nodes and prints what they did beside the limits of this machine.
#[derive(Parser)]
struct Arguments {
    /// The program that makes homes.
    #[arg(long)]
    ferry: PathBuf,
    /// Where homes are made; on the disk that is to be measured.
    #[arg(long)]
    scratch: PathBuf,
    /// EVM accounts of the home; ten storage slots each.
    #[arg(long, default_value_t = 100_000)]
    accounts: u64,
    /// Keys that one block moves.
    #[arg(long, value_delimiter = ',', default_value = "100,1000,10000")]
    batch: Vec<u64>,
    /// The caller's writes in one block.
    #[arg(long, value_delimiter = ',', default_value = "0,500,5000")]
    writes: Vec<usize>,
    /// Threads that read meanwhile.
    #[arg(long, value_delimiter = ',', default_value = "0,2")]
    readers: Vec<usize>,
    /// Blocks of one run, if the migration lasts so long.
    #[arg(long, default_value_t = 100)]
    blocks: u64,
    /// What is run.
    #[arg(long, value_delimiter = ',', default_value = "limits,live,reads")]
    parts: Vec<Part>,
    /// What every choice follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the figures are written as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// A part of the run: one alone is what a profile is taken of.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    Limits,
    Live,
    Reads,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let homes = Homes::make(&arguments)?;
    let mut figures = json!({ "schema_version": 1, "threads": threads(), "accounts": arguments.accounts });
    if arguments.parts.contains(&Part::Limits) {
        figures["limits"] = limits::measure(&arguments.scratch)?;
        println!("{}", limits::table(&figures["limits"]));
    }
    if arguments.parts.contains(&Part::Live) {
        figures["live"] = live(&homes, &arguments)?;
    }
    if arguments.parts.contains(&Part::Reads) {
        figures["reads"] = reads::run(&homes, &arguments)?;
        println!("{}", reads::table(&figures["reads"]));
    }
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&figures)? + "\n";
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn live(homes: &Homes, arguments: &Arguments) -> Result<Value> {
    println!("{}", live::HEADER);
    let mut runs = Vec::new();
    for (batch, writes, readers) in combinations(arguments) {
        let run = live::run(homes, arguments, live::Plan { batch, writes, readers })?;
        println!("{}", live::line(&run));
        runs.push(run);
    }
    Ok(runs.into())
}

/// Every batch with every number of writes; readers beside the middle number of writes alone.
fn combinations(arguments: &Arguments) -> Vec<(u64, usize, usize)> {
    let quiet = arguments.readers.first().copied().unwrap_or(0);
    let middle = arguments.writes[arguments.writes.len() / 2];
    let mut combinations = Vec::new();
    for batch in &arguments.batch {
        combinations.extend(arguments.writes.iter().map(|writes| (*batch, *writes, quiet)));
        combinations.extend(arguments.readers.iter().skip(1).map(|readers| (*batch, middle, *readers)));
    }
    combinations
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
