//! A copy of a user's home under torture: some blocks of its real migration are recorded, and what a power cut could leave
//! behind each operation is opened and compared with an undisturbed run of the same copy.
//!
//! ```text
//! copy          the stores, as they are; the home is read and never written to, and no node may have it open
//! undisturbed   blocks that move keys and write to some that are there: height, app hash, boundary, logical digest of each
//! recorded      the same blocks below the recorder
//! images        one whole block, as it was undisturbed; every check of `ferry verify`; the same end
//! ```
//! No model knows what stands in such a home: what is compared is what the node itself shows without a crash.

mod trial;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

use anyhow::{Context, Result, ensure};
use ferry::memiavl::LockState;
use ferry::{
    BatchLimit, Durability, Home, KvPair, Mode, ModeSetting, NamedChangeSet, Node, Options, ScanOrder, ScanRange,
    Settings, View,
};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::child::Control;
use crate::crash_points::moment_at;
use crate::image::Image;
use crate::recording;
use crate::report::Report;
use crate::survivors::Survivors;
use crate::trace::{Goal, Moment};
use trial::Trial;

/// Where a home has its stores; the last two in older nodes.
const PLACES: [&str; 3] = ["data/state_commit", "data/committer.db", "data/flatkv"];
const LOCKS: [&str; 2] = ["LOCK", "ferry.lock"];
/// Pairs at either end of a module that blocks write to.
const KNOWN_PAIRS: usize = 32;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The home. It is read, and never written to.
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    /// Its file of settings; config/ferry.toml in it by default, if it is there.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Blocks to make.
    #[arg(long, default_value_t = 6)]
    blocks: usize,
    /// Keys that a block moves.
    #[arg(long, default_value_t = 1_000)]
    batch_keys: u64,
    /// Images to open, about; drawn from all crash points.
    #[arg(long, default_value_t = 400)]
    images: u64,
    /// What is random comes from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A larger home is refused: the rig has it in memory, and so are the images.
    #[arg(long, default_value_t = 1 << 30)]
    bytes_max: u64,
    /// Writes the results there instead of printing them.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Where the recording is kept, for repeating a failure.
    #[arg(long, default_value = "target/torture")]
    keep: PathBuf,
    /// A directory on a tmpfs for copies and images.
    #[arg(long, default_value = "/dev/shm")]
    scratch: PathBuf,
    /// The rig itself is broken so that it must find something: syncs are forgotten.
    #[arg(long)]
    plant: bool,
    /// Repeats one image of this recording.
    #[arg(long, value_name = "FILE", requires_all = ["point", "survivors"])]
    recording: Option<PathBuf>,
    #[arg(long)]
    point: Option<usize>,
    #[arg(long)]
    survivors: Option<Survivors>,
    #[arg(long)]
    settled: bool,
    /// Makes the blocks below the recorder.
    #[arg(long, hide = true)]
    live: bool,
}

impl Arguments {
    /// Whether this is the process that the recorder is in front of.
    pub(crate) fn is_below_the_recorder(&self) -> bool {
        self.live || std::env::var_os("TORTURE_NO_ALLOCATION").is_some()
    }
}

