//! What writes make of rows, sentence by sentence (spec FORMATS, FlatKV rows).

use crate::common::{
    code_hash_key, code_key, commit, evm, get, inner, nonce, nonce_key, pairs, rows, scan, seeded, slot_key,
};
use bytes::Bytes;
use changeset::{History, KvPair, NamedChangeSet, NewStore, Read, ScanOrder, ScanRange, StoreErrorKind, Write};
use flatkv::{AccountRow, FlatKv, FlatKvError, KeyError, Lane, Totals};
use tempfile::{TempDir, tempdir};

fn store_at(first: u64) -> (TempDir, FlatKv) {
    let dir = tempdir().expect("a directory");
    let store = seeded(&dir.path().join("flatkv"), first);
    (dir, store)
}

fn account(height: u64, nonce: u64, code_hash: u8) -> Vec<u8> {
    AccountRow { height, balance: [0; 32], nonce, code_hash: [code_hash; 32] }.encode()
}

#[test]
fn keys_go_to_their_lanes_and_are_counted_there() {
    let (_dir, mut store) = store_at(5);
    let mut changes = evm(vec![
        KvPair::set(slot_key(1, 2), vec![3; 32]),
        KvPair::set(code_key(1), "code"),
        KvPair::set(nonce_key(1), nonce(4)),
        KvPair::set(code_hash_key(1), vec![5; 32]),
        KvPair::set([slot_key(1, 2), vec![0]].concat(), "one byte too long"),
    ]);
    changes.push(NamedChangeSet::new("bank", vec![KvPair::set(slot_key(1, 2), "any length")]));
    commit(&mut store, &changes);
    let view = store.view().expect("a view");
    let totals = |rows, bytes| Totals { rows, bytes };
    let expected = [
        (Lane::Account, "evm", totals(1, 25 + 81)),
        (Lane::Code, "evm", totals(1, 25 + 9 + 4)),
        (Lane::Storage, "evm", totals(1, 57 + 41)),
        (Lane::Misc, "bank", totals(1, 58 + 9 + 10)),
        (Lane::Misc, "evm", totals(1, 58 + 9 + 17)),
    ];
    assert_eq!(view.totals().collect::<Vec<_>>(), expected);
}

#[test]
fn a_row_is_the_version_the_height_and_the_fields() {
    let (_dir, mut store) = store_at(0x0102);
    commit(&mut store, &evm(vec![KvPair::set(slot_key(1, 2), vec![3; 32])]));
    let expected = [vec![0, 0, 0, 0, 0, 0, 0, 1, 2], vec![3; 32]].concat();
    let key = [b"evm/".to_vec(), slot_key(1, 2)].concat();
    assert_eq!(rows(&store), [(Bytes::from(key), Bytes::from(expected))]);
}

#[test]
fn the_empty_evm_key_is_refused_on_writing_and_not_found_on_reading() {
    let (_dir, mut store) = store_at(1);
    let error = store.apply(&evm(vec![KvPair::set("", "v")])).expect_err("refused");
    assert_eq!(error.kind(), StoreErrorKind::Input);
    assert!(matches!(inner(&error), FlatKvError::Key(KeyError::EmptyEvmKey)));
    assert_eq!(get(&store, "evm", ""), None);
    commit(&mut store, &[NamedChangeSet::new("bank", vec![KvPair::set("", "legal elsewhere")])]);
    assert_eq!(get(&store, "bank", "").as_deref(), Some(b"legal elsewhere".as_slice()));
}

#[test]
fn module_names_that_no_row_can_carry_are_refused_on_writing_and_empty_on_reading() {
    let (_dir, mut store) = store_at(1);
    for module in ["", "a/b"] {
        let error = store.apply(&[NamedChangeSet::new(module, vec![KvPair::set("k", "v")])]).expect_err("refused");
        assert!(matches!(inner(&error), FlatKvError::Key(KeyError::Module { .. })));
        assert_eq!(get(&store, module, "k"), None);
        assert_eq!(pairs(&store, module), []);
    }
}

#[test]
fn values_of_a_wrong_length_are_refused_and_nothing_of_their_flush_is_applied() {
    let (_dir, mut store) = store_at(1);
    for (key, expected) in [(slot_key(1, 1), 32), (nonce_key(1), 8), (code_hash_key(1), 32)] {
        for got in (0..40).filter(|got| *got != expected) {
            let changes = evm(vec![KvPair::set(code_key(9), "code"), KvPair::set(key.clone(), vec![1; got])]);
            let error = store.apply(&changes).expect_err("refused");
            assert_eq!(error.kind(), StoreErrorKind::Input);
            match inner(&error) {
                FlatKvError::ValueLength { module, key: told, expected: wanted, got: length } => {
                    assert_eq!((module.as_str(), told, *wanted, *length), ("evm", &key, expected, got));
                }
                other => panic!("another error: {other}"),
            }
        }
    }
    assert_eq!(store.pending_rows(), 0);
    assert_eq!(store.working_root(), store.committed_root());
}

