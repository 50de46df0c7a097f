//! The hot rows: what reads of FlatKV come upon again and again, without a way through RocksDB.
//!
//! It holds rows by physical key, never logical reads; an absence is an entry too. An entry says since when it holds, and
//! answers a view of that version or a later one:
//!
//! ```text
//! a row                        since the height in it
//! a row that a block deleted   since that block
//! an absence that a view read  since that view's version
//! ```
//! INVARIANT: an entry holds up to `newest`. A commit first moves `newest` on, so that no older view inserts any more, then
//! replaces or drops what it has written, row by row, and only then is its view published. A reader inserts under the lock
//! of the key's stripe, and only while its view is the newest: what it has read is then what the commit, which takes the
//! same lock, will replace. Readers wait for nobody: where a lock is taken they do without the cache.

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Equivalent, Weighter};

use crate::block::{Overlay, Row};
use crate::lane::Lane;

/// Rows of more bytes stay out: they would push out many others, and reading them costs more than finding them.
const ROW_BYTES_MAX: usize = 16 << 10;
/// Bytes that an entry takes beside its key and row: table slots, two reference counts, the entry itself.
const ENTRY_BYTES: usize = 128;
/// An average entry: so many fit in the capacity. Too small an estimate costs memory, too large a one speed.
const AVERAGE_BYTES: usize = 256;
const STRIPES: usize = 64;

/// Rows by physical key. Shared by the writer and its views.
pub(crate) struct RowCache {
    rows: Cache<Key, Entry, ByBytes>,
    /// The version of the newest view, or of the one that is being committed.
    newest: AtomicU64,
    /// By key: held while an entry is put in or dropped.
    stripes: [Mutex<()>; STRIPES],
}

#[derive(Clone, PartialEq, Eq)]
struct Key {
    lane: Lane,
    bytes: Box<[u8]>,
}

/// A key that is looked for.
struct Wanted<'a> {
    lane: Lane,
    bytes: &'a [u8],
}

#[derive(Clone)]
struct Entry {
    since: u64,
    row: Option<Row>,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Key, Entry> for ByBytes {
    fn weight(&self, key: &Key, entry: &Entry) -> u64 {
        let row = entry.row.as_ref().map_or(0, |row| row.len());
        (ENTRY_BYTES + key.bytes.len() + row) as u64
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Wanted { lane: self.lane, bytes: &self.bytes }.hash(state);
    }
}

impl Hash for Wanted<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u8(self.lane.number());
        state.write(self.bytes);
    }
}

impl Equivalent<Key> for Wanted<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.lane == key.lane && *self.bytes == *key.bytes
    }
}

impl RowCache {
    /// An empty cache of a store at `version`; none if it may hold nothing.
    pub(crate) fn new(capacity_bytes: usize, version: Option<u64>) -> Option<Self> {
        if capacity_bytes == 0 {
            return None;
        }
        let items = capacity_bytes.div_ceil(AVERAGE_BYTES);
        let rows =
            Cache::with(items, capacity_bytes as u64, ByBytes, DefaultHashBuilder::default(), Default::default());
        let stripes = std::array::from_fn(|_| Mutex::new(()));
        Some(Self { rows, newest: AtomicU64::new(version.unwrap_or(0)), stripes })
    }

    /// The row of a key as a view of `version` sees it, or its absence; none if the cache cannot tell.
    pub(crate) fn get(&self, version: u64, lane: Lane, key: &[u8]) -> Option<Option<Row>> {
        let entry = self.rows.try_get(&Wanted { lane, bytes: key }).ok()??;
        (entry.since <= version).then_some(entry.row)
    }

    /// Keeps what a view of `version` has read.
    pub(crate) fn keep(&self, version: u64, lane: Lane, key: &[u8], row: Option<Row>) {
        if self.newest.load(Ordering::Acquire) != version || row.as_ref().is_some_and(|row| row.len() > ROW_BYTES_MAX) {
            return;
        }
        let entry = Entry { since: since(row.as_deref(), version), row };
        let Some(_stripe) = self.stripe(lane, key).try_lock() else { return };
        // Once more under the lock: a commit that has begun since then may have been here already.
        if self.newest.load(Ordering::Acquire) == version {
            self.rows.try_insert(Key { lane, bytes: key.into() }, entry).ok();
        }
    }

    /// Takes over what the block of `version` has written, before its view is published.
    pub(crate) fn commit(&self, version: u64, written: &Overlay) {
        self.newest.store(version, Ordering::Release);
        for (lane, rows) in written.iter() {
            for (key, pending) in rows {
                self.replace(lane, key, pending.now.clone(), version);
            }
        }
    }

    /// A row that is known was asked for: it is replaced. Any other stays unknown, or the rows that a migration moves would
    /// push out the hot ones.
    fn replace(&self, lane: Lane, key: &[u8], row: Option<Row>, version: u64) {
        let _stripe = self.stripe(lane, key).lock();
        let wanted = Wanted { lane, bytes: key };
        if !self.rows.contains_key(&wanted) {
            return;
        }
        if row.as_ref().is_some_and(|row| row.len() > ROW_BYTES_MAX) {
            self.rows.remove(&wanted);
        } else {
            self.rows.insert(Key { lane, bytes: key.into() }, Entry { since: version, row });
        }
    }

    fn stripe(&self, lane: Lane, key: &[u8]) -> &Mutex<()> {
        // The last bytes tell keys apart: addresses and slots end in them.
        let last = key.iter().rev().take(4).fold(usize::from(lane.number()), |sum, byte| sum * 31 + usize::from(*byte));
        &self.stripes[last % STRIPES]
    }
}

/// Since when what a view of `version` reads has held.
fn since(row: Option<&[u8]>, version: u64) -> u64 {
    row.map_or(version, |row| crate::row::height_of(row).unwrap_or(version))
}

#[cfg(test)]
mod tests;