/// Tortures a copy, repeats an image of one, or makes the blocks.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let plan = Plan::of(arguments)?;
    if arguments.live {
        return live(&arguments.home, &plan).map(|()| ExitCode::SUCCESS);
    }
    let scratch = tempfile::tempdir_in(&arguments.scratch).context("no scratch directory")?;
    let first = scratch.path().join("first");
    copy_stores(&arguments.home, &first, arguments.bytes_max)?;
    let base = Image::read(&first)?;
    fs::remove_dir_all(&first)?;
    let work = scratch.path().join("undisturbed");
    base.put(&work)?;
    let trial = Trial::undisturbed(plan, &work)?;
    let ops = match &arguments.recording {
        Some(recording) => recording::read(recording)?,
        None => trial.record(&base, arguments, scratch.path())?,
    };
    let start = Moment::start(base.disk(&recording::numbers(&ops))?, vec![Goal { state: 0, step: 0 }], "opening");
    if let (Some(point), Some(survivors)) = (arguments.point, arguments.survivors) {
        let moment = moment_at(start, &ops, point, arguments.settled, &trial)?;
        Image::of(&moment.disk, survivors).put(&work)?;
        let verdict = trial.check(&work, &moment.goals);
        println!("point {point} in {}: {verdict:?}", moment.phase);
        return Ok(if verdict.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let report = Mutex::new(Report::new("home", arguments.seed, None));
    trial.torture(start, &ops, arguments, scratch.path(), &report)?;
    let report = report.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    report.finish(arguments.json.as_deref())?;
    Ok(if report.violations() > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The blocks to make.
struct Plan {
    options: Options,
    /// The file that the options come from.
    config: Option<PathBuf>,
    blocks: usize,
    batch_keys: u64,
    seed: u64,
}

impl Plan {
    fn of(arguments: &Arguments) -> Result<Self> {
        let own = arguments.home.join("config/ferry.toml");
        let config = arguments.config.clone().or_else(|| own.exists().then_some(own));
        let settings = config.as_deref().map_or(Ok(Settings::defaults(&[])), Settings::read)?;
        let options = Options {
            create: false,
            mode: ModeSetting::Auto,
            batch: BatchLimit::keys(0),
            durability: Durability::Sync,
            ..settings.options()
        };
        let Arguments { blocks, batch_keys, seed, .. } = *arguments;
        Ok(Self { options, config, blocks, batch_keys, seed })
    }

    /// What each block writes, beside what it moves: values of keys that are there, each with a bit flipped.
    fn writes(&self, view: &View) -> Result<Vec<Vec<NamedChangeSet>>> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut writes = vec![Vec::new(); self.blocks];
        for module in &self.options.modules {
            let mut known = Vec::new();
            for order in [ScanOrder::Ascending, ScanOrder::Descending] {
                let pairs = view.scan(module, &ScanRange { start: None, end: None }, order)?.take(KNOWN_PAIRS);
                known.extend(pairs.collect::<Result<Vec<_>, _>>()?);
            }
            for block in &mut writes {
                let Some((key, value)) = known.choose(&mut random) else { continue };
                let mut value = value.to_vec();
                if let Some(last) = value.last_mut() {
                    *last ^= 1 << random.random_range(0..8);
                }
                block.push(NamedChangeSet::new(module.clone(), vec![KvPair::set(key.clone(), value)]));
            }
        }
        Ok(writes)
    }

    fn block(&self, node: &mut Node, writes: &[NamedChangeSet]) -> Result<()> {
        node.set_batch(BatchLimit { keys: self.batch_keys, bytes: self.options.batch.bytes })?;
        node.step_towards(Mode::FlatkvOnly)?;
        node.apply(writes.to_vec())?;
        node.commit()?;
        Ok(())
    }
}

/// The child: makes the blocks, a marker before and behind each.
fn live(home: &Path, plan: &Plan) -> Result<()> {
    let mut control = Control::open()?;
    let mut node = Node::open(home, plan.options.clone())?;
    let writes = plan.writes(&node.view()?)?;
    for (index, writes) in writes.iter().enumerate() {
        control.mark(&format!("begin {index}"))?;
        plan.block(&mut node, writes)?;
        control.mark(&format!("done {index}"))?;
    }
    Ok(node.close()?)
}

/// Copies what a home has of its stores, locks and sockets left out.
fn copy_stores(from: &Path, to: &Path, bytes_max: u64) -> Result<()> {
    let home = Home::locate(from);
    ensure!(home.writer()? == LockState::Free, "a node has the home open; give a copy of it, or stop the node");
    let bytes = ferry::tree_bytes(&from.join("data"))?;
    ensure!(bytes <= bytes_max, "the home is too large to be held in memory: bytes={bytes} bytes_max={bytes_max}");
    fs::create_dir_all(to)?;
    for place in PLACES.iter().filter(|place| from.join(place).is_dir()) {
        fs::create_dir_all(to.join(place))?;
        copy(&from.join(place), &to.join(place)).with_context(|| format!("copying {place}"))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, path, to) = (entry.file_type()?, entry.path(), to.join(entry.file_name()));
        if kind.is_dir() {
            fs::create_dir(&to)?;
            copy(&path, &to)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&path)?, to)?;
        } else if kind.is_file() && !LOCKS.iter().any(|lock| entry.file_name() == *lock) {
            fs::write(to, fs::read(&path)?)?;
        }
    }
    Ok(())
}
