//! What the tests of a store share.

use std::path::Path;

use bytes::Bytes;
use changeset::{
    BlockRecord, CommitInfo, Handoff, JournalLine, KvPair, LATTICE_STORE, NamedChangeSet, NewStore, Read, Scan,
    ScanOrder, ScanRange, StoreError, Write,
};
use flatkv::{FlatKv, FlatKvError, Options};

pub(crate) type Changes = Vec<NamedChangeSet>;

/// A store in `dir`, small enough for many of them at once.
pub(crate) fn open(dir: &Path) -> FlatKv {
    FlatKv::open(dir, &options()).expect("opens")
}

pub(crate) fn options() -> Options {
    Options { block_cache_bytes: 1 << 20, memtable_bytes: 4 << 20, ..Options::default() }
}

/// A store whose first block will have height `first`.
pub(crate) fn seeded(dir: &Path, first: u64) -> FlatKv {
    let mut store = open(dir);
    store.seed(first).expect("seeds");
    store
}

pub(crate) fn evm(pairs: Vec<KvPair>) -> Changes {
    vec![NamedChangeSet::new("evm", pairs)]
}

/// The record of the next block, with a handoff.
pub(crate) fn record(store: &FlatKv) -> BlockRecord {
    let height = store.next_version().expect("a seeded store");
    let commit_info = CommitInfo::new(height, [(LATTICE_STORE, store.working_root())]);
    BlockRecord {
        height,
        app_hash: changeset::app_hash(&commit_info),
        commit_info,
        handoff: Some(handoff(height)),
        journal: JournalLine { height, keys: height * 3, ..JournalLine::default() },
        changelog_synced: height.saturating_sub(2),
        retires_old: false,
        rollback_blocks: 1000,
    }
}

pub(crate) fn handoff(height: u64) -> Handoff {
    Handoff { version: height, entry: format!("entry of block {height}").into() }
}

/// Applies `changes` as one block.
pub(crate) fn commit(store: &mut FlatKv, changes: &[NamedChangeSet]) {
    store.apply(changes).expect("applies");
    let record = record(store);
    store.commit(&record).expect("commits");
}

pub(crate) fn pairs(store: &impl Scan, module: &str) -> Vec<(Bytes, Bytes)> {
    scan(store, module, &ScanRange::ALL, ScanOrder::Ascending)
}

pub(crate) fn scan(store: &impl Scan, module: &str, range: &ScanRange, order: ScanOrder) -> Vec<(Bytes, Bytes)> {
    let pairs = store.scan(module, range, order).expect("scans");
    pairs.collect::<Result<_, _>>().expect("scans to the end")
}

pub(crate) fn get(store: &impl Read, module: &str, key: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    store.get(module, key.as_ref()).expect("reads").map(|value| value.to_vec())
}

/// The crate's own error inside a trait's.
pub(crate) fn inner(error: &StoreError) -> &FlatKvError {
    error.downcast_ref().expect("an error of this crate")
}

/// Every row of the store: physical key and serialized value.
pub(crate) fn rows(store: &FlatKv) -> Vec<(Bytes, Bytes)> {
    let view = store.view().expect("a view");
    view.rows().map(|row| row.map(|row| (row.key, row.row))).collect::<Result<_, _>>().expect("reads all rows")
}

pub(crate) fn nonce_key(address: u8) -> Vec<u8> {
    with_prefix(0x0a, address)
}

pub(crate) fn code_hash_key(address: u8) -> Vec<u8> {
    with_prefix(0x08, address)
}

pub(crate) fn code_key(address: u8) -> Vec<u8> {
    with_prefix(0x07, address)
}

pub(crate) fn slot_key(address: u8, slot: u8) -> Vec<u8> {
    [with_prefix(0x03, address), vec![slot; 32]].concat()
}

fn with_prefix(prefix: u8, address: u8) -> Vec<u8> {
    let mut key = vec![address; 21];
    key[0] = prefix;
    key
}

pub(crate) fn nonce(value: u64) -> Vec<u8> {
    value.to_be_bytes().to_vec()
}
