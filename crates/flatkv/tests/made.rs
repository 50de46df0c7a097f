//! Rows that were made before their block: whatever they were made of, the block is the same.

use changeset::{KvPair, NamedChangeSet, NewStore, Write};

use crate::common::{Changes, commit, seeded};

/// The height of the block that is looked at.
const HEIGHT: u64 = 8;

fn slot(number: u8) -> Vec<u8> {
    [[0x03].as_slice(), &[1; 20], &[number; 32]].concat()
}

fn nonce(number: u8) -> Vec<u8> {
    [[0x0a].as_slice(), &[number; 20]].concat()
}

fn code(number: u8) -> Vec<u8> {
    [[0x07].as_slice(), &[number; 20]].concat()
}

/// Pairs of every lane, keys ascending.
fn pairs() -> Vec<KvPair> {
    let slots = (1..9_u8).map(|number| KvPair::set(slot(number), vec![number; 32]));
    let zero = KvPair::set(slot(9), vec![0; 32]);
    let codes = (1..4_u8).map(|number| KvPair::set(code(number), vec![number; 5]));
    let nonces = (1..4_u8).map(|number| KvPair::set(nonce(number), u64::from(number).to_be_bytes().to_vec()));
    let misc = KvPair::set("\x20misc", "value");
    slots.chain([zero]).chain(codes).chain(nonces).chain([misc]).collect()
}

fn evm(pairs: Vec<KvPair>) -> Changes {
    vec![NamedChangeSet::new("evm", pairs)]
}

/// The root and the sum that moving those of `asked` leads to which `moved` marks, with rows made of `made`.
fn applied(made: Option<(Vec<KvPair>, u64)>, asked: &[KvPair], moved: &[bool]) -> ([u8; 32], String) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = seeded(dir.path(), HEIGHT - 1);
    // A row that stands where one is to move to, as only damage has it.
    commit(&mut store, &evm(vec![KvPair::set(slot(5), vec![0xaa; 32])]));
    let made = made.map(|(pairs, height)| flatkv::FlatKv::make_moved(&evm(pairs), height).expect("made"));
    let entered = store.apply_moving(&evm(asked.to_vec()), &[moved.to_vec()], made).expect("applies");
    let first = (store.working_root(), entered.to_string());
    // What the block holds is used by its later flushes, too.
    store.apply(&evm(vec![KvPair::delete(slot(2))])).expect("applies");
    assert_ne!(store.working_root(), first.0);
    first
}

#[track_caller]
fn nothing_changes(made: Vec<KvPair>, height: u64, asked: &[KvPair], moved: &[bool]) {
    assert_eq!(applied(Some((made, height)), asked, moved), applied(None, asked, moved));
}

#[test]
fn made_of_the_same_pairs_they_are_the_same_rows() {
    let all = vec![true; pairs().len()];
    nothing_changes(pairs(), HEIGHT, &pairs(), &all);
}

#[test]
fn made_of_other_pairs_they_are_left() {
    let all = vec![true; pairs().len()];
    // Other values, other heights, pairs that do not move at all, and some that were not made.
    let other = pairs().into_iter().map(|pair| match pair.key[0] {
        0x03 => KvPair::set(pair.key, vec![0x77; 32]),
        _ => pair,
    });
    nothing_changes(other.collect(), HEIGHT, &pairs(), &all);
    nothing_changes(pairs(), HEIGHT + 1, &pairs(), &all);
    let other_keys = (100..120_u8).map(|number| KvPair::set(slot(number), vec![number; 32]));
    nothing_changes(other_keys.collect(), HEIGHT, &pairs(), &all);
    nothing_changes(pairs().into_iter().step_by(3).collect(), HEIGHT, &pairs(), &all);
}

#[test]
fn made_of_pairs_that_a_caller_writes_they_are_left() {
    let written = pairs().into_iter().enumerate().map(|(at, pair)| match at % 3 {
        0 => KvPair::delete(pair.key),
        1 if pair.key[0] == 0x03 => KvPair::set(pair.key, vec![0x55; 32]),
        _ => pair,
    });
    let moved: Vec<_> = (0..pairs().len()).map(|at| at % 3 == 2).collect();
    nothing_changes(pairs(), HEIGHT, &written.collect::<Vec<_>>(), &moved);
}
