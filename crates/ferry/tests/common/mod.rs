//! What the tests of a whole node share: the model, and what compares a node with it.

#![expect(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod compare;
pub(crate) mod golden;
pub(crate) mod image;
pub(crate) mod keys;
pub(crate) mod life;
pub(crate) mod lives;
pub(crate) mod model;
pub(crate) mod patched;

use bytes::Bytes;
use ferry::{BatchLimit, KvPair, NamedChangeSet, Options};

/// The modules of a small chain: two for each of the three migrations' ways.
pub(crate) const MODULES: [&str; 4] = ["acc", "bank", "evm", "wasm"];

/// Options of a small fresh chain.
pub(crate) fn options(batch_keys: u64) -> Options {
    Options {
        create: true,
        batch: BatchLimit::keys(batch_keys),
        modules: MODULES.map(str::to_owned).to_vec(),
        initial_stores: MODULES.map(str::to_owned).to_vec(),
        block_cache_bytes: 8 << 20,
        row_cache_bytes: 8 << 20,
        memtable_bytes: 8 << 20,
        ..Options::default()
    }
}

/// A pair that sets a key.
pub(crate) fn set(key: &[u8], value: &[u8]) -> KvPair {
    KvPair::set(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value))
}

/// A pair that deletes a key.
pub(crate) fn delete(key: &[u8]) -> KvPair {
    KvPair::delete(Bytes::copy_from_slice(key))
}

/// One store's changes.
pub(crate) fn changes(store: &str, pairs: Vec<KvPair>) -> Vec<NamedChangeSet> {
    vec![NamedChangeSet::new(store, pairs)]
}

/// An address that is `byte` all through.
pub(crate) fn address(byte: u8) -> [u8; 20] {
    [byte; 20]
}

/// The memiavl key of an account's nonce.
pub(crate) fn nonce_key(byte: u8) -> Vec<u8> {
    [&[0x0a], address(byte).as_slice()].concat()
}

/// The memiavl key of an account's code hash.
pub(crate) fn code_hash_key(byte: u8) -> Vec<u8> {
    [&[0x08], address(byte).as_slice()].concat()
}

/// The memiavl key of a contract's code.
pub(crate) fn code_key(byte: u8) -> Vec<u8> {
    [&[0x07], address(byte).as_slice()].concat()
}

/// The memiavl key of a storage slot.
pub(crate) fn slot_key(byte: u8, slot: u8) -> Vec<u8> {
    [&[0x03], address(byte).as_slice(), &[slot; 32]].concat()
}
