//! What recorded lives do not show: rules of the chain that only odd blocks meet.

mod common;

use boundary::Boundary;
use bytes::Bytes;
use common::{changes, code_hash_key, delete, nonce_key, options, set, slot_key};
use ferry::{
    BatchLimit, Error, ErrorKind, LATTICE_STORE, Mode, ModeSetting, NamedChangeSet, Node, Options, ScanOrder,
    ScanRange, View, migrate_core,
};
use tempfile::TempDir;

fn fresh(batch: u64) -> (TempDir, Node) {
    let home = tempfile::tempdir().expect("a directory");
    let node = Node::open(home.path(), options(batch)).expect("a fresh node");
    (home, node)
}

/// One block of one flush.
fn block(node: &mut Node, changes: Vec<NamedChangeSet>) -> ferry::Committed {
    node.apply(changes).expect("a flush");
    node.commit().expect("a commit")
}

fn names(block: &ferry::Committed) -> Vec<&str> {
    block.commit_info.store_infos.iter().map(|store| store.name.as_str()).collect()
}

fn scan(view: &View, store: &str) -> Vec<(Bytes, Bytes)> {
    let scan = view.scan(store, &ScanRange::ALL, ScanOrder::Ascending).expect("a scan");
    scan.collect::<Result<_, _>>().expect("pairs")
}

fn migration(error: Error) -> migrate_core::Error {
    match error {
        Error::Migration(error) => error,
        other => panic!("not an error of the migration: {other:?}"),
    }
}

#[test]
fn start_at_batch_size_zero_is_refused_as_paused() {
    let (_home, mut node) = fresh(0);
    let error = migration(node.set_mode(Mode::MigrateEvm).expect_err("paused"));
    assert!(matches!(error, migrate_core::Error::Paused { to: Mode::MigrateEvm }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Unfinished);
    assert_eq!(node.mode(), Mode::MemiavlOnly);
}

#[test]
fn paused_before_the_first_key_everything_still_goes_to_memiavl() {
    let (home, mut node) = fresh(5);
    node.set_mode(Mode::MigrateEvm).expect("the batch size is above 0");
    node.set_batch_size(0).expect("between blocks");
    let committed = block(&mut node, changes("evm", vec![set(&slot_key(1, 1), &[7; 32]), set(b"brand new", b"v")]));
    assert!(!names(&committed).contains(&LATTICE_STORE));
    assert!(node.flatkv().is_none(), "no row may enter FlatKV before it is in the commit info");
    assert!(!node.home().flatkv().exists());
    node.close().expect("a clean close");
    let node = Node::open(home.path(), options(0)).expect("a reopening");
    assert_eq!(node.mode(), Mode::MemiavlOnly);
    assert_eq!(
        node.view().expect("a view").get("evm", b"brand new").expect("a read").as_deref(),
        Some(b"v".as_slice())
    );
}

#[test]
fn lattice_joins_with_the_block_that_moves_the_boundary_and_stays() {
    let (_home, mut node) = fresh(1);
    block(&mut node, changes("evm", vec![set(&slot_key(1, 1), &[7; 32]), set(&slot_key(1, 2), &[8; 32])]));
    node.set_mode(Mode::MigrateEvm).expect("a step");
    node.apply(vec![]).expect("a flush");
    let working = node.working_commit_info().expect("roots");
    assert_eq!(working.store_infos.last().map(|store| store.name.as_str()), Some(LATTICE_STORE));
    node.discard().expect("a discard");
    let working = node.working_commit_info().expect("roots");
    assert!(working.store_infos.iter().all(|store| store.name != LATTICE_STORE), "a dropped block leaves nothing");
    let without_flush = node.commit().expect("a commit");
    assert!(!names(&without_flush).contains(&LATTICE_STORE), "a block without a flush does not advance");
    assert_eq!(names(&block(&mut node, vec![])).last(), Some(&LATTICE_STORE));
    node.set_batch_size(0).expect("between blocks");
    assert_eq!(names(&block(&mut node, vec![])).last(), Some(&LATTICE_STORE));
}

#[test]
fn block_without_a_flush_keeps_the_cursor() {
    let (_home, mut node) = fresh(1);
    block(&mut node, changes("evm", vec![set(&slot_key(1, 1), &[7; 32]), set(&slot_key(1, 2), &[8; 32])]));
    node.set_mode(Mode::MigrateEvm).expect("a step");
    block(&mut node, vec![]);
    let before = node.boundary();
    node.commit().expect("an empty block");
    assert_eq!(node.boundary(), before);
}

#[test]
fn wrong_length_value_that_reaches_flatkv_fails_the_block_and_changes_nothing() {
    let (_home, mut node) = fresh(10);
    // memiavl takes any bytes; the value becomes a problem when its key moves.
    block(&mut node, changes("evm", vec![set(&slot_key(1, 1), b"not 32 bytes"), set(&slot_key(0, 1), &[5; 32])]));
    node.set_mode(Mode::MigrateEvm).expect("a step");
    for _ in 0..2 {
        let error = node.apply(vec![]).expect_err("the moved value has a wrong length");
        assert_eq!(error.kind(), ErrorKind::Input, "{error:?}");
        assert_eq!(node.boundary(), Boundary::NotStarted);
    }
    // A caller's pair overrides the moved value, and the block goes through.
    let moved = block(&mut node, changes("evm", vec![set(&slot_key(1, 1), &[6; 32])]));
    assert_eq!(names(&moved).last(), Some(&LATTICE_STORE));
    let view = node.view().expect("a view");
    assert_eq!(view.get("evm", &slot_key(1, 1)).expect("a read").as_deref(), Some([6; 32].as_slice()));
    let error = node.apply(changes("evm", vec![set(&nonce_key(3), b"short")])).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Input, "{error:?}");
    assert_eq!(node.commit().expect("the block goes on without the flush").height, 3);
}

