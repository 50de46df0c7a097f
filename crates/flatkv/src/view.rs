//! A view: the store at one committed version, owned and immutable.

use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::Bytes;
use changeset::{Hash, PairIter, Read, Scan, ScanOrder, ScanRange, StoreResult};

use crate::block::Row;
use crate::codec::u64_record;
use crate::error::{FlatKvError, Result};
use crate::key::{Field, locate};
use crate::lane::Lane;
use crate::lattice::{Entry, Lattices, Totals};
use crate::meta::{self, StoredBlock};
use crate::options::Family;
use crate::row::read_field;
use crate::row_cache::RowCache;
use crate::scan::{Committed, scan};
use crate::source::Source;

/// The store at one committed version. Clones share it; it takes no lock that a commit holds, and keeps the database open.
#[derive(Clone)]
pub struct View(Arc<Inner>);

struct Inner {
    source: Source,
    progress: Progress,
    lattices: Lattices,
    root: Hash,
    /// None where nothing is written: what reads a store that rests reads it once.
    rows: Option<Arc<RowCache>>,
}

/// The heights of the blocks that the store has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

/// How far the store is, and the old one with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// None before the first block.
    pub(crate) span: Option<Span>,
    /// Up to which height the old store's changelog is known to be on disk.
    pub(crate) changelog_synced: u64,
    /// The height of the last block that had a handoff.
    pub(crate) last_handoff: Option<u64>,
}

impl Progress {
    pub(crate) fn needed_handoffs(&self) -> Option<RangeInclusive<u64>> {
        let last = self.last_handoff.filter(|last| *last > self.changelog_synced)?;
        Some(self.changelog_synced + 1..=last)
    }
}

impl View {
    /// The last committed version; none before the first block.
    pub fn version(&self) -> Option<u64> {
        self.0.progress.span.map(|span| span.last)
    }

    /// The height of the store's first block.
    pub fn first_version(&self) -> Option<u64> {
        self.0.progress.span.map(|span| span.first)
    }

    /// The root over all rows.
    pub fn root(&self) -> Hash {
        self.0.root
    }

    /// Row counts and bytes per lane and module, in this order.
    pub fn totals(&self) -> impl Iterator<Item = (Lane, &str, Totals)> {
        self.0.lattices.iter().map(|((lane, module), entry)| (*lane, module.as_ref(), entry.totals))
    }

    /// The height of the block that wrote the row of `key`; none if there is no row.
    ///
    /// # Errors
    /// I/O and corruption.
    pub fn height_of(&self, module: &str, key: &[u8]) -> Result<Option<u64>> {
        let mut physical = Vec::new();
        let Ok(field) = locate(module, key, &mut physical) else { return Ok(None) };
        self.0.source.get(Family::Rows(field.lane()), &physical, |row| {
            crate::row::check_row(field.lane(), row)
                .map_err(|source| FlatKvError::Row { key: physical.clone(), source })
        })
    }

    pub(crate) fn span(&self) -> Option<Span> {
        self.0.progress.span
    }

    /// Up to which height the old store's changelog was known to be on disk.
    pub fn changelog_synced(&self) -> u64 {
        self.0.progress.changelog_synced
    }

    /// The height of the last block that had a handoff: where the old store must stand.
    pub fn last_handoff(&self) -> Option<u64> {
        self.0.progress.last_handoff
    }

    /// The heights whose handoffs the old store may still need: not known to be synced, up to the last one.
    pub(crate) fn needed_handoffs(&self) -> Option<RangeInclusive<u64>> {
        self.0.progress.needed_handoffs()
    }

    pub(crate) fn lattices(&self) -> &Lattices {
        &self.0.lattices
    }

    pub(crate) fn source(&self) -> &Source {
        &self.0.source
    }

    pub(crate) fn row_cache(&self) -> Option<&Arc<RowCache>> {
        self.0.rows.as_ref()
    }

