//! A copy of a store under repair: it takes what it is told, in one synced batch.
//!
//! It proves nothing by itself. Who mends a store works on a copy, opens that as a store again, which compares the roots, and
//! verifies it before it takes the other one's place.

use std::path::Path;
use std::sync::Arc;

use changeset::{AppHash, CommitInfo, Hash};
use rocksdb::WriteBatch;

use crate::audit::{Audit, RowMend, Tally};
use crate::error::{FlatKvError, Result};
use crate::meta::{self, StoredBlock};
use crate::options::{self, Durability, Family, Options};
use crate::source::Database;

/// A store under repair.
pub struct Patient {
    database: Arc<Database>,
    /// The store as it was found.
    pub found: Audit,
    batch: WriteBatch,
}

impl Patient {
    /// Opens the copy of a store in `dir`, whatever state it is in.
    ///
    /// # Errors
    /// A database that RocksDB does not open, I/O.
    pub fn open(dir: &Path, options: &Options) -> Result<Self> {
        let (database, found) = Audit::open_writer(dir, options)?;
        Ok(Self { database, found, batch: WriteBatch::default() })
    }

    /// Puts a row in another one's place, or takes it away.
    pub fn set_row(&mut self, mend: &RowMend) {
        let family = self.database.family(Family::Rows(mend.lane));
        match &mend.after {
            Some(row) => self.batch.put_cf(family, &mend.key, row),
            None => self.batch.delete_cf(family, &mend.key),
        }
    }

    /// Makes the kept states and counts those of `tally`.
    pub fn set_lattices(&mut self, tally: &Tally) {
        let family = self.database.family(Family::Meta);
        let end = crate::key::prefix_end(meta::LATTICE_PREFIX).unwrap_or_default();
        self.batch.delete_range_cf(family, meta::LATTICE_PREFIX, end.as_slice());
        for (part, entry) in tally.lattices().iter() {
            self.batch.put_cf(family, meta::lattice_key(part), entry.encode());
        }
    }

    /// Writes the record of block `height` anew.
    pub fn set_block(&mut self, height: u64, root: Hash, last_handoff: Option<u64>, block: (&CommitInfo, AppHash)) {
        let (commit_info, app_hash) = (block.0.clone(), block.1);
        let stored = StoredBlock { app_hash, root, last_handoff, commit_info };
        self.batch.put_cf(self.database.family(Family::Meta), meta::block_key(height), stored.encode());
    }

    /// Makes `height` the last block.
    pub fn set_version(&mut self, height: u64) {
        self.set_record(meta::VERSION, Some(&height.to_be_bytes()));
    }

    /// Notes up to which height the old store's changelog is on disk.
    pub fn set_changelog_synced(&mut self, height: u64) {
        self.set_record(meta::CHANGELOG_SYNCED, Some(&height.to_be_bytes()));
    }

    /// Gives up what is kept of the blocks before `lowest`: a rollback can lead there, and no further.
    pub fn forget_below(&mut self, lowest: u64) {
        let (none, lowest_key) = (0_u64.to_be_bytes(), lowest.to_be_bytes());
        // What undoes block `lowest` leads below it.
        let undone = lowest.saturating_add(1).to_be_bytes();
        self.batch.delete_range_cf(self.database.family(Family::Undo), none, undone);
        self.batch.delete_range_cf(self.database.family(Family::Journal), none, lowest_key);
        let family = self.database.family(Family::Meta);
        self.batch.delete_range_cf(family, meta::block_key(0), meta::block_key(lowest));
    }

    /// Puts bytes in the place of a block's undo record: for rigs that damage a store.
    pub fn set_undo(&mut self, height: u64, record: &[u8]) {
        self.batch.put_cf(self.database.family(Family::Undo), height.to_be_bytes(), record);
    }

    /// Puts bytes in the place of a block's line of the journal, or takes it away: for rigs that damage a store.
    pub fn set_journal(&mut self, height: u64, line: Option<&[u8]>) {
        let family = self.database.family(Family::Journal);
        match line {
            Some(line) => self.batch.put_cf(family, height.to_be_bytes(), line),
            None => self.batch.delete_cf(family, height.to_be_bytes()),
        }
    }

    /// Drops the handoffs up to `height`: for rigs, what a store does by itself some blocks later.
    pub fn drop_handoffs(&mut self, height: u64) {
        let (none, end) = (0_u64.to_be_bytes(), height.saturating_add(1).to_be_bytes());
        self.batch.delete_range_cf(self.database.family(Family::Handoff), none, end);
    }

    /// Puts bytes in the place of a metadata record, or takes it away: for rigs that damage a store.
    pub fn set_record(&mut self, key: &[u8], value: Option<&[u8]>) {
        let family = self.database.family(Family::Meta);
        match value {
            Some(value) => self.batch.put_cf(family, key, value),
            None => self.batch.delete_cf(family, key),
        }
    }

    /// Writes all of it in one synced batch, and closes the copy.
    ///
    /// # Errors
    /// I/O.
    pub fn finish(self) -> Result<()> {
        let write = options::write(Durability::Sync);
        let written = self.database.db.write_opt(self.batch, &write);
        written.map_err(|source| FlatKvError::RocksDb { operation: "mend", path: self.database.path.clone(), source })
    }
}