#[test]
fn two_flushes_of_a_block_are_one_entry_of_the_log() {
    let (home, mut node) = fresh(0);
    node.apply(changes("bank", vec![set(b"a", b"1"), set(b"b", b"2")])).expect("a flush");
    node.apply(changes("acc", vec![set(b"c", b"3")])).expect("a flush");
    node.apply(changes("bank", vec![delete(b"a"), set(b"b", b"4")])).expect("a flush");
    let committed = node.commit().expect("a commit");
    let log = node.home().memiavl().to_owned();
    node.close().expect("a clean close");
    let unreplayed = ferry::memiavl::open(&log, ferry::memiavl::Options::read_only()).expect("a log");
    let bytes = changeset::OldLog::entry(&unreplayed, 1).expect("a read").expect("the block's entry");
    let entry = changeset::open_entry(&bytes).expect("an entry");
    assert_eq!(entry.app_hash, Some(committed.app_hash));
    let bank = vec![set(b"a", b"1"), set(b"b", b"2"), delete(b"a"), set(b"b", b"4")];
    let expected = [NamedChangeSet::new("bank", bank), NamedChangeSet::new("acc", vec![set(b"c", b"3")])];
    assert_eq!(entry.entry.changesets, expected);
    drop(unreplayed);
    let node = Node::open(home.path(), options(0)).expect("a reopening");
    assert_eq!(node.last_commit_info(), Some(committed.commit_info));
}

