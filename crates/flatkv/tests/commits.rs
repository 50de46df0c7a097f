//! The commit point: heights, what is kept of a block, what is dropped.

use changeset::{BlockRecord, History, KvPair, NewStore, Read, StoreErrorKind, Write};
use flatkv::{FlatKv, FlatKvError};
use tempfile::tempdir;

use crate::common::{commit, evm, handoff, inner, open, options, record, seeded};

#[test]
fn a_store_without_a_seed_takes_no_writes() {
    let dir = tempdir().expect("a directory");
    let mut store = open(dir.path());
    let error = store.apply(&evm(vec![KvPair::set("k", "v")])).expect_err("refused");
    assert_eq!(error.kind(), StoreErrorKind::Input);
    assert!(matches!(inner(&error), FlatKvError::NotSeeded));
}

#[test]
fn the_first_block_has_the_seeded_height_and_each_later_one_the_next() {
    let dir = tempdir().expect("a directory");
    let mut store = seeded(dir.path(), 100);
    for expected in 100..104 {
        for got in [0, 1, expected - 1, expected + 1, u64::MAX] {
            let wrong = BlockRecord { height: got, ..record(&store) };
            let error = store.commit(&wrong).expect_err("refused");
            assert_eq!(error.kind(), StoreErrorKind::Input);
            match inner(&error) {
                FlatKvError::Height { expected: wanted, got: told } => assert_eq!((*wanted, *told), (expected, got)),
                other => panic!("another error: {other}"),
            }
        }
        commit(&mut store, &evm(vec![KvPair::set("k", "v")]));
        assert_eq!(store.version(), Some(expected));
    }
}

#[test]
fn a_seed_is_refused_once_it_would_matter_to_rows() {
    let dir = tempdir().expect("a directory");
    let mut store = open(dir.path());
    let refused = |store: &mut FlatKv, seed| match inner(&store.seed(seed).expect_err("refused")) {
        FlatKvError::Seeded { seed: told, .. } => assert_eq!(*told, seed),
        other => panic!("another error: {other}"),
    };
    refused(&mut store, 0);
    store.seed(3).expect("seeds");
    store.seed(4).expect("seeds again, nothing was written");
    store.apply(&evm(vec![KvPair::set("k", "v")])).expect("applies");
    refused(&mut store, 5);
    commit(&mut store, &[]);
    refused(&mut store, 5);
    assert_eq!(store.version(), Some(4));
}

#[test]
fn what_a_block_leaves_is_there_after_reopening() {
    let dir = tempdir().expect("a directory");
    let mut store = seeded(dir.path(), 7);
    store.apply(&evm(vec![KvPair::set("k", "v")])).expect("applies");
    let record = record(&store);
    store.commit(&record).expect("commits");
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.version(), Some(7));
    assert_eq!(store.view().expect("a view").first_version(), Some(7));
    assert_eq!(store.block(7).expect("reads"), Some((record.commit_info, record.app_hash)));
    assert_eq!(store.block(8).expect("reads"), None);
    assert_eq!(store.handoff(7).expect("reads"), Some(handoff(7)));
    assert_eq!(store.last_handoff().expect("reads"), Some(7));
    assert_eq!(History::journal(&store, 7).expect("reads"), Some(record.journal));
    assert_eq!(store.changelog_synced().expect("reads"), 5);
}

#[test]
fn blocks_without_a_handoff_leave_the_last_one_told() {
    let dir = tempdir().expect("a directory");
    let mut store = seeded(dir.path(), 1);
    commit(&mut store, &[]);
    for _ in 0..2 {
        let without = BlockRecord { handoff: None, ..record(&store) };
        store.commit(&without).expect("commits");
    }
    assert_eq!(store.last_handoff().expect("reads"), Some(1));
    assert_eq!(store.handoff(3).expect("reads"), None);
    drop(store);
    assert_eq!(open(dir.path()).last_handoff().expect("reads"), Some(1));
}

#[test]
fn old_records_are_dropped_and_those_still_needed_stay() {
    let dir = tempdir().expect("a directory");
    let mut store = seeded(dir.path(), 1);
    let (last, synced, rollback_blocks) = (128, 100, 50);
    for height in 1..=last {
        store.apply(&evm(vec![KvPair::set("k", height.to_string())])).expect("applies");
        let record = BlockRecord { changelog_synced: synced.min(height), rollback_blocks, ..record(&store) };
        store.commit(&record).expect("commits");
    }
    // The last block that drops records is the 128th.
    let oldest = last - rollback_blocks;
    for height in 1..=last {
        assert_eq!(store.block(height).expect("reads").is_some(), height >= oldest, "block {height}");
        assert_eq!(store.handoff(height).expect("reads").is_some(), height > synced, "handoff {height}");
        assert_eq!(History::journal(&store, height).expect("reads").is_some(), height >= oldest, "journal {height}");
    }
    store.check_undo(oldest).expect("every undo record in the window is there");
    match store.check_undo(oldest - 1) {
        Err(error @ FlatKvError::WindowPassed { oldest: window, to }) => {
            assert_eq!((window, to), (oldest, oldest - 1));
            assert_eq!(error.kind(), StoreErrorKind::Refused);
        }
        other => panic!("another answer: {other:?}"),
    }
    drop(store);
    assert_eq!(open(dir.path()).version(), Some(last));
}

