//! How RocksDB is set up: its column families and every option that is not its default, each with its reason.

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, DBRecoveryMode, LogLevel, WriteOptions,
};

use crate::lane::Lane;

const MIB: usize = 1 << 20;

/// Seconds before a file is written anew for what views had kept in it.
const BOTTOMMOST_DELAY_SECONDS: u32 = 24 * 60 * 60;

/// The version of the format that this crate writes and reads.
pub const FORMAT: u32 = 1;
/// What the name of the empty column family that tells the format begins with.
const FORMAT_PREFIX: &str = "ferry-flatkv-";

/// How a commit reaches the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Synced before it is acknowledged.
    #[default]
    Sync,
    /// Left to the operating system: survives the end of the process, not a power cut.
    Os,
}

/// How to open a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bytes of blocks, indexes and filters kept in memory.
    pub block_cache_bytes: usize,
    /// Bytes of hot rows kept in memory beside the blocks; 0 for none.
    pub row_cache_bytes: usize,
    /// Bytes of all memtables together.
    pub memtable_bytes: usize,
    /// Files kept open; -1 for all of them.
    pub open_files_max: i32,
    /// Threads for flushes and compactions.
    pub background_jobs: i32,
    /// Threads that hash the rows of a flush.
    pub hash_threads: usize,
    /// How a commit reaches the disk.
    pub durability: Durability,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            block_cache_bytes: 256 * MIB,
            row_cache_bytes: 128 * MIB,
            memtable_bytes: 128 * MIB,
            open_files_max: 4096,
            background_jobs: 2,
            hash_threads: std::thread::available_parallelism().map_or(1, usize::from),
            durability: Durability::Sync,
        }
    }
}

/// A column family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Rows(Lane),
    Meta,
    Handoff,
    Undo,
    Journal,
}

impl Family {
    pub(crate) const ALL: [Self; 8] = [
        Self::Rows(Lane::Account),
        Self::Rows(Lane::Code),
        Self::Rows(Lane::Storage),
        Self::Rows(Lane::Misc),
        Self::Meta,
        Self::Handoff,
        Self::Undo,
        Self::Journal,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rows(lane) => lane.name(),
            Self::Meta => "meta",
            Self::Handoff => "handoff",
            Self::Undo => "undo",
            Self::Journal => "journal",
        }
    }
}

/// The name of the column family that tells the format version.
pub(crate) fn format_family(format: u32) -> String {
    format!("{FORMAT_PREFIX}{format}")
}

/// The format version that a column family's name tells.
pub(crate) fn format_of(family: &str) -> Option<u32> {
    family.strip_prefix(FORMAT_PREFIX)?.parse().ok()
}

/// The names of all column families of a store of this format, RocksDB's own first.
pub(crate) fn family_names() -> impl Iterator<Item = String> {
    let fixed = [rocksdb::DEFAULT_COLUMN_FAMILY_NAME.to_owned(), format_family(FORMAT)];
    fixed.into_iter().chain(Family::ALL.into_iter().map(|family| family.name().to_owned()))
}

/// Options of the whole database.
pub(crate) fn database(options: &Options, create: bool) -> rocksdb::Options {
    let mut db = rocksdb::Options::default();
    db.create_if_missing(create);
    db.create_missing_column_families(create);
    // Damage is an error at once, never a warning in a log.
    db.set_paranoid_checks(true);
    // A torn last record is an unacknowledged block; damage before it refuses to open, so that nothing acknowledged is
    // dropped silently.
    db.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    // Syncing a log in pieces can leave a hole that recovery reads past (RocksDB issue 12489); each commit syncs anyway.
    db.set_wal_bytes_per_sync(0);
    // With it, a failed log write leaves column families at different blocks (RocksDB issue 12995).
    db.set_manual_wal_flush(false);
    // Every batch is in the log and logs are synced before a memtable's file counts, so flushes need not be atomic.
    db.set_atomic_flush(false);
    db.set_db_write_buffer_size(options.memtable_bytes);
    // Small families pin old logs; beyond this they are flushed, which bounds what a reopening replays.
    db.set_max_total_wal_size(2 * options.memtable_bytes as u64);
    db.set_max_open_files(options.open_files_max);
    db.set_max_background_jobs(options.background_jobs);
    // RocksDB starts this many threads for each family and each opening, whether there are tables to open or not: with its
    // default of 16 a small store starts 200 threads and spends nine tenths of its opening on them.
    db.set_max_file_opening_threads(1);
    // Files are written back as they grow, not all at once at the end: a commit's sync does not wait behind a compaction.
    db.set_bytes_per_sync(MIB as u64);
    db.set_log_level(LogLevel::Warn);
    db.set_max_log_file_size(8 * MIB);
    db.set_keep_log_file_num(4);
    // The log is for warnings; statistics are exported as metrics.
    db.set_stats_dump_period_sec(0);
    db.set_stats_persist_period_sec(0);
    db
}