#[test]
fn nonce_ahead_of_its_move_reads_true_and_scans_as_zero_until_the_migration_ends() {
    let (_home, mut node) = fresh(1);
    let (nonce, hash) = (nonce_key(9), code_hash_key(9));
    block(&mut node, changes("evm", vec![set(&nonce, &[0, 0, 0, 0, 0, 0, 0, 5]), set(&hash, &[3; 32])]));
    node.set_mode(Mode::MigrateEvm).expect("a step");
    // The code hash (08) moves first; the account's row then exists with a zero nonce.
    block(&mut node, vec![]);
    let view = node.view().expect("a view");
    let scanned = scan(&view, "evm").into_iter().find(|(key, _)| *key == nonce).expect("the nonce").1;
    assert_eq!(view.get("evm", &nonce).expect("a read").as_deref(), Some([0, 0, 0, 0, 0, 0, 0, 5].as_slice()));
    assert_eq!(scanned.as_ref(), [0; 8], "the scan shows FlatKV's row");
    block(&mut node, vec![]);
    let view = node.view().expect("a view");
    let scanned = scan(&view, "evm").into_iter().find(|(key, _)| *key == nonce).expect("the nonce").1;
    assert_eq!(scanned.as_ref(), [0, 0, 0, 0, 0, 0, 0, 5], "gone when the nonce has moved");
    assert_eq!(view.get("evm", &nonce).expect("a read"), Some(scanned));
}

#[test]
fn modes_go_one_step_at_a_time_and_only_when_the_migration_is_complete() {
    let (_home, mut node) = fresh(1);
    block(&mut node, changes("evm", vec![set(&slot_key(1, 1), &[7; 32]), set(&slot_key(1, 2), &[8; 32])]));
    let error = migration(node.set_mode(Mode::EvmMigrated).expect_err("two steps"));
    assert!(
        matches!(error, migrate_core::Error::ModeStep { from: Mode::MemiavlOnly, to: Mode::EvmMigrated }),
        "{error}"
    );
    node.set_mode(Mode::MigrateEvm).expect("a step");
    node.set_mode(Mode::MigrateEvm).expect("the same mode is nothing to do");
    block(&mut node, vec![]);
    let error = migration(node.set_mode(Mode::EvmMigrated).expect_err("unfinished"));
    assert!(matches!(error, migrate_core::Error::MigrationUnfinished { mode: Mode::MigrateEvm, .. }), "{error}");
    let error = migration(node.set_mode(Mode::MemiavlOnly).expect_err("backwards"));
    assert!(matches!(error, migrate_core::Error::ModeStep { .. }), "{error}");
    block(&mut node, vec![]);
    node.apply(vec![]).expect("a flush");
    let error = migration(node.set_mode(Mode::EvmMigrated).expect_err("a block is in work"));
    assert!(matches!(error, migrate_core::Error::BlockInWork { height: 4 }), "{error}");
    node.commit().expect("a commit");
    node.set_mode(Mode::EvmMigrated).expect("complete");
}

#[test]
fn brand_new_keys_of_a_paused_later_migration_are_read_after_a_reopening() {
    let (home, mut node) = fresh(100);
    block(&mut node, changes("acc", vec![set(b"old", b"1")]));
    node.set_mode(Mode::MigrateEvm).expect("a step");
    block(&mut node, vec![]);
    node.set_mode(Mode::EvmMigrated).expect("complete");
    node.set_batch_size(0).expect("between blocks");
    node.set_mode(Mode::MigrateAllButBank).expect("FlatKV is in the commit info: a pause is no danger");
    block(&mut node, changes("acc", vec![set(b"new", b"2"), set(b"old", b"3")]));
    node.close().expect("a clean close");
    let mut node = Node::open(home.path(), options(0)).expect("a reopening");
    assert_eq!(node.mode(), Mode::EvmMigrated, "no record tells of the step");
    for _ in 0..2 {
        let view = node.view().expect("a view");
        for (key, value) in scan(&view, "acc") {
            assert_eq!(view.get("acc", &key).expect("a read"), Some(value.clone()));
            assert_eq!(view.get_many("acc", &[key]).expect("reads"), [Some(value)]);
        }
        assert_eq!(view.get("acc", b"new").expect("a read").as_deref(), Some(b"2".as_slice()));
        drop(view);
        node.set_mode(Mode::MigrateAllButBank).expect("the caller asks on every block");
        block(&mut node, vec![]);
    }
}