    /// What `read` makes of a row; none if there is no row.
    pub(crate) fn row<R>(&self, lane: Lane, key: &[u8], read: impl FnOnce(&[u8]) -> Result<R>) -> Result<Option<R>> {
        let (Some(cache), Some(version)) = (&self.0.rows, self.version()) else {
            return self.0.source.get(Family::Rows(lane), key, read);
        };
        if let Some(known) = cache.get(version, lane, key) {
            return known.as_deref().map(read).transpose();
        }
        let row = self.0.source.get(Family::Rows(lane), key, |row| Ok(Row::from(row)))?;
        let result = row.as_deref().map(read).transpose()?;
        cache.keep(version, lane, key, row);
        Ok(result)
    }

    /// The view of what a source holds, its metadata read and compared; hot rows are kept in `row_cache_bytes`.
    pub(crate) fn load(source: Source, row_cache_bytes: usize) -> Result<Self> {
        let integer = |key, record| source.get(Family::Meta, key, |bytes| u64_record(record, bytes));
        let version = integer(meta::VERSION, "version")?;
        let first = integer(meta::FIRST, "first")?;
        let changelog_synced = integer(meta::CHANGELOG_SYNCED, "changelog_synced")?.unwrap_or_default();
        let span = match (first, version) {
            (None, None) => None,
            (Some(first), Some(last)) if first <= last => Some(Span { first, last }),
            (first, last) => {
                let (expected, got) = (format!("first {first:?} up to it"), format!("{last:?}"));
                return Err(FlatKvError::Disagree { what: "version", expected, got });
            }
        };
        let last_handoff = match span {
            Some(span) => stored_block(&source, span.last)?.last_handoff,
            None => None,
        };
        let lattices = load_lattices(&source, &mut Err)?;
        let rows = RowCache::new(row_cache_bytes, span.map(|span| span.last)).map(Arc::new);
        Ok(Self::new(source, Progress { span, changelog_synced, last_handoff }, lattices, rows))
    }

    /// The view of what a source holds as far as its metadata decodes, and what does not.
    pub(crate) fn load_sound(source: Source) -> Result<(Self, Vec<FlatKvError>)> {
        let mut faults = Vec::new();
        let mut integer = |key, record| match source.get(Family::Meta, key, |bytes| u64_record(record, bytes)) {
            Err(error @ FlatKvError::Record { .. }) => {
                faults.push(error);
                Ok(None)
            }
            read => read,
        };
        let version = integer(meta::VERSION, "version")?;
        let first = integer(meta::FIRST, "first")?;
        let changelog_synced = integer(meta::CHANGELOG_SYNCED, "changelog_synced")?.unwrap_or_default();
        if let (None, Some(_)) | (Some(_), None) = (first, version) {
            let (expected, got) = (format!("first {first:?} up to it"), format!("{version:?}"));
            let what = if version.is_none() { "version" } else { "first" };
            faults.push(FlatKvError::Disagree { what, expected, got });
        }
        // Without the version, the last block is the newest one that has a record.
        let newest = if version.is_none() { newest_block(&source)? } else { None };
        let last = version.or(newest).or(first);
        let span = last.map(|last| Span { first: first.unwrap_or(last).min(last), last });
        let last_handoff = match span.map(|span| stored_block(&source, span.last)).transpose() {
            Ok(block) => block.and_then(|block| block.last_handoff),
            Err(error @ (FlatKvError::Record { .. } | FlatKvError::Missing { .. })) => {
                faults.push(error);
                None
            }
            Err(error) => return Err(error),
        };
        let lattices = load_lattices(&source, &mut |error| {
            faults.push(error);
            Ok(())
        })?;
        Ok((Self::new(source, Progress { span, changelog_synced, last_handoff }, lattices, None), faults))
    }

    /// The view of what a commit has just written.
    pub(crate) fn new(source: Source, progress: Progress, lattices: Lattices, rows: Option<Arc<RowCache>>) -> Self {
        let root = lattices.root();
        Self(Arc::new(Inner { source, progress, lattices, root, rows }))
    }
}

