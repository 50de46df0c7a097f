//! A short life of a small chain: three modules, all three migrations, and the caller's writes that go with them.
//!
//! Each block writes keys on both sides of the cursor, so that a block that follows damage meets it in every way there is:
//! it moves it, overwrites it, deletes it, or hashes over it.

use bytes::Bytes;
use ferry::{BatchLimit, KvPair, Mode, NamedChangeSet, Options, SnapshotOptions};

/// The modules of the chain.
pub(crate) const MODULES: [&str; 3] = ["acc", "bank", "evm"];
/// Keys that a block moves, apart from the blocks that move `evm`, which has more keys.
const BATCH_KEYS: u64 = 6;
const BATCH_KEYS_EVM: u64 = 12;
/// Keys of a part of the tree `evm` that a block touches in one place alone: most of its branches stay as the snapshot has
/// them until a block that follows the damage hashes over them.
const QUIET: u8 = 32;
/// How far apart two blocks touch it.
const QUIET_STEP: u8 = 7;
/// The last height of the script.
pub(crate) const LAST: u64 = 22;

/// A block to run.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) height: u64,
    pub(crate) mode: Mode,
    pub(crate) batch: u64,
    pub(crate) flushes: Vec<Vec<NamedChangeSet>>,
}

/// How a node of the chain is opened.
pub(crate) fn options() -> Options {
    Options {
        create: true,
        batch: BatchLimit::keys(BATCH_KEYS),
        modules: MODULES.map(str::to_owned).to_vec(),
        initial_stores: MODULES.map(str::to_owned).to_vec(),
        snapshot: SnapshotOptions {
            interval_blocks: 0,
            keep_recent: 1,
            write_bytes_per_second: None,
            ..SnapshotOptions::default()
        },
        block_cache_bytes: 1 << 20,
        memtable_bytes: 1 << 20,
        ..Options::default()
    }
}

fn mode(height: u64) -> Mode {
    match height {
        0..=7 => Mode::MemiavlOnly,
        8..=11 => Mode::MigrateEvm,
        12..=13 => Mode::MigrateAllButBank,
        14..=16 => Mode::MigrateBank,
        _ => Mode::FlatkvOnly,
    }
}

fn evm(prefix: u8, address: u8, tail: &[u8]) -> Bytes {
    [&[prefix], [address; 20].as_slice(), tail].concat().into()
}

fn slot(address: u8, number: u8) -> Bytes {
    evm(0x03, address, &[number; 32])
}

fn set(key: impl Into<Bytes>, value: impl Into<Bytes>) -> KvPair {
    KvPair::set(key, value)
}

/// What the chain is born with.
fn genesis() -> Vec<NamedChangeSet> {
    let nonce = |address| set(evm(0x0a, address, &[]), 7_u64.to_be_bytes().to_vec());
    let rows = [
        set(slot(1, 1), vec![0x11; 32]),
        set(slot(1, 2), vec![0x12; 32]),
        set(evm(0x07, 1, &[]), "the code of a contract"),
        set(evm(0x08, 1, &[]), vec![0x81; 32]),
        nonce(1),
        nonce(2),
        nonce(3),
        set(vec![0x01], "a row of no lane"),
        set(vec![0x0b, 9], ""),
        set(vec![0xff], "the last one"),
    ];
    vec![
        NamedChangeSet::new("acc", (1..14).map(|n| set(vec![b'a', n], vec![n; 9])).collect()),
        NamedChangeSet::new("bank", (1..9).map(|n| set(vec![b'b', n], vec![n; 6])).collect()),
        NamedChangeSet::new(
            "evm",
            rows.into_iter().chain((0..QUIET).map(|n| set(vec![0x20, n], vec![n; 3]))).collect(),
        ),
    ]
}

/// A block's writes: an old key anew, a new key, and now and then a delete.
fn writes(height: u64) -> Vec<NamedChangeSet> {
    // UNWRAP: the script is shorter than 256 blocks.
    let h = u8::try_from(height).expect("a short script");
    let mut bank = vec![set(vec![b'b', 1 + h % 4], vec![h; 5])];
    let mut acc = vec![set(vec![b'a', 1 + h % 3], vec![h; 7])];
    let mut rest =
        vec![set(slot(1, 1 + h % 2), vec![h; 32]), set(evm(0x0a, 1 + h % 3, &[]), u64::from(h).to_be_bytes().to_vec())];
    match h % 4 {
        0 => bank.push(set(vec![b'b', 0x40 + h], "new")),
        1 => acc.push(KvPair::delete(vec![b'a', 4 + h / 4])),
        2 => rest.push(set(slot(2, h), vec![h; 32])),
        _ => rest.push(KvPair::delete(slot(2, h - 1))),
    }
    rest.push(set(vec![0x20, h * QUIET_STEP % QUIET], vec![h; 4]));
    rest.push(set(vec![0xff], vec![h; 3]));
    vec![NamedChangeSet::new("acc", acc), NamedChangeSet::new("bank", bank), NamedChangeSet::new("evm", rest)]
}

/// The blocks, from the first one on.
pub(crate) fn blocks() -> Vec<Block> {
    let block = |height| {
        let flush = if height == 1 { genesis() } else { writes(height) };
        let batch = if mode(height) == Mode::MigrateEvm { BATCH_KEYS_EVM } else { BATCH_KEYS };
        Block { height, mode: mode(height), batch, flushes: vec![flush] }
    };
    (1..=LAST).map(block).collect()
}
