//! What benchmarks of the parts work on: keys as a chain has them, and a node in the middle of a migration.

use std::path::Path;

use bytes::Bytes;
use changeset::{OldLog, OldStore, Write};
use ferry::{KvPair, Mode, NamedChangeSet, Node, Options};
use memiavl::MemIavl;

/// Slots of the stores here.
pub const SLOTS: u64 = 100_000;
/// Keys that the block before the first measured one has moved: the half of them.
const BATCH: u64 = 10_000;
/// What stands before a slot's address.
const SLOT_PREFIX: u8 = 0x03;

/// The key of a storage slot of module evm, 53 bytes: `number` of `count` in key order, spread as hashes are.
pub fn slot(number: u64, count: u64) -> Bytes {
    let place = number.wrapping_mul(u64::MAX / count.max(1));
    let key: [&[u8]; 4] = [&[SLOT_PREFIX], &place.to_be_bytes(), &[0x5a; 12], &scattered(number)];
    key.concat().into()
}

/// Every `step`-th slot of a store.
pub fn slots(step: usize) -> Vec<Bytes> {
    (0..SLOTS).step_by(step).map(|number| slot(number, SLOTS)).collect()
}

/// A slot's value, 32 bytes, another one for each round.
pub fn value(number: u64, round: u64) -> Bytes {
    scattered(number ^ round.rotate_left(32) ^ 1).to_vec().into()
}

/// New values for `keys` of evm.
pub fn sets(keys: &[Bytes], round: u64) -> NamedChangeSet {
    let pairs = keys.iter().zip(0_u64..).map(|(key, number)| KvPair::set(key.clone(), value(number, round)));
    NamedChangeSet::new("evm", pairs.collect())
}

/// `keys` of evm, removed.
pub fn removals(keys: &[Bytes]) -> NamedChangeSet {
    NamedChangeSet::new("evm", keys.iter().map(|key| KvPair::delete(key.clone())).collect())
}

/// memiavl with all slots in a mapped snapshot, in `dir`.
///
/// # Panics
/// I/O: a benchmark ends there.
pub fn tree(dir: &Path) -> MemIavl {
    let mut options = memiavl::Options::writer();
    options.initial_stores = vec!["evm".to_owned()];
    let opened = memiavl::open(dir, options).expect("a fresh directory");
    let mut store = opened.replay().expect("a fresh store");
    store.apply(&[sets(&slots(1), 0)]).expect("slots are keys");
    store.commit(&store.handoff([0; 32]), true).expect("a commit");
    store.snapshot_now().expect("a snapshot");
    store
}

/// A node in `home` that has moved half of its slots and goes on no further by itself.
///
/// # Panics
/// I/O: a benchmark ends there.
pub fn half_migrated(home: &Path) -> Node {
    let initial_stores = vec!["bank".to_owned(), "evm".to_owned()];
    let options = Options { create: true, initial_stores, ..Options::default() };
    let mut node = Node::open(home, options).expect("a fresh home");
    node.apply(vec![sets(&slots(1), 0)]).expect("slots are keys");
    node.commit().expect("a commit");
    node.snapshot_now().expect("a snapshot");
    node.set_batch_size(BATCH).expect("between blocks");
    node.set_mode(Mode::MigrateEvm).expect("the next mode");
    for _ in 0..SLOTS / BATCH / 2 {
        node.apply(Vec::new()).expect("a block that moves keys");
        node.commit().expect("a commit");
    }
    node.set_batch_size(0).expect("between blocks");
    node
}

/// 32 bytes that look like a hash: SplitMix64.
fn scattered(number: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    let mut state = number;
    for chunk in bytes.as_chunks_mut::<8>().0 {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        *chunk = (word ^ (word >> 31)).to_be_bytes();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_come_in_key_order_and_no_value_is_zero() {
        let slots = slots(1);
        assert!(slots.windows(2).all(|pair| pair[0] < pair[1]));
        assert!((0..1_000).all(|number| value(number, 3) != [0; 32].as_slice()));
        assert_ne!(value(5, 1), value(5, 2));
    }

    #[test]
    fn half_of_the_slots_have_moved() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let node = half_migrated(home.path());
        let view = node.view().expect("a view");
        let cursor = view.cursor_of("evm").expect("evm is a module");
        let moved = slots(1).iter().filter(|key| cursor.is_migrated("evm", key)).count() as u64;
        assert_eq!(moved, SLOTS / 2);
    }
}