/// The height of the newest block that has a record; none if no block has one.
fn newest_block(source: &Source) -> Result<Option<u64>> {
    let mut options = rocksdb::ReadOptions::default();
    options.set_iterate_range(meta::block_key(0)..meta::block_key(u64::MAX));
    let mut blocks = Committed::new(source, Family::Meta, options, ScanOrder::Descending);
    if !blocks.advance()? {
        return Ok(None);
    }
    let height = blocks.item().and_then(|(key, _)| key.last_chunk().copied());
    Ok(height.map(u64::from_be_bytes))
}

/// The record of a block that must be there.
pub(crate) fn stored_block(source: &Source, height: u64) -> Result<StoredBlock> {
    let block = source.get(Family::Meta, &meta::block_key(height), StoredBlock::decode)?;
    block.ok_or(FlatKvError::Missing { record: "block", height })
}

/// All entries; `refused` says what becomes of one that does not decode.
fn load_lattices(source: &Source, refused: &mut dyn FnMut(FlatKvError) -> Result<()>) -> Result<Lattices> {
    let mut options = rocksdb::ReadOptions::default();
    options.set_iterate_range(rocksdb::PrefixRange(meta::LATTICE_PREFIX));
    let mut entries = Committed::new(source, Family::Meta, options, ScanOrder::Ascending);
    let mut lattices = Lattices::default();
    while entries.advance()? {
        let Some((key, value)) = entries.item() else { break };
        match meta::lattice_part(key).and_then(|part| Ok((part, Entry::decode(value)?))) {
            Ok((part, entry)) => lattices.insert(part, entry),
            Err(error) => refused(error)?,
        }
    }
    Ok(lattices)
}

/// A module and key that no row can have are absent, not an error, when they are read.
pub(crate) fn locate_read(module: &str, key: &[u8], physical: &mut Vec<u8>) -> Option<Field> {
    locate(module, key, physical).ok()
}

/// What `field` of a row reads as.
pub(crate) fn value_of(field: Field, physical: &[u8], row: &[u8]) -> Result<Option<Bytes>> {
    read_field(field, row).map_err(|source| FlatKvError::Row { key: physical.to_vec(), source })
}

impl Read for View {
    fn get(&self, module: &str, key: &[u8]) -> StoreResult<Option<Bytes>> {
        let mut physical = Vec::with_capacity(module.len() + 1 + key.len());
        let Some(field) = locate_read(module, key, &mut physical) else { return Ok(None) };
        let read = |row: &[u8]| value_of(field, &physical, row);
        Ok(self.row(field.lane(), &physical, read)?.flatten())
    }

    fn get_many(&self, module: &str, keys: &[Bytes]) -> StoreResult<Vec<Option<Bytes>>> {
        let mut values = vec![None; keys.len()];
        let mut wanted = Vec::with_capacity(keys.len());
        let cache = self.0.rows.as_ref().zip(self.version());
        for (at, key) in keys.iter().enumerate() {
            let mut physical = Vec::with_capacity(module.len() + 1 + key.len());
            let Some(field) = locate_read(module, key, &mut physical) else { continue };
            match cache.and_then(|(rows, version)| rows.get(version, field.lane(), &physical)) {
                Some(known) => {
                    values[at] = known.map(|row| value_of(field, &physical, &row)).transpose()?.flatten();
                }
                None => wanted.push((field, physical, at)),
            }
        }
        // Sorted by lane and key: RocksDB then looks into each block once.
        wanted.sort_unstable_by(|a, b| (a.0.lane(), &a.1).cmp(&(b.0.lane(), &b.1)));
        for lane in wanted.chunk_by(|a, b| a.0.lane() == b.0.lane()) {
            let rows = self.0.source.get_many(Family::Rows(lane[0].0.lane()), lane.iter().map(|(_, key, _)| key))?;
            for ((field, physical, at), row) in lane.iter().zip(rows) {
                values[*at] = row.map(|row| value_of(*field, physical, &row)).transpose()?.flatten();
            }
        }
        Ok(values)
    }
}

impl Scan for View {
    fn scan<'a>(&'a self, module: &str, range: &ScanRange, order: ScanOrder) -> StoreResult<PairIter<'a>> {
        Ok(scan(&self.0.source, None, module, range, order)?)
    }
}
