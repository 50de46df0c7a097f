//! Undoing blocks.

use changeset::{BlockRecord, History, KvPair, NamedChangeSet, NewStore, StoreErrorKind, Write};
use flatkv::{FlatKv, FlatKvError};
use tempfile::tempdir;

use crate::common::{Changes, code_hash_key, commit, nonce, nonce_key, open, record, rows, seeded, slot_key};

/// A block that writes, overwrites and deletes in all lanes.
fn block(height: u64) -> Changes {
    let byte = u8::try_from(height % 7).expect("a byte");
    vec![
        NamedChangeSet::new(
            "evm",
            vec![
                KvPair::set(slot_key(byte, 1), vec![byte; 32]),
                KvPair::delete(slot_key(byte.wrapping_sub(2), 1)),
                KvPair::set(nonce_key(byte), nonce(height)),
                KvPair::set(code_hash_key(byte / 2), vec![byte; 32]),
            ],
        ),
        NamedChangeSet::new(format!("module{}", height % 3), vec![KvPair::set("k", height.to_string())]),
    ]
}

type Snapshot = (Option<u64>, [u8; 32], Vec<(bytes::Bytes, bytes::Bytes)>, Vec<String>);

fn snapshot(store: &FlatKv) -> Snapshot {
    let view = store.view().expect("a view");
    let totals = view.totals().map(|part| format!("{part:?}")).collect();
    (store.version(), store.committed_root(), rows(store), totals)
}

#[test]
fn undoing_blocks_leads_through_every_state_back_to_the_first_block() {
    let dir = tempdir().expect("a directory");
    let mut store = seeded(dir.path(), 10);
    let mut states = Vec::new();
    for height in 10..30 {
        commit(&mut store, &block(height));
        states.push(snapshot(&store));
    }
    store.begin_rollback(10).expect("begins");
    while let Some(state) = states.pop() {
        assert_eq!(snapshot(&store), state);
        if store.version() == Some(20) {
            drop(store);
            store = open(dir.path());
            assert_eq!(store.rollback_target().expect("reads"), Some(10), "a crash in the middle is noticed");
        }
        if states.is_empty() {
            break;
        }
        store.undo_block().expect("undoes");
    }
    store.finish_rollback().expect("finishes");
    assert_eq!(store.rollback_target().expect("reads"), None);
    assert_eq!(store.handoff(11).expect("reads"), None);
    assert!(matches!(store.undo_block(), Err(FlatKvError::UndoTarget { first: 10, version: 10, to: 9 })));
    drop(store);
    let mut store = open(dir.path());
    commit(&mut store, &block(11));
    assert_eq!(store.version(), Some(11), "the chain goes on from there");
}

#[test]
fn the_handoffs_of_undone_blocks_stay_until_the_rollback_ends() {
    let dir = tempdir().expect("a directory");
    let mut store = seeded(dir.path(), 1);
    for height in 1..=5 {
        commit(&mut store, &block(height));
    }
    store.begin_rollback(3).expect("begins");
    store.undo_block().expect("undoes");
    assert!(matches!(store.finish_rollback(), Err(FlatKvError::UndoTarget { to: 3, .. })));
    store.undo_block().expect("undoes");
    assert!(store.handoff(5).expect("reads").is_some());
    assert_eq!(store.last_handoff().expect("reads"), Some(3));
    store.finish_rollback().expect("finishes");
    assert_eq!(store.handoff(5).expect("reads"), None);
    assert_eq!(store.handoff(3).expect("reads").map(|handoff| handoff.version), Some(3));
}

#[test]
fn no_more_of_the_changelog_is_synced_than_there_are_blocks() {
    let dir = tempdir().expect("a directory");
    let mut store = seeded(dir.path(), 1);
    for height in 1..=5 {
        commit(&mut store, &block(height));
    }
    assert_eq!(store.changelog_synced().expect("reads"), 3);
    for (undone, synced) in [(4, 3), (3, 3), (2, 2), (1, 1)] {
        assert_eq!(store.undo_block().expect("undoes"), undone);
        assert_eq!(store.changelog_synced().expect("reads"), synced);
        drop(store);
        store = open(dir.path());
        assert_eq!(store.changelog_synced().expect("reads"), synced, "after reopening");
    }
}

#[test]
fn blocks_outside_the_stores_span_cannot_be_undone() {
    let dir = tempdir().expect("a directory");
    let mut store = seeded(dir.path(), 4);
    assert!(matches!(store.check_undo(3), Err(FlatKvError::NotSeeded)));
    commit(&mut store, &block(4));
    commit(&mut store, &block(5));
    let refused = |result: flatkv::Result<()>| match result {
        Err(error @ FlatKvError::UndoTarget { first: 4, version: 5, .. }) => {
            assert_eq!(error.kind(), StoreErrorKind::Input);
        }
        other => panic!("another answer: {other:?}"),
    };
    for to in [0, 3, 6, u64::MAX] {
        refused(store.check_undo(to));
    }
    for to in [6, u64::MAX] {
        refused(store.begin_rollback(to));
        assert_eq!(store.rollback_target().expect("reads"), None);
    }
}

#[test]
fn a_rollback_to_before_the_first_block_is_noted_and_left_to_whoever_removes_the_store() {
    let dir = tempdir().expect("a directory");
    let mut store = seeded(dir.path(), 4);
    commit(&mut store, &block(4));
    store.begin_rollback(3).expect("is noted");
    assert_eq!(store.rollback_target().expect("reads"), Some(3));
    assert!(matches!(store.finish_rollback(), Err(FlatKvError::UndoTarget { first: 4, to: 3, .. })));
    drop(store);
    assert_eq!(open(dir.path()).rollback_target().expect("reads"), Some(3));
}

#[test]
fn pending_writes_stand_in_the_way_of_a_rollback() {
    let dir = tempdir().expect("a directory");
    let mut store = seeded(dir.path(), 1);
    commit(&mut store, &block(1));
    commit(&mut store, &block(2));
    store.apply(&block(3)).expect("applies");
    assert!(matches!(store.undo_block(), Err(FlatKvError::PendingWrites { .. })));
    assert!(matches!(store.begin_rollback(1), Err(FlatKvError::PendingWrites { .. })));
    store.discard();
    store.undo_block().expect("undoes");
}

#[test]
fn the_old_stores_retirement_is_noted() {
    let dir = tempdir().expect("a directory");
    let mut store = seeded(dir.path(), 1);
    commit(&mut store, &block(1));
    assert_eq!(store.retired().expect("reads"), None);
    let last = BlockRecord { retires_old: true, ..record(&store) };
    store.commit(&last).expect("commits");
    assert_eq!(store.retired().expect("reads"), Some(2));
    drop(store);
    assert_eq!(open(dir.path()).retired().expect("reads"), Some(2));
}
