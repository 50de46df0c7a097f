//! `ferry gen`: makes a node home of a wanted size, with the key shapes of a real chain.

mod fill;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::exit::Exit;
use crate::home::{self, DiskSizes};
use crate::keyspace::{Keyspace, Sizes};
use crate::output::{self, Output, Report};
use crate::progress::Progress;
use crate::signals::Signals;
use crate::{table, units};

pub(crate) use fill::{Filled, fill};

/// Make a node home of a wanted size.
///
/// Keys have the shapes of a real chain: nonces, code, code hashes and storage slots of evm, balances of bank, entries of
/// wasm, and a few records in every other module. All is in memiavl, as before the migration. The same seed and sizes
/// make the same app hash. Memory does not grow with the size.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  ferry gen --home DIR --accounts 1000000 --slots 5000000")]
pub(crate) struct Args {
    /// The home to make: a new or an empty directory.
    #[arg(long, env = "FERRY_HOME", value_name = "DIR")]
    home: PathBuf,
    #[command(flatten)]
    sizes: Sizes,
    /// What all keys and values follow from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Serialize)]
struct GenReport {
    outcome: &'static str,
    home: String,
    seed: u64,
    sizes: Sizes,
    height: u64,
    app_hash: String,
    keys: u64,
    key_bytes: u64,
    value_bytes: u64,
    #[serde(flatten)]
    disk: DiskSizes,
    elapsed_seconds: f64,
}

/// Runs the command.
///
/// # Errors
/// A home that holds something (refused), I/O.
pub(crate) fn run(args: &Args, output: Output, signals: &Signals) -> anyhow::Result<Exit> {
    let began = Instant::now();
    home::require_empty(&args.home)?;
    let keyspace = Keyspace::new(args.seed, args.sizes);
    let mut progress = Progress::start("gen", "keys", Some(keyspace.total()));
    let mut filled = Filled::default();
    fill(&args.home, &keyspace, signals, &mut |_, _, height| {
        filled.keys += 1;
        progress.set(filled.keys, &format!("height {height}"));
    })
    .map(|end| filled = end)?;
    drop(progress);
    let stopped = signals.received();
    let report = GenReport::new(args, &args.home, &filled, stopped.is_some(), began)?;
    output::print(&report, output)?;
    Ok(stopped.unwrap_or(Exit::Ok))
}

impl GenReport {
    fn new(args: &Args, home: &Path, filled: &Filled, stopped: bool, began: Instant) -> anyhow::Result<Self> {
        Ok(Self {
            outcome: if stopped { "stopped" } else { "made" },
            home: home.display().to_string(),
            seed: args.seed,
            sizes: args.sizes,
            height: filled.height,
            app_hash: hex::encode(filled.app_hash),
            keys: filled.keys,
            key_bytes: filled.key_bytes,
            value_bytes: filled.value_bytes,
            disk: home::sizes(home)?,
            elapsed_seconds: began.elapsed().as_secs_f64(),
        })
    }
}

impl Report for GenReport {
    const COMMAND: &'static str = "gen";

    fn table(&self) -> String {
        let per_second = self.keys as f64 / self.elapsed_seconds.max(1e-3);
        table::facts([
            ("result", if self.outcome == "made" { "made" } else { "stopped by a signal, incomplete" }.to_owned()),
            ("home", self.home.clone()),
            ("height", units::count(self.height)),
            ("app hash", self.app_hash.clone()),
            ("keys", units::count(self.keys)),
            ("key bytes", units::bytes(self.key_bytes)),
            ("value bytes", units::bytes(self.value_bytes)),
            ("on disk", units::bytes(self.disk.memiavl_bytes)),
            (
                "time",
                format!(
                    "{}, {}",
                    units::span(Duration::from_secs_f64(self.elapsed_seconds)),
                    units::rate(per_second, "keys")
                ),
            ),
        ])
    }
}
