//! Preflight: how much a migration of this home would move, how long it would take, how much room it needs, and what speaks
//! against it. Changes nothing at the home, also while a node runs there.
//!
//! ```text
//! look      what the home holds, who has it open, what the machine grants
//! count     every leaf that is left in memiavl, checked against its hash                     census
//! sample    some of its keys, moved by a real node in a scratch directory                    sample
//! foresee   the migrations ahead, the room at the worst moment                               forecast
//! judge     fine, to be known, or unsafe                                                     judge
//! ```

mod census;
mod forecast;
mod judge;
mod machine;
mod sample;
mod shape;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use boundary::MIGRATION_STORE;
use changeset::{LATTICE_STORE, OldStore, Walk};
use memiavl::LockState;
use migrate_core::Route;

pub use census::Count;
pub use forecast::{Phase, Room};
pub use judge::{Finding, Severity};
pub use machine::Machine;
pub use sample::{SCRATCH, Sample};
pub use shape::Shape;

pub(crate) use machine::free_bytes;
pub use machine::is_one_file_system;

use crate::error::Error;
use crate::home::Home;
use crate::import::ImportProgress;
use crate::inspect;
use crate::options::Options;
use crate::status::Status;

/// What a preflight assumes and where it may work.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Keys that a block is to move.
    pub batch_keys: u64,
    /// The time between two blocks of the chain.
    pub block_time: Option<Duration>,
    /// Where the sample's directory is made; none for no sample.
    pub scratch: Option<PathBuf>,
    /// Whether the leaves are counted one by one. Else there are only numbers of keys.
    pub counts: bool,
    /// Threads that count.
    pub threads: usize,
}

/// A module's tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleCount {
    /// Its name.
    pub name: String,
    /// Whether it is one of the chain's modules.
    pub is_known: bool,
    /// Whether its name belongs to something else.
    pub is_reserved: bool,
    /// Whether a migration has it still to move.
    pub is_left: bool,
    /// What stands in it.
    pub count: Count,
}

/// What a preflight found.
#[derive(Clone, Debug)]
pub struct Preflight {
    /// What the home holds.
    pub status: Status,
    /// Who has it open.
    pub writer: LockState,
    /// memiavl's trees in name order.
    pub modules: Vec<ModuleCount>,
    /// Whether leaves were counted one by one.
    pub is_counted: bool,
    /// How many trees memiavl has.
    pub trees: u64,
    /// The heights of memiavl's snapshots, the oldest first.
    pub memiavl_snapshots: Vec<u64>,
    /// What the machine grants.
    pub machine: Machine,
    /// The sample; none if none was taken, or there was nothing to take.
    pub sample: Option<Sample>,
    /// The migrations ahead.
    pub phases: Vec<Phase>,
    /// The room that they need.
    pub room: Room,
    /// What was asked and answered, the worst first.
    pub findings: Vec<Finding>,
}

impl Preflight {
    /// The worst answer.
    pub fn verdict(&self) -> Severity {
        self.findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Fine)
    }

    /// Keys that are left to move.
    pub fn keys(&self) -> u64 {
        self.phases.iter().map(|phase| phase.keys).sum()
    }
}

/// Looks at the home at `root`. `progress` is called now and then while keys are counted, and stops by breaking.
///
/// # Errors
/// No node there, directories of another program, damage, I/O, a stop.
pub fn preflight(
    root: &Path,
    options: &Options,
    terms: &Terms,
    progress: &mut dyn FnMut(ImportProgress) -> ControlFlow<()>,
) -> Result<Preflight, Error> {
    let home = Home::locate(root);
    let status = inspect::inspect(root, &options.modules)?;
    let memiavl = match status.memiavl_height {
        Some(height) => Some(inspect::open_memiavl(&home, Some(height))?),
        None => None,
    };
    let view = memiavl.as_ref().map(OldStore::view);
    let mut modules = Vec::new();
    for name in view.as_ref().map(Walk::modules).transpose().map_err(unreadable)?.unwrap_or_default() {
        let keys = view.as_ref().map(|view| view.len(&name)).transpose().map_err(unreadable)?.flatten();
        modules.push(module(name, keys.unwrap_or(0), &status, options));
    }
    let last = ImportProgress::default();
    if let Some(view) = view.as_ref().filter(|_| terms.counts) {
        let keys: Vec<_> = modules.iter().map(|module| (module.name.clone(), module.count.keys)).collect();
        let counts = census::count(view, &keys, terms.threads, progress)?;
        modules.iter_mut().zip(counts).for_each(|(module, count)| module.count = count);
    }
    let version = status.version.max(status.mode.base_version());
    let left: Vec<_> =
        modules.iter().filter(|module| module.is_left).map(|module| (module.name.clone(), module.count.keys)).collect();
    let sample = match (&view, &terms.scratch) {
        (Some(view), Some(scratch)) => {
            sample::take(view, &left, terms.batch_keys.max(1), scratch, options, &mut || progress(last))?
        }
        _ => None,
    };
    let snapshots = snapshots(&home)?;
    let newest = snapshots.last().map(|last| home.memiavl().join(memiavl_iter::snapshot_name(*last)));
    let snapshot_bytes = newest.map_or(0, |newest| tree_bytes(&newest));
    let mut found = Preflight {
        writer: home.writer()?,
        is_counted: terms.counts,
        trees: modules.len() as u64,
        memiavl_snapshots: snapshots,
        machine: Machine::look(root),
        phases: forecast::phases(version, &modules, sample.as_ref(), terms),
        room: forecast::room(&modules, snapshot_bytes, options.rollback_blocks, terms),
        sample,
        findings: Vec::new(),
        modules,
        status,
    };
    found.findings = judge::judge(&found, options, terms);
    Ok(found)
}

fn module(name: String, keys: u64, status: &Status, options: &Options) -> ModuleCount {
    let is_known = options.modules.contains(&name);
    let is_reserved = [MIGRATION_STORE, LATTICE_STORE].contains(&name.as_str());
    // A module without a way to FlatKV behind the present mode has nothing left that could move.
    let is_left = is_known && !is_reserved && status.mode.route(&name) != Route::New;
    ModuleCount { name, is_known, is_reserved, is_left, count: Count { keys, ..Count::default() } }
}

fn snapshots(home: &Home) -> Result<Vec<u64>, Error> {
    if !home.memiavl().exists() {
        return Ok(Vec::new());
    }
    let listed = memiavl_iter::list_snapshots(home.memiavl()).map_err(|source| Error::Memiavl(source.into()))?;
    Ok(listed.into_iter().map(|(height, _)| height).collect())
}

/// The bytes of the files below `dir`; those that cannot be read do not count, a forecast can do without them.
pub(crate) fn tree_bytes(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(|entry| entry.ok());
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => tree_bytes(&entry.path()),
        Ok(found) if found.is_file() => found.len(),
        _ => 0,
    });
    bytes.fold(0, u64::saturating_add)
}

fn unreadable(source: changeset::StoreError) -> Error {
    migrate_core::Error::Old { action: "counting keys", source }.into()
}