#[test]
fn a_delete_of_any_lane_removes_the_row() {
    let (_dir, mut store) = store_at(1);
    let keys = [slot_key(1, 1), code_key(1), b"\x01misc".to_vec()];
    let set = keys.iter().map(|key| KvPair::set(key.clone(), vec![7; 32])).collect();
    commit(&mut store, &evm(set));
    assert_eq!(rows(&store).len(), 3);
    commit(&mut store, &evm(keys.iter().map(|key| KvPair::delete(key.clone())).collect()));
    assert_eq!(rows(&store), []);
    assert_eq!(store.committed_root(), lthash::LtHash::new().root());
}

#[test]
fn a_zero_slot_and_empty_code_are_deletes_and_an_empty_misc_value_is_a_value() {
    let (_dir, mut store) = store_at(1);
    commit(&mut store, &evm(vec![KvPair::set(slot_key(1, 1), vec![7; 32]), KvPair::set(code_key(1), "code")]));
    commit(
        &mut store,
        &evm(vec![
            KvPair::set(slot_key(1, 1), vec![0; 32]),
            KvPair::set(slot_key(2, 2), vec![0; 32]),
            KvPair::set(code_key(1), ""),
            KvPair::set("misc", ""),
        ]),
    );
    assert_eq!(pairs(&store, "evm"), [(Bytes::from("misc"), Bytes::new())]);
    assert_eq!(get(&store, "evm", "misc"), Some(vec![]));
}

#[test]
fn deleting_a_nonce_leaves_zero_while_a_code_hash_remains() {
    let (_dir, mut store) = store_at(1);
    commit(&mut store, &evm(vec![KvPair::set(nonce_key(1), nonce(6)), KvPair::set(code_hash_key(1), vec![5; 32])]));
    commit(&mut store, &evm(vec![KvPair::delete(nonce_key(1))]));
    assert_eq!(get(&store, "evm", nonce_key(1)), Some(nonce(0)));
    assert_eq!(rows(&store)[0].1, account(2, 0, 5));
    commit(&mut store, &evm(vec![KvPair::delete(code_hash_key(1))]));
    assert_eq!(get(&store, "evm", nonce_key(1)), None);
    assert_eq!(rows(&store), []);
}

#[test]
fn a_code_hash_is_found_only_when_it_is_not_zero() {
    let (_dir, mut store) = store_at(1);
    commit(&mut store, &evm(vec![KvPair::set(nonce_key(1), nonce(6)), KvPair::set(code_hash_key(1), vec![0; 32])]));
    assert_eq!(get(&store, "evm", code_hash_key(1)), None);
    assert_eq!(pairs(&store, "evm"), [(Bytes::from(nonce_key(1)), Bytes::from(nonce(6)))]);
    commit(&mut store, &evm(vec![KvPair::set(nonce_key(2), nonce(0)), KvPair::delete(nonce_key(3))]));
    assert_eq!(rows(&store).len(), 1, "an account that is all zero has no row");
}

#[test]
fn every_touch_of_a_live_row_stamps_the_height() {
    let (_dir, mut store) = store_at(1);
    let same = evm(vec![
        KvPair::set(slot_key(1, 1), vec![7; 32]),
        KvPair::set(code_key(1), "code"),
        KvPair::set(code_hash_key(1), vec![5; 32]),
        KvPair::set("misc", "value"),
    ]);
    commit(&mut store, &same);
    commit(&mut store, &same);
    let view = store.view().expect("a view");
    for key in [slot_key(1, 1), code_key(1), code_hash_key(1), b"misc".to_vec()] {
        assert_eq!(view.height_of("evm", &key).expect("reads"), Some(2));
    }
    commit(&mut store, &evm(vec![KvPair::delete(nonce_key(1))]));
    let row = rows(&store).into_iter().find(|(key, _)| key.starts_with(b"evm/\x0a")).expect("the account");
    assert_eq!(row.1, account(3, 0, 5), "the delete of a nonce that was zero is a touch");
}