/// All column families with their options.
pub(crate) fn families(options: &Options) -> Result<Vec<ColumnFamilyDescriptor>, rocksdb::Error> {
    let cache = Cache::new_lru_cache(options.block_cache_bytes);
    let unused = [rocksdb::DEFAULT_COLUMN_FAMILY_NAME.to_owned(), format_family(FORMAT)];
    // Without a cache named, RocksDB makes one of 32 MiB for each of them, at each opening.
    let unused = unused.into_iter().map(|name| (name, record_family(options, &cache)));
    let used = Family::ALL.into_iter().map(|family| {
        let settings = match family {
            Family::Rows(lane) => row_family(options, &cache, lane),
            Family::Meta | Family::Handoff | Family::Undo | Family::Journal => record_family(options, &cache),
        };
        (family.name().to_owned(), settings)
    });
    let described = |(name, settings)| Ok(ColumnFamilyDescriptor::new(name, keeping_files(settings)?));
    unused.chain(used).map(described).collect()
}

/// Without this a file is written anew as soon as the last view goes that is older than it, to write its rows without
/// their sequence numbers: with a view for each block that is every file, right behind its flush.
fn keeping_files(mut settings: rocksdb::Options) -> Result<rocksdb::Options, rocksdb::Error> {
    settings.get_options_from_string(format!("bottommost_file_compaction_delay={BOTTOMMOST_DELAY_SECONDS}"))
}

fn table(cache: &Cache) -> BlockBasedOptions {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    // Indexes and filters count against the cache's limit, those of the first level stay: memory is bounded by
    // configuration, not by the state's size.
    table.set_cache_index_and_filter_blocks(true);
    table.set_cache_index_and_filter_blocks_with_high_priority(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table
}

/// Rows: point reads of keys that are often absent, in random order.
fn row_family(options: &Options, cache: &Cache, lane: Lane) -> rocksdb::Options {
    let mut table = table(cache);
    // Every write first looks for an old row, and a migrated key mostly has none: a filter answers that without I/O.
    // Ribbon below the first level takes 30 % less memory than Bloom at the same rate of false answers.
    table.set_hybrid_ribbon_filter(10.0, 1);
    table.set_optimize_filters_for_memory(true);
    let mut family = rocksdb::Options::default();
    family.set_block_based_table_factory(&table);
    family.set_write_buffer_size(options.memtable_bytes / 2);
    family.set_level_compaction_dynamic_level_bytes(true);
    family.set_compression_type(DBCompressionType::Lz4);
    // The last level holds nine tenths of the rows. Zstd where values are long; hashes and nonces gain nothing by it.
    family.set_bottommost_compression_type(match lane {
        Lane::Code | Lane::Misc => DBCompressionType::Zstd,
        Lane::Account | Lane::Storage => DBCompressionType::Lz4,
    });
    family
}

/// Options of tables that are written past the log and ingested: as the lane's, but for the last level's compression, which
/// is too slow for it; a compaction gives it to them.
pub(crate) fn ingested(options: &Options, lane: Lane) -> rocksdb::Options {
    // Nothing is read through these options.
    let cache = Cache::new_lru_cache(0);
    let mut family = row_family(options, &cache, lane);
    family.set_bottommost_compression_type(DBCompressionType::Lz4);
    family
}

/// Records by height: written once, read after a crash or a rollback, dropped by range.
fn record_family(options: &Options, cache: &Cache) -> rocksdb::Options {
    let mut family = rocksdb::Options::default();
    family.set_block_based_table_factory(&table(cache));
    family.set_write_buffer_size(options.memtable_bytes / 4);
    family.set_compression_type(DBCompressionType::Lz4);
    family
}

/// Options of a commit's write.
pub(crate) fn write(durability: Durability) -> WriteOptions {
    let mut write = WriteOptions::default();
    write.set_sync(durability == Durability::Sync);
    write
}