#[test]
fn mode_follows_from_the_records_and_a_fixed_one_must_fit() {
    let (home, mut node) = fresh(1);
    block(&mut node, changes("evm", vec![set(&slot_key(1, 1), &[7; 32]), set(&slot_key(1, 2), &[8; 32])]));
    node.set_mode(Mode::MigrateEvm).expect("a step");
    block(&mut node, vec![]);
    node.close().expect("a clean close");
    let reopen = |mode: ModeSetting| Node::open(home.path(), Options { mode, ..options(1) });
    assert_eq!(reopen(ModeSetting::Auto).expect("auto").mode(), Mode::MigrateEvm);
    assert_eq!(reopen(ModeSetting::Fixed(Mode::MigrateEvm)).expect("it fits").mode(), Mode::MigrateEvm);
    for wrong in [Mode::MemiavlOnly, Mode::EvmMigrated, Mode::MigrateBank, Mode::FlatkvOnly] {
        let error = migration(reopen(ModeSetting::Fixed(wrong)).err().expect("it does not fit"));
        assert!(
            matches!(error, migrate_core::Error::ModeMismatch { mode, version: 0, in_flight: true } if mode == wrong),
            "{error}"
        );
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }
}

#[test]
fn later_fixed_mode_on_a_chain_with_state_in_memiavl_is_refused() {
    let (home, mut node) = fresh(1);
    block(&mut node, changes("bank", vec![set(b"k", b"v")]));
    node.close().expect("a clean close");
    let mode = ModeSetting::Fixed(Mode::FlatkvOnly);
    let error = migration(Node::open(home.path(), Options { mode, ..options(1) }).err().expect("refused"));
    assert!(matches!(error, migrate_core::Error::StateLeftBehind { mode: Mode::FlatkvOnly, height: 1 }), "{error}");
}

#[test]
fn chain_born_in_a_later_mode_has_the_lattice_from_its_first_block() {
    for (mode, trees) in [(Mode::EvmMigrated, true), (Mode::AllMigratedButBank, true), (Mode::FlatkvOnly, false)] {
        let home = tempfile::tempdir().expect("a directory");
        let options = || Options { mode: ModeSetting::Fixed(mode), ..options(0) };
        let mut node = Node::open(home.path(), options()).expect("a fresh node");
        let first = block(&mut node, changes("evm", vec![set(&slot_key(1, 1), &[7; 32])]));
        assert_eq!(names(&first).last(), Some(&LATTICE_STORE), "{mode}");
        assert_eq!(names(&first).contains(&"bank"), trees, "{mode}");
        let second = block(&mut node, changes("bank", vec![set(b"k", b"v")]));
        node.close().expect("a clean close");
        let node = Node::open(home.path(), options()).expect("a reopening");
        assert_eq!(node.last_commit_info(), Some(second.commit_info), "{mode}");
        let view = node.view().expect("a view");
        assert_eq!(view.get("evm", &slot_key(1, 1)).expect("a read").as_deref(), Some([7; 32].as_slice()), "{mode}");
        assert_eq!(view.get("bank", b"k").expect("a read").as_deref(), Some(b"v".as_slice()), "{mode}");
    }
}

#[test]
fn trees_leave_the_commit_info_with_the_block_that_completes_version_three() {
    let (home, mut node) = fresh(100);
    block(&mut node, changes("bank", vec![set(b"k", b"v")]));
    let mut last = None;
    for mode in Mode::ALL.into_iter().skip(1) {
        node.set_mode(mode).expect("a step");
        last = Some(block(&mut node, vec![]));
    }
    assert_eq!(names(&last.clone().expect("blocks")), [LATTICE_STORE]);
    let rested = node.memiavl().map(changeset::OldStore::version);
    block(&mut node, changes("bank", vec![set(b"k2", b"v2")]));
    assert_eq!(node.memiavl().map(changeset::OldStore::version), rested, "memiavl rests where its migration ended");
    node.close().expect("a clean close");
    let node = Node::open(home.path(), options(0)).expect("memiavl behind is right now");
    assert_eq!(node.mode(), Mode::FlatkvOnly);
    assert_eq!(node.view().expect("a view").get("bank", b"k2").expect("a read").as_deref(), Some(b"v2".as_slice()));
}

