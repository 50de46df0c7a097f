//! The store that is being filled, as the threads that fill it share it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::bulk::run::Run;
use crate::error::{FlatKvError, Result};
use crate::key::check_module;
use crate::lane::{Lane, PerLane};
use crate::options::{Options, ingested};
use crate::store::FlatKv;

/// A store that is being filled, as of one block.
pub struct BulkLoad {
    pub(super) store: FlatKv,
    pub(super) height: u64,
    pub(super) tables: PerLane<rocksdb::Options>,
    /// Where tables are written before they are ingested.
    pub(super) staging: PathBuf,
    next_table: AtomicU64,
}

impl BulkLoad {
    /// Opens the store in `dir`, which may be new, to fill it as of block `height`, its last one if it has any. Tables are
    /// written to `staging` first, which must be on the same file system and is made.
    ///
    /// # Errors
    /// A store at another height, a directory of another program, I/O.
    pub fn begin(dir: &Path, staging: &Path, height: u64, options: &Options) -> Result<Self> {
        let store = FlatKv::open(dir, options)?;
        if let Some(got) = store.view.version().filter(|got| *got != height) {
            return Err(FlatKvError::Height { expected: height, got });
        }
        fs::create_dir(staging).map_err(|source| io_error("create directory", staging, source))?;
        let tables = PerLane::from_fn(|lane| ingested(options, lane));
        let staging = staging.to_owned();
        Ok(Self { store, height, tables, staging, next_table: AtomicU64::new(0) })
    }

    /// A run of pairs of `module`, in key order. Runs can be written by threads side by side; no two may have a row in
    /// common.
    ///
    /// # Errors
    /// A module name that no row can carry.
    pub fn run(&self, module: &str) -> Result<Run<'_>> {
        check_module(module)?;
        Ok(Run::new(self, module))
    }

    /// A new table's path.
    pub(super) fn table_path(&self, lane: Lane) -> PathBuf {
        let number = self.next_table.fetch_add(1, Ordering::Relaxed);
        self.staging.join(format!("{number:08}-{lane}.sst"))
    }
}

pub(super) fn io_error(operation: &'static str, path: &Path, source: std::io::Error) -> FlatKvError {
    FlatKvError::Io { operation, path: path.to_owned(), source }
}