#[test]
fn the_last_change_of_a_key_wins_within_a_flush_and_between_flushes() {
    let (_dir, mut store) = store_at(1);
    let slot = slot_key(1, 1);
    store
        .apply(&evm(vec![KvPair::set(slot.clone(), vec![1; 32]), KvPair::set(slot.clone(), vec![2; 32])]))
        .expect("applies");
    assert_eq!(get(&store, "evm", &slot), Some(vec![2; 32]));
    store.apply(&evm(vec![KvPair::delete(slot.clone()), KvPair::set(slot.clone(), vec![3; 32])])).expect("applies");
    commit(&mut store, &evm(vec![KvPair::set(slot.clone(), vec![4; 32]), KvPair::delete(slot.clone())]));
    assert_eq!(rows(&store), []);
    assert_eq!(store.committed_root(), lthash::LtHash::new().root());
}

#[test]
fn the_block_in_work_is_seen_by_its_writer_alone() {
    let (_dir, mut store) = store_at(1);
    commit(&mut store, &evm(vec![KvPair::set("a", "1"), KvPair::set("b", "2")]));
    let view = store.view().expect("a view");
    store.apply(&evm(vec![KvPair::delete("a"), KvPair::set("c", "3")])).expect("applies");
    let pair = |key: &'static str, value: &'static str| (Bytes::from(key), Bytes::from(value));
    assert_eq!(pairs(&store, "evm"), [pair("b", "2"), pair("c", "3")]);
    let backwards = scan(&store, "evm", &ScanRange::ALL, ScanOrder::Descending);
    assert_eq!(backwards, [pair("c", "3"), pair("b", "2")]);
    assert_eq!(pairs(&view, "evm"), [pair("a", "1"), pair("b", "2")]);
    assert_ne!(store.working_root(), store.committed_root());
    store.discard();
    assert_eq!(store.working_root(), store.committed_root());
    assert_eq!(pairs(&store, "evm"), pairs(&view, "evm"));
}

#[test]
fn a_scan_of_evm_is_in_the_order_of_memiavls_keys() {
    let (_dir, mut store) = store_at(1);
    let changes = vec![
        KvPair::set(nonce_key(1), nonce(1)),
        KvPair::set(nonce_key(2), nonce(2)),
        KvPair::set(code_hash_key(2), vec![2; 32]),
        KvPair::set(code_key(2), "code"),
        KvPair::set(slot_key(1, 1), vec![1; 32]),
        KvPair::set([slot_key(1, 1), vec![9]].concat(), "between the slots"),
        KvPair::set(slot_key(1, 2), vec![2; 32]),
        KvPair::set(b"\x00".to_vec(), "before all"),
        KvPair::set(b"\x08\x01".to_vec(), "among the code hashes"),
        KvPair::set(b"\xff".to_vec(), "behind all"),
    ];
    let (first, second) = changes.split_at(5);
    commit(&mut store, &evm(first.to_vec()));
    store.apply(&evm(second.to_vec())).expect("applies");
    let mut expected: Vec<_> = changes.into_iter().map(|pair| (pair.key, pair.value)).collect();
    expected.sort();
    assert_eq!(pairs(&store, "evm"), expected);
    commit(&mut store, &[]);
    let view = store.view().expect("a view");
    assert_eq!(pairs(&view, "evm"), expected);
    expected.reverse();
    assert_eq!(scan(&view, "evm", &ScanRange::ALL, ScanOrder::Descending), expected);
}

#[test]
fn modules_whose_names_begin_alike_do_not_mix() {
    let (_dir, mut store) = store_at(1);
    let set = |name: &str| NamedChangeSet::new(name, vec![KvPair::set("k", name.to_owned())]);
    commit(&mut store, &[set("evm"), set("evm2"), set("ev"), set("evm.")]);
    for name in ["evm", "evm2", "ev", "evm."] {
        assert_eq!(pairs(&store, name), [(Bytes::from("k"), Bytes::from(name.to_owned()))]);
    }
    assert_eq!(pairs(&store, "unknown"), []);
}

#[test]
fn many_reads_answer_in_the_order_of_their_keys() {
    let (_dir, mut store) = store_at(1);
    commit(
        &mut store,
        &evm(vec![
            KvPair::set(nonce_key(1), nonce(1)),
            KvPair::set(slot_key(1, 1), vec![1; 32]),
            KvPair::set("misc", "m"),
        ]),
    );
    let keys: Vec<Bytes> =
        [b"misc".to_vec(), nonce_key(1), vec![], code_hash_key(1), slot_key(1, 1), slot_key(9, 9), nonce_key(1)]
            .map(Bytes::from)
            .to_vec();
    let view = store.view().expect("a view");
    let many = view.get_many("evm", &keys).expect("reads");
    let one_by_one: Vec<_> = keys.iter().map(|key| view.get("evm", key).expect("reads")).collect();
    assert_eq!(many, one_by_one);
    assert_eq!(many.iter().filter(|value| value.is_some()).count(), 4);
}
