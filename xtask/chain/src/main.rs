//! The rig of `cargo xtask chain`: `chain-net` runs the example chain under CometBFT, four validators on loopback,
//! disturbs them while they migrate, and compares.
//!
//! **It is not** a test of the store alone: what it adds to those is a consensus engine that replays, asks again, and
//! stops at the first app hash that differs.
//!
//! Good starting points:
//! - `scenario`: what is done to the network; a function each.
//! - `world`: the network with its load, as a scenario sees it.
//! - `check`: what must hold at the end, whatever was done.
//!
//! Invariants: the same seed chooses the same disturbances. All that was started is stopped; the folder of a failure is
//! kept.

mod check;
mod config;
mod load;
mod model;
mod node;
mod page;
mod plot;
mod process;
mod report;
mod rpc;
mod scenario;
mod world;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use rand::Rng;

use report::Report;
use scenario::{SCENARIOS, Scenario};
use world::World;

/// What a smoke runs.
const SMOKE: [&str; 1] = ["smoke"];

/// Run the example chain as a network of four validators, and disturb it.
#[derive(Clone, Parser)]
#[command(name = "chain-net")]
pub(crate) struct Args {
    /// Only these scenarios; --list names them.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    scenario: Vec<String>,
    /// Lists the scenarios.
    #[arg(long)]
    list: bool,
    /// What all choices follow from; random if absent.
    #[arg(long)]
    seed: Option<u64>,
    /// So many seeds, one after the other.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seeds: u64,
    /// The short scenario: one kill, and one node that joins.
    #[arg(long, conflicts_with = "scenario")]
    smoke: bool,
    /// Keys before the migration begins, about.
    #[arg(long, value_name = "N", default_value_t = 6_000)]
    keys: u64,
    /// Keys that a block moves.
    #[arg(long, value_name = "N", default_value_t = 400)]
    rate: u64,
    /// A snapshot for nodes that join every so many blocks. Of a large state each is work for a while.
    #[arg(long, value_name = "N", default_value_t = 10)]
    snapshot_every: u64,
    /// The chain's program.
    #[arg(long, value_name = "FILE")]
    app: PathBuf,
    /// The consensus engine.
    #[arg(long, value_name = "FILE")]
    engine: PathBuf,
    /// Where reports, pictures and the folders of failures go.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The machine has no other work, so that an opening is to take a second at most.
    #[arg(long)]
    quiet_machine: bool,
    /// Writes the report as a page with pictures there.
    #[arg(long, value_name = "DIR")]
    page: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<ExitCode> {
    if args.list {
        for scenario in SCENARIOS {
            println!("{:<16} {}", scenario.name, scenario.what);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = chosen(args)?;
    fs::create_dir_all(&args.out).with_context(|| format!("cannot make {}", args.out.display()))?;
    let first = args.seed.unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
    let mut reports = Vec::new();
    for seed in first..first + args.seeds {
        for scenario in &chosen {
            eprintln!("chain: {} seed={seed}", scenario.name);
            let report = lead(scenario, args, seed)?;
            eprintln!("{report}");
            reports.push(report);
        }
    }
    println!("{}", report::table(&reports));
    let json = format!("{:#}\n", report::json(&reports));
    let path = args.out.join("chain.json");
    fs::write(&path, json).with_context(|| format!("cannot write {}", path.display()))?;
    if let Some(page) = &args.page {
        page::write(page, args, &reports)?;
    }
    eprintln!("chain: the report and the pictures are in {}", args.out.display());
    let has_failed = reports.iter().any(|report| report.failure.is_some());
    Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn chosen(args: &Args) -> Result<Vec<&'static Scenario>> {
    let names = if args.smoke { SMOKE.map(str::to_owned).to_vec() } else { args.scenario.clone() };
    for name in &names {
        ensure!(SCENARIOS.iter().any(|known| known.name == name), "there is no scenario {name}; --list names them");
    }
    Ok(SCENARIOS.iter().filter(|known| names.is_empty() || names.iter().any(|name| name == known.name)).collect())
}

/// Runs one scenario from genesis to the comparison. What goes wrong is part of the report.
fn lead(scenario: &Scenario, args: &Args, seed: u64) -> Result<Report> {
    if let Some(reason) = (scenario.cannot)() {
        eprintln!("chain: SKIPPED {}: {reason}", scenario.name);
        return Ok(Report::skipped(scenario.name, seed, reason));
    }
    let mut world = World::make(args, scenario.name, seed)?;
    let ended = world.start().and_then(|()| (scenario.run)(&mut world)).and_then(|()| world.finish());
    let checked = ended.and_then(|last| check::check(&world, last, scenario.parts_at));
    let report = Report::new(&world, checked);
    let picture = args.out.join(format!("{}-{seed}.svg", scenario.name));
    fs::write(&picture, plot::svg(&report)).with_context(|| format!("cannot write {}", picture.display()))?;
    if report.failure.is_some() {
        let kept = world.keep(&args.out.join(format!("{}-{seed}", scenario.name)))?;
        eprintln!("chain: the failure's logs and homes are kept in {}", kept.display());
    }
    Ok(report)
}
