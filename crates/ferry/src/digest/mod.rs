//! The logical digest: one value for what a node's readers see, whatever the phase of its migration and whoever wrote which
//! row when, so that nodes can be compared; and where two digests differ, the way down to the key.
//!
//! ```text
//! row      lane u8 | logical value, under the physical key, see rows.rs; the element of a lattice state
//! digest   BLAKE3-256 of the lattice state over the rows of a range, of a module, of all modules
//! lane     0 account, 1 code, 2 storage, 3 misc
//! ```
//! The migration's own records are no rows of it. Nodes of the reference compare with another form: [`sei_digest`].

mod diff;
mod rows;
mod sei;
mod work;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use boundary::MIGRATION_STORE;
use changeset::{Hash, Walk};
use flatkv::Lane;
use lthash::LtHash;

use crate::View;
use crate::error::Error;

pub use diff::{DigestDifference, digest_differences, first_different_keys};
pub use sei::{SeiBucket, SeiDigest, sei_digest};

/// Rows of which a digest lists each by itself, where a part of a module was asked for.
const LISTED_ROWS_MAX: usize = 256;
/// The most bytes by which ranges can be told apart: a state for each of 65 536 ranges takes 128 MiB.
pub const SPLIT_BYTES_MAX: usize = 2;

/// Which part of a state to digest, and how finely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestRequest {
    /// One module; all of them by default.
    pub module: Option<String>,
    /// Only keys of that module which begin with this. An account stands under its nonce's key (`0a` and the address).
    pub prefix: Vec<u8>,
    /// Bytes behind the prefix by which ranges are told apart, at most [`SPLIT_BYTES_MAX`]; 0 for modules alone.
    pub split_bytes: usize,
    /// Threads that read.
    pub threads: usize,
}

impl Default for DigestRequest {
    fn default() -> Self {
        Self { module: None, prefix: Vec::new(), split_bytes: SPLIT_BYTES_MAX, threads: 1 }
    }
}

/// A sum over rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowsDigest {
    /// How many.
    pub rows: u64,
    /// The digest over them.
    pub digest: Hash,
}

/// One row of a digest that lists them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedRow {
    /// Its key; an account's is its nonce's.
    pub key: Vec<u8>,
    /// Its lane.
    pub lane: Lane,
    /// The digest over it alone.
    pub digest: Hash,
}

/// A module's digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleDigest {
    /// The module.
    pub module: String,
    /// Over all its rows that were asked for.
    pub whole: RowsDigest,
    /// Over each range, by its prefix.
    pub ranges: BTreeMap<Vec<u8>, RowsDigest>,
    /// Each row, where a part of a module was asked for and there are few.
    pub listed: Option<Vec<ListedRow>>,
}

/// A logical digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// The height of the view.
    pub height: u64,
    /// What was asked for.
    pub request: DigestRequest,
    /// Over all modules.
    pub whole: RowsDigest,
    /// The modules in name order; those without a row are left out.
    pub modules: Vec<ModuleDigest>,
}

/// How far a digest is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DigestProgress {
    /// Rows read.
    pub rows: u64,
    /// Keys of memiavl and rows of FlatKV: at least as many as there are logical rows.
    pub rows_total: u64,
}

/// The digest of what a view's readers see. `progress` is called now and then and stops the work by breaking.
///
/// Memory is that of one range's state (2 KiB) per range of a module, whatever the state's size.
///
/// # Errors
/// An unknown module, values that could not become rows, damage, I/O, a stop.
pub fn digest(
    view: &View,
    request: &DigestRequest,
    progress: &mut dyn FnMut(DigestProgress) -> ControlFlow<()>,
) -> Result<Digest, Error> {
    let modules = match &request.module {
        Some(module) => vec![module.clone()],
        None => all_modules(view)?,
    };
    let rows_total = rows_total(view, &modules)?;
    let read = AtomicU64::new(0);
    let mut look = || progress(DigestProgress { rows: read.load(Ordering::Relaxed), rows_total });
    let depth = request.prefix.len() + request.split_bytes.min(SPLIT_BYTES_MAX);
    let cut = work::Cut { prefix: &request.prefix, depth, threads: request.threads };
    let mut whole = Sum::default();
    let mut digests = Vec::new();
    for module in modules {
        let sums: BTreeMap<_, Sum> = work::tally(view, &module, cut, &read, &mut look)?;
        let mut of_module = Sum::default();
        let mut ranges = BTreeMap::new();
        for (range, sum) in sums.into_iter().filter(|(_, sum)| sum.rows > 0) {
            ranges.insert(range, sum.digest());
            of_module.add(&sum);
        }
        whole.add(&of_module);
        if of_module.rows > 0 {
            let lists = !request.prefix.is_empty() && of_module.rows <= LISTED_ROWS_MAX as u64;
            let listed = lists.then(|| listed(view, &module, &request.prefix)).transpose()?;
            digests.push(ModuleDigest { module, whole: of_module.digest(), ranges, listed });
        }
    }
    Ok(Digest { height: view.height(), request: request.clone(), whole: whole.digest(), modules: digests })
}

/// Every module that a reader can find a key of.
fn all_modules(view: &View) -> Result<Vec<String>, Error> {
    let mut modules = view.modules().to_vec();
    if let Some(old) = view.old() {
        modules
            .extend(old.modules().map_err(|source| migrate_core::Error::Old { action: "listing the trees", source })?);
    }
    modules.retain(|module| module != MIGRATION_STORE);
    modules.sort_unstable();
    modules.dedup();
    Ok(modules)
}

fn rows_total(view: &View, modules: &[String]) -> Result<u64, Error> {
    let mut total = 0_u64;
    if let Some(old) = view.old() {
        for module in modules {
            let keys =
                old.len(module).map_err(|source| migrate_core::Error::Old { action: "counting keys", source })?;
            total = total.saturating_add(keys.unwrap_or(0));
        }
    }
    if let Some(new) = view.new_store() {
        let wanted = new.totals().filter(|(_, module, _)| modules.iter().any(|name| name == module));
        total = wanted.fold(total, |total, (_, _, totals)| total.saturating_add(totals.rows));
    }
    Ok(total)
}

/// The rows below `prefix`, which are few, each by itself.
fn listed(view: &View, module: &str, prefix: &[u8]) -> Result<Vec<ListedRow>, Error> {
    let mut rows = Vec::new();
    rows::visit_rows(view, module, &rows::Range::of_prefix(prefix), &mut |lane, physical, value| {
        let mut sum = Sum::default();
        work::Tally::row(&mut sum, lane, physical, value);
        let key = physical.get(module.len() + 1..).unwrap_or_default().to_vec();
        rows.push(ListedRow { key, lane, digest: sum.digest().digest });
        Ok(())
    })?;
    rows.sort_unstable();
    Ok(rows)
}

/// A digest being added up.
#[derive(Default)]
struct Sum {
    rows: u64,
    hash: Box<LtHash>,
    /// Where a row's lane and value are put together.
    scratch: Vec<u8>,
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.hash.merge(&other.hash);
    }

    fn digest(&self) -> RowsDigest {
        RowsDigest { rows: self.rows, digest: self.hash.root() }
    }
}

impl work::Tally for Sum {
    /// The lane stands before the value: a row of one lane is none of another, and an empty value still is a row.
    fn row(&mut self, lane: Lane, physical: &[u8], value: &[u8]) {
        self.rows += 1;
        self.scratch.clear();
        self.scratch.push(lane.number());
        self.scratch.extend_from_slice(value);
        self.hash.add(physical, &self.scratch);
    }

    fn merge(&mut self, other: Self) {
        self.add(&other);
    }
}
