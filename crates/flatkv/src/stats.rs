//! What RocksDB says about itself, for metrics and status.

use rocksdb::properties;

use crate::error::Result;
use crate::options::Family;
use crate::source::Database;
use crate::store::FlatKv;

/// One column family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyStats {
    /// Its name.
    pub name: &'static str,
    /// Bytes of its tables.
    pub table_bytes: u64,
    /// Bytes of what lives in them, as RocksDB estimates it.
    pub live_bytes: u64,
    /// Bytes of its memtables.
    pub memtable_bytes: u64,
    /// Bytes that compactions have still to rewrite.
    pub pending_compaction_bytes: u64,
}

/// The whole database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Its column families, those of rows first.
    pub families: Vec<FamilyStats>,
    /// Bytes in the block cache.
    pub block_cache_bytes: u64,
    /// Snapshots that are held.
    pub snapshots: u64,
    /// When the oldest of them was taken, in seconds since 1970; 0 if there is none.
    pub oldest_snapshot_timestamp_seconds: u64,
    /// Failures of flushes and compactions.
    pub background_errors: u64,
    /// Whether RocksDB has stopped taking writes until a compaction is done.
    pub is_write_stopped: bool,
}

impl FlatKv {
    /// What RocksDB says about itself now.
    ///
    /// # Errors
    /// RocksDB's.
    pub fn stats(&self) -> Result<Stats> {
        let database = &self.database;
        let of = |family, property| property_of(database, family, property);
        let families = Family::ALL.into_iter().map(|family| {
            Ok(FamilyStats {
                name: family.name(),
                table_bytes: of(family, properties::LIVE_SST_FILES_SIZE)?,
                live_bytes: of(family, properties::ESTIMATE_LIVE_DATA_SIZE)?,
                memtable_bytes: of(family, properties::SIZE_ALL_MEM_TABLES)?,
                pending_compaction_bytes: of(family, properties::ESTIMATE_PENDING_COMPACTION_BYTES)?,
            })
        });
        Ok(Stats {
            families: families.collect::<Result<_>>()?,
            block_cache_bytes: of(Family::Meta, properties::BLOCK_CACHE_USAGE)?,
            snapshots: of(Family::Meta, properties::NUM_SNAPSHOTS)?,
            oldest_snapshot_timestamp_seconds: of(Family::Meta, properties::OLDEST_SNAPSHOT_TIME)?,
            background_errors: of(Family::Meta, properties::BACKGROUND_ERRORS)?,
            is_write_stopped: of(Family::Meta, properties::IS_WRITE_STOPPED)? != 0,
        })
    }
}

/// A property's value; RocksDB has no answer for a family that never had one, which is zero.
fn property_of(database: &Database, family: Family, property: &rocksdb::properties::PropName) -> Result<u64> {
    let value = database.db.property_int_value_cf(database.family(family), property);
    Ok(value.map_err(|error| database.error("read property", error))?.unwrap_or_default())
}