#[test]
fn a_block_stays_as_long_as_it_tells_whether_its_handoff_must_be_there() {
    let dir = tempdir().expect("a directory");
    let mut store = seeded(dir.path(), 1);
    for height in 1..=128 {
        // The fifth block alone had nothing for the old store.
        let handoff = Some(handoff(height)).filter(|_| height != 5);
        let record = BlockRecord { handoff, changelog_synced: 3, rollback_blocks: 10, ..record(&store) };
        store.commit(&record).expect("commits");
    }
    for height in 4..=128 {
        assert_eq!(store.handoff(height).expect("reads"), Some(handoff(height)).filter(|_| height != 5));
        assert!(store.block(height).expect("reads").is_some());
    }
    drop(store);
    open(dir.path());
}

#[test]
fn once_the_old_store_rests_old_blocks_are_dropped_although_its_log_stands_still() {
    let dir = tempdir().expect("a directory");
    let mut store = seeded(dir.path(), 1);
    for height in 1..=192 {
        let handoff = Some(handoff(height)).filter(|_| height <= 4);
        let record = BlockRecord { handoff, changelog_synced: 4, rollback_blocks: 10, ..record(&store) };
        store.commit(&record).expect("commits");
    }
    for height in 1..=192 {
        assert_eq!(store.block(height).expect("reads").is_some(), height >= 182, "block {height}");
        assert_eq!(store.handoff(height).expect("reads"), None);
    }
    assert_eq!(store.last_handoff().expect("reads"), Some(4));
    drop(store);
    assert_eq!(open(dir.path()).last_handoff().expect("reads"), Some(4));
}

#[test]
fn what_the_changelog_has_synced_never_goes_back() {
    let dir = tempdir().expect("a directory");
    let mut store = seeded(dir.path(), 1);
    commit(&mut store, &[]);
    for synced in [2, 1, 0] {
        let record = BlockRecord { changelog_synced: synced, ..record(&store) };
        store.commit(&record).expect("commits");
        assert_eq!(store.changelog_synced().expect("reads"), 2);
    }
}

#[test]
fn a_synced_commit_and_one_left_to_the_system_leave_the_same() {
    let dir = tempdir().expect("a directory");
    for durability in [flatkv::Durability::Sync, flatkv::Durability::Os] {
        let path = dir.path().join(format!("{durability:?}"));
        let options = flatkv::Options { durability, ..options() };
        let mut store = FlatKv::open(&path, &options).expect("opens");
        store.seed(1).expect("seeds");
        commit(&mut store, &evm(vec![KvPair::set("k", "v")]));
        drop(store);
        assert_eq!(open(&path).get("evm", b"k").expect("reads"), Some("v".into()));
    }
}

/// RocksDB takes a last batch with holes for damage and refuses; pages of one write reach the disk in any order.
#[test]
fn a_power_cut_that_leaves_holes_in_the_last_batch_leaves_the_block_before_it() {
    let dir = tempdir().expect("a directory");
    let mut store = seeded(dir.path(), 7);
    commit(&mut store, &evm(vec![KvPair::set("k", "one")]));
    commit(&mut store, &evm(vec![KvPair::set("k", "two"), KvPair::set("long", vec![7; 20_000])]));
    drop(store);
    let logs = std::fs::read_dir(dir.path()).expect("listed").map(|entry| entry.expect("an entry").path());
    let log = logs.filter(|path| path.extension().is_some_and(|end| end == "log")).max().expect("a log");
    let mut bytes = std::fs::read(&log).expect("read");
    let hole = bytes.len() - 12_000..bytes.len() - 8_000;
    bytes[hole].fill(0);
    std::fs::write(&log, &bytes).expect("written");
    assert_eq!(FlatKv::open_read_only(dir.path(), &options()).expect("opens").version(), Some(7));
    let mut store = open(dir.path());
    assert_eq!(store.version(), Some(7));
    assert_eq!(store.get("evm", b"k").expect("reads").as_deref(), Some(b"one".as_slice()));
    commit(&mut store, &evm(vec![KvPair::set("k", "two")]));
    drop(store);
    assert_eq!(open(dir.path()).version(), Some(8));
}