#[test]
fn reserved_unnamed_and_unknown_stores_are_refused() {
    let (_home, mut node) = fresh(0);
    block(&mut node, changes("bank", vec![set(b"k", b"v")]));
    let view = node.view().expect("a view");
    let check = |error: Error, what: fn(&migrate_core::Error) -> bool| {
        let error = migration(error);
        assert!(what(&error), "{error}");
        assert_eq!(error.kind(), ErrorKind::Input);
    };
    let reserved =
        |error: &migrate_core::Error| matches!(error, migrate_core::Error::ReservedStore { store: "migration" });
    let unknown = |error: &migrate_core::Error| matches!(error, migrate_core::Error::UnknownModule { module } if module == "nobody");
    let unnamed = |error: &migrate_core::Error| matches!(error, migrate_core::Error::UnnamedStore);
    check(view.get("migration", b"k").map_err(Error::from).expect_err("refused"), reserved);
    check(view.get("nobody", b"k").map_err(Error::from).expect_err("refused"), unknown);
    check(view.get("", b"k").map_err(Error::from).expect_err("refused"), unnamed);
    let of = |store: &str| view.scan(store, &ScanRange::ALL, ScanOrder::Ascending).map(Iterator::count);
    check(of("migration").map_err(Error::from).expect_err("refused"), reserved);
    check(of("").map_err(Error::from).expect_err("refused"), unnamed);
    assert_eq!(of("nobody").expect("a scan of an unknown store is empty"), 0);
    check(node.apply(changes("migration", vec![])).expect_err("refused"), reserved);
    check(node.apply(changes("nobody", vec![])).expect_err("refused"), unknown);
    check(node.apply(changes("", vec![])).expect_err("refused"), unnamed);
    assert_eq!(view.get("evm", b"").expect("the empty evm key finds nothing"), None);
}

