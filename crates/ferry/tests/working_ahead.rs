//! The next batch is worked on while a block becomes durable, and no result shows it. A node that is opened anew before each
//! block never has such work, so it is what the other one is compared with, whatever comes between two blocks.

mod common;

use std::path::Path;

use common::{MODULES, changes, code_key, delete, nonce_key, options, set, slot_key};
use ferry::{Mode, NamedChangeSet, Node};
use proptest::prelude::*;

/// What happens between two blocks, or in one.
#[derive(Clone, Debug)]
enum Turn {
    /// A block with these writes, in so many flushes.
    Block { writes: Vec<Write>, flushes: usize },
    /// A block that is dropped, and what it wrote.
    Discarded(Vec<Write>),
    /// Another batch size.
    Batch(u64),
    /// A snapshot of memiavl, which puts other nodes under the same trees.
    Snapshot,
    /// The next mode, if it can be.
    Step,
}

#[derive(Clone, Debug)]
struct Write {
    module: usize,
    key: u8,
    /// None deletes.
    value: Option<u8>,
}

/// Keys of every lane, some of them where the cursor is about to pass.
fn evm_key(key: u8) -> Vec<u8> {
    match key % 4 {
        0 => nonce_key(key),
        1 => code_key(key),
        _ => slot_key(key % 8, key),
    }
}

fn pair(write: &Write) -> ferry::KvPair {
    let key = if MODULES[write.module] == "evm" { evm_key(write.key) } else { vec![write.key] };
    match write.value {
        None => delete(&key),
        Some(value) if key[0] == 0x0a => set(&key, &u64::from(value).to_be_bytes()),
        Some(value) if key[0] == 0x03 => set(&key, &[value; 32]),
        Some(value) => set(&key, &[value; 5]),
    }
}

fn sets(writes: &[Write]) -> Vec<NamedChangeSet> {
    let of = |module: usize| writes.iter().filter(|write| write.module == module).map(pair).collect::<Vec<_>>();
    let sets = (0..MODULES.len()).map(|module| NamedChangeSet::new(MODULES[module], of(module)));
    sets.filter(|set| !set.pairs().is_empty()).collect()
}

fn writes() -> impl Strategy<Value = Vec<Write>> {
    let value = prop_oneof![1 => Just(None), 3 => any::<u8>().prop_map(Some)];
    let write = (0..MODULES.len(), 0_u8..96, value).prop_map(|(module, key, value)| Write { module, key, value });
    prop::collection::vec(write, 0..12)
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        8 => (writes(), 1..3_usize).prop_map(|(writes, flushes)| Turn::Block { writes, flushes }),
        1 => writes().prop_map(Turn::Discarded),
        1 => (0_u64..9).prop_map(Turn::Batch),
        1 => Just(Turn::Snapshot),
        1 => Just(Turn::Step),
    ]
}

/// A home whose modules hold keys of every kind.
fn fill(home: &Path) {
    let mut node = Node::open(home, options(4)).expect("a fresh node");
    for module in 0..MODULES.len() {
        let all: Vec<_> = (0..64).map(|key| Write { module, key, value: Some(key) }).collect();
        node.apply(sets(&all)).expect("applied");
    }
    node.commit().expect("committed");
    node.close().expect("closed");
}

fn take(node: &mut Node, turn: &Turn) -> Option<ferry::AppHash> {
    match turn {
        Turn::Block { writes, flushes } => {
            for part in writes.chunks(writes.len().div_ceil(*flushes).max(1)) {
                node.apply(sets(part)).expect("applied");
            }
            if writes.is_empty() {
                node.apply(Vec::new()).expect("applied");
            }
            return Some(node.commit().expect("committed").app_hash);
        }
        Turn::Discarded(writes) => {
            node.apply(sets(writes)).expect("applied");
            node.discard().expect("dropped");
        }
        Turn::Batch(keys) => node.set_batch_size(*keys).expect("between blocks"),
        Turn::Snapshot => drop(node.snapshot()),
        // A step that cannot be is refused and changes nothing.
        Turn::Step => drop(node.mode().next().map(|mode| node.set_mode(mode))),
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn a_node_that_works_ahead_makes_the_blocks_of_one_that_cannot(turns in prop::collection::vec(turn(), 1..30)) {
        let homes = [tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory")];
        homes.iter().for_each(|home| fill(home.path()));
        let reopened = || Node::open(homes[1].path(), options(4)).expect("opens");
        let mut ahead = Node::open(homes[0].path(), options(4)).expect("opens");
        ahead.set_mode(Mode::MigrateEvm).expect("the first step");
        let mut batch = 4;
        let mut steps = vec![Mode::MigrateEvm];
        for turn in &turns {
            let mut other = reopened();
            // The mode is not kept by a home before its first block, so a chain says it on each.
            for mode in &steps {
                if other.mode().next() == Some(*mode) {
                    other.set_mode(*mode).expect("as the other node did");
                }
            }
            other.set_batch_size(batch).expect("between blocks");
            let left = take(&mut ahead, turn);
            // A finished migration is a mode that is over once a home is opened, so the step is another one there.
            let right = if matches!(turn, Turn::Step) { None } else { take(&mut other, turn) };
            prop_assert_eq!(left, right, "{:?}", turn);
            prop_assert_eq!(ahead.height(), other.height());
            if let Turn::Batch(keys) = turn {
                batch = *keys;
            }
            steps.push(ahead.mode());
            other.close().expect("closed");
        }
        let other = reopened();
        let app_hash = |node: &Node| node.view().expect("a view").app_hash();
        prop_assert_eq!(app_hash(&ahead), app_hash(&other));
        ahead.close().expect("closed");
        other.close().expect("closed");
    }
}

#[test]
fn writes_into_the_batch_that_was_worked_on_win_over_it() {
    let home = tempfile::tempdir().expect("a directory");
    fill(home.path());
    let mut node = Node::open(home.path(), options(8)).expect("opens");
    node.set_mode(Mode::MigrateEvm).expect("the first step");
    let mut written = 0;
    while node.mode() == Mode::MigrateEvm && written < 64 {
        // Every slot of the batch to come is written, deleted or left.
        let pairs = (0..8).map(|at| written + at).filter(|key| key % 3 != 0);
        let pairs = pairs.map(|key| match key % 3 {
            1 => set(&slot_key(key % 8, key), &[0xee; 32]),
            _ => delete(&slot_key(key % 8, key)),
        });
        node.apply(changes("evm", pairs.collect())).expect("applied");
        node.commit().expect("committed");
        written += 8;
    }
    let view = node.view().expect("a view");
    for key in (0..64_u8).filter(|key| key % 4 > 1) {
        let expected = match key % 3 {
            0 => Some(vec![key; 32]),
            1 => Some(vec![0xee; 32]),
            _ => None,
        };
        let got = view.get("evm", &slot_key(key % 8, key)).expect("read");
        assert_eq!(got.map(|value| value.to_vec()), expected, "key {key}");
    }
}