#[test]
fn proofs_are_given_only_where_they_are_true() {
    let (_home, mut node) = fresh(1);
    block(&mut node, changes("evm", vec![set(&slot_key(1, 1), &[7; 32]), set(&slot_key(1, 2), &[8; 32])]));
    block(&mut node, changes("bank", vec![set(b"k", b"v")]));
    node.prove("evm", &slot_key(1, 1)).expect("it exists");
    node.prove("evm", &slot_key(9, 9)).expect("no migration has begun: absence is true");
    node.set_mode(Mode::MigrateEvm).expect("a step");
    block(&mut node, vec![]);
    node.prove("evm", &slot_key(1, 2)).expect("it is still in memiavl");
    node.prove("bank", b"k").expect("it exists");
    node.prove("bank", b"nowhere").expect("bank has no part in the migration");
    for key in [slot_key(1, 1), slot_key(9, 9)] {
        let error = migration(node.prove("evm", &key).expect_err("moved or new: absence would be a lie"));
        assert!(matches!(&error, migrate_core::Error::AbsenceUnprovable { module } if module == "evm"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Refused);
    }
    node.set_batch_size(100).expect("between blocks");
    for mode in Mode::ALL.into_iter().skip(2) {
        block(&mut node, vec![]);
        node.set_mode(mode).expect("a step");
    }
    let error = migration(node.prove("bank", b"k").expect_err("memiavl is no longer in the app hash"));
    assert!(matches!(error, migrate_core::Error::OldNotInAppHash), "{error}");
}

#[test]
fn block_above_its_limit_is_refused_before_any_work() {
    let home = tempfile::tempdir().expect("a directory");
    let mut node = Node::open(home.path(), Options { block_bytes_max: 10, ..options(0) }).expect("a fresh node");
    node.apply(changes("bank", vec![set(b"12345", b"")])).expect("five bytes");
    let error = migration(node.apply(changes("bank", vec![set(b"12345", b"6")])).expect_err("eleven bytes"));
    assert!(matches!(error, migrate_core::Error::BlockTooLarge { expected_max: 10, got: 11 }), "{error}");
    node.commit().expect("the first flush stands");
}

#[test]
fn byte_limit_of_a_batch_holds_on_a_node() {
    let home = tempfile::tempdir().expect("a directory");
    let batch = BatchLimit { keys: 100, bytes: Some(3) };
    let mut node = Node::open(home.path(), Options { batch, ..options(0) }).expect("a fresh node");
    block(&mut node, changes("evm", vec![set(b"\x01", b"1"), set(b"\x02", b"2"), set(b"\x04", b"3")]));
    node.set_mode(Mode::MigrateEvm).expect("a step");
    assert_eq!(node.apply(vec![]).expect("a flush").moved_keys, 2);
}

#[test]
fn views_are_counted_and_keep_a_home_from_being_reopened() {
    let home = tempfile::tempdir().expect("a directory");
    let mut node = Node::open(home.path(), Options { views_max: 2, ..options(0) }).expect("a fresh node");
    block(&mut node, changes("bank", vec![set(b"k", b"v")]));
    let first = node.view().expect("a view");
    let apart = std::time::Duration::from_millis(30);
    std::thread::sleep(apart);
    let second = node.view().expect("a view");
    assert!(node.views().open().oldest_age() >= Some(apart), "the first one's");
    let error = migration(node.view().expect_err("both are taken"));
    assert!(matches!(error, migrate_core::Error::TooManyViews { max: 2 }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Retry);
    assert_eq!(node.views().open().count(), 2);
    drop(second);
    assert!(node.views().open().oldest_age().is_some());
    node.close().expect("a clean close");
    assert_eq!(first.get("bank", b"k").expect("a view outlives its node").as_deref(), Some(b"v".as_slice()));
    let error = Node::open(home.path(), options(0)).err().expect("a view is open");
    assert!(matches!(error, Error::ViewsOpen { open: 1, .. }), "{error}");
    drop(first);
    Node::open(home.path(), options(0)).expect("no view is open any more");
}

/// A reader thread that kept its `Views` over a close held FlatKV open, without being counted: the home was free by that
/// count, and could not be opened.
#[test]
fn views_of_a_closed_node_hold_nothing_and_say_that_it_is_closed() {
    let home = tempfile::tempdir().expect("a directory");
    let mut node = Node::open(home.path(), options(1)).expect("a fresh node");
    block(&mut node, changes("evm", vec![set(b"\x01", b"1"), set(b"\x02", b"2")]));
    node.set_mode(Mode::MigrateEvm).expect("a step");
    block(&mut node, vec![]);
    let views = node.views();
    assert!(views.latest().expect("a view").new_store().is_some(), "FlatKV is open");
    node.close().expect("a clean close");
    for closed in [views.latest(), views.at(2)] {
        let error = closed.expect_err("the node is closed");
        assert!(matches!(error, migrate_core::Error::Closed), "{error}");
        assert_eq!(error.kind(), ErrorKind::Retry);
    }
    assert_eq!(views.open().count(), 0);
    let node = Node::open(home.path(), options(1)).expect("nothing holds the stores");
    assert!(views.latest().is_err(), "they stay those of the node that was closed");
    assert!(node.views().latest().is_ok());
}

#[test]
fn last_few_heights_have_views() {
    let (_home, mut node) = fresh(0);
    for height in 1..=20u8 {
        block(&mut node, changes("bank", vec![set(b"k", &[height])]));
    }
    let view = node.view_at(18).expect("a recent height");
    assert_eq!(view.get("bank", b"k").expect("a read").as_deref(), Some([18].as_slice()));
    let oldest = 21 - migrate_core::RECENT_VIEWS as u64;
    assert_eq!(node.view_at(oldest).expect("the last that is kept").height(), oldest);
    for gone in [oldest - 1, 2] {
        let error = migration(node.view_at(gone).expect_err("gone"));
        assert!(
            matches!(error, migrate_core::Error::ViewGone { height, oldest: at, newest: 20 } if (height, at) == (gone, oldest)),
            "{error}"
        );
    }
}
