//! The rules of one migration, a test for each sentence.

use boundary::{BOUNDARY_KEY, VERSION_KEY, encode_version};
use changeset::{KvPair, StoreErrorKind, Write};

use super::*;
use crate::error::ErrorKind;
use crate::memory::MemoryStore;

/// One migration over two stores in memory, driven as the engine drives it.
struct Rig {
    old: MemoryStore,
    new: MemoryStore,
    manager: Manager,
}

fn config(keys: u64) -> ManagerConfig {
    let modules = ["acc", "bank", "evm", "wasm"].map(str::to_owned).to_vec();
    ManagerConfig { start: 0, target: 1, modules, batch: BatchLimit::keys(keys) }
}

fn old_store() -> MemoryStore {
    let mut old = MemoryStore::with_modules(["acc", "bank", "evm", "wasm"]);
    for (module, key, value) in [("acc", "a1", "1"), ("acc", "a2", "2"), ("bank", "b1", "3"), ("bank", "b2", "")] {
        old.set(module, key, value);
    }
    old
}

fn make(config: ManagerConfig, old: &MemoryStore, new: &MemoryStore) -> Result<Manager, Error> {
    Manager::new(config, Some(old), Some(new))
}

impl Rig {
    fn new(keys: u64) -> Self {
        let (old, new) = (old_store(), MemoryStore::default());
        let manager = make(config(keys), &old, &new).expect("a fresh migration");
        Self { old, new, manager }
    }

    /// One flush, applied to both stores.
    fn flush(&mut self, changes: Vec<NamedChangeSet>) -> FlushPlan {
        let plan = self.plan(changes).expect("a flush");
        self.old.apply(&plan.old).expect("in memory");
        self.new.apply(&plan.new).expect("in memory");
        plan
    }

    fn plan(&mut self, changes: Vec<NamedChangeSet>) -> Result<FlushPlan, Error> {
        self.manager.plan(Some(&self.old), changes, &CancelToken::default())
    }

    /// One block of one flush.
    fn block(&mut self, changes: Vec<NamedChangeSet>) -> FlushPlan {
        self.manager.next_block();
        self.flush(changes)
    }

    fn get(&self, module: &str, key: &str) -> Option<Bytes> {
        self.manager.get(Some(&self.old), Some(&self.new), module, key.as_bytes()).expect("a read")
    }

    fn in_new(&self, module: &str, key: &str) -> Option<Bytes> {
        self.new.get(module, key.as_bytes()).expect("in memory")
    }

    fn in_old(&self, module: &str, key: &str) -> Option<Bytes> {
        self.old.get(module, key.as_bytes()).expect("in memory")
    }
}

fn set(module: &str, key: &str, value: &str) -> NamedChangeSet {
    NamedChangeSet::new(module, vec![KvPair::set(key.to_owned(), value.to_owned())])
}

fn delete(module: &str, key: &str) -> NamedChangeSet {
    NamedChangeSet::new(module, vec![KvPair::delete(key.to_owned())])
}

fn value(text: &str) -> Option<Bytes> {
    Some(Bytes::copy_from_slice(text.as_bytes()))
}

fn record(store: &mut MemoryStore, key: &[u8], bytes: &[u8]) {
    store.set(MIGRATION_STORE, Bytes::copy_from_slice(key), Bytes::copy_from_slice(bytes));
}

#[test]
fn start_must_be_below_target() {
    for (start, target) in [(1, 1), (2, 1)] {
        let config = ManagerConfig { start, target, ..config(1) };
        let error = make(config, &old_store(), &MemoryStore::default()).expect_err("refused");
        assert!(matches!(error, Error::VersionOrder { start: s, target: t } if (s, t) == (start, target)), "{error}");
    }
}

#[test]
fn version_is_looked_up_in_new_then_in_old_then_zero() {
    let at = |new: Option<u64>, old: Option<u64>| {
        let (mut old_store, mut new_store) = (old_store(), MemoryStore::default());
        new.iter().for_each(|version| record(&mut new_store, VERSION_KEY, &encode_version(*version)));
        old.iter().for_each(|version| record(&mut old_store, VERSION_KEY, &encode_version(*version)));
        make(ManagerConfig { start: 1, target: 2, ..config(1) }, &old_store, &new_store)
    };
    assert!(!at(Some(1), Some(2)).expect("new says 1").is_complete());
    assert!(at(None, Some(2)).expect("old says 2").is_complete());
    assert!(!at(None, Some(1)).expect("old says 1").is_complete());
    for (new, old, got) in [(None, None, 0), (Some(3), Some(1), 3), (None, Some(9), 9)] {
        let error = at(new, old).expect_err("refused");
        assert!(
            matches!(error, Error::UnexpectedVersion { start: 1, target: 2, got: g } if g == got),
            "{new:?} {old:?}: {error}"
        );
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }
}

#[test]
fn at_target_old_may_be_absent_and_everything_goes_to_new() {
    let mut new = MemoryStore::default();
    record(&mut new, VERSION_KEY, &encode_version(1));
    let manager = Manager::new(config(5), None::<&MemoryStore>, Some(&new)).expect("passthrough");
    let plan =
        manager.plan(None::<&MemoryStore>, vec![set("bank", "b1", "9"), set("acc", "a", "8")], &CancelToken::default());
    let plan = plan.expect("a flush");
    assert_eq!(plan.old, []);
    assert_eq!(plan.new, [set("acc", "a", "8"), set("bank", "b1", "9")]);
    assert!(!plan.report.advanced);
}

#[test]
fn at_start_old_must_be_there() {
    let error = Manager::new(config(5), None::<&MemoryStore>, Some(&MemoryStore::default())).expect_err("refused");
    assert!(matches!(error, Error::OldStoreAbsent { version: 0 }), "{error}");
}

#[test]
fn boundary_that_does_not_decode_stops_the_start() {
    let mut new = MemoryStore::default();
    record(&mut new, BOUNDARY_KEY, &[7]);
    let error = make(config(1), &old_store(), &new).expect_err("refused");
    assert!(matches!(error, Error::BoundaryRecord(boundary::DecodeError::UnknownStatus { status: 7 })), "{error}");
    assert_eq!(error.kind(), ErrorKind::Corruption);
}

#[test]
fn absent_boundary_is_not_started_and_a_recorded_one_is_resumed() {
    assert_eq!(Rig::new(1).manager.boundary(), Boundary::NotStarted);
    let mut new = MemoryStore::default();
    let at = Boundary::in_progress("acc", "a1");
    record(&mut new, BOUNDARY_KEY, &at.encode());
    assert_eq!(make(config(1), &old_store(), &new).expect("in flight").boundary(), at);
}

#[test]
fn complete_boundary_at_the_start_version_is_corruption() {
    let mut new = MemoryStore::default();
    record(&mut new, BOUNDARY_KEY, &Boundary::Complete.encode());
    let error = make(config(1), &old_store(), &new).expect_err("refused");
    assert!(matches!(error, Error::CompleteAtStart { version: 0 }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Corruption);
}

#[test]
fn version_record_of_another_length_is_an_error_in_either_store() {
    for length in [0, 7, 9] {
        let (mut old, mut new) = (old_store(), MemoryStore::default());
        record(&mut new, VERSION_KEY, &vec![0; length]);
        let error = make(config(1), &old, &new).expect_err("refused");
        assert!(matches!(error, Error::VersionRecord(got) if got.got == length), "{error}");
        record(&mut old, VERSION_KEY, &vec![0; length]);
        let error = make(config(1), &old, &MemoryStore::default()).expect_err("refused");
        assert!(matches!(error, Error::VersionRecord(got) if got.got == length), "{error}");
    }
}

#[test]
fn is_at_version_takes_an_absent_record_for_zero() {
    let mut store = MemoryStore::default();
    assert!(crate::is_at_version(&store, 0).expect("a read"));
    record(&mut store, VERSION_KEY, &encode_version(2));
    assert!(crate::is_at_version(&store, 2).expect("a read"));
    assert!(!crate::is_at_version(&store, 0).expect("a read"));
    record(&mut store, VERSION_KEY, b"short");
    assert!(crate::is_at_version(&store, 2).is_err());
}

#[test]
fn migration_store_is_refused_in_every_state_and_nothing_changes() {
    let mut rig = Rig::new(100);
    for _ in 0..3 {
        let (old, new, boundary) = (rig.old.clone(), rig.new.clone(), rig.manager.boundary());
        for batch in [vec![set("migration", "k", "v")], vec![set("bank", "b9", "v"), set("migration", "k", "v")]] {
            let error = rig.plan(batch).expect_err("refused");
            assert!(matches!(error, Error::ReservedStore { store: "migration" }), "{error}");
        }
        let read = rig.manager.get(Some(&rig.old), Some(&rig.new), "migration", VERSION_KEY);
        assert!(matches!(read, Err(Error::ReservedStore { .. })));
        assert_eq!((rig.old.clone(), rig.new.clone(), rig.manager.boundary()), (old, new, boundary));
        rig.block(vec![]);
    }
    assert!(rig.manager.is_complete());
}

#[test]
fn unmigrated_key_is_read_from_old_then_from_new() {
    let mut rig = Rig::new(0);
    rig.new.set("acc", "only-new", "n");
    assert_eq!(rig.get("acc", "a1"), value("1"));
    assert_eq!(rig.get("acc", "only-new"), value("n"));
    assert_eq!(rig.get("acc", "nowhere"), None);
}

#[test]
fn migrated_key_is_read_from_new_alone() {
    let mut rig = Rig::new(1);
    rig.block(vec![]);
    rig.old.set("acc", "a1", "residue");
    assert_eq!(rig.get("acc", "a1"), value("1"));
    rig.new.apply(&[delete("acc", "a1")]).expect("in memory");
    assert_eq!(rig.get("acc", "a1"), None);
}

#[test]
fn only_the_first_flush_of_a_block_advances_also_when_it_is_empty() {
    let mut rig = Rig::new(1);
    assert!(rig.block(vec![]).report.advanced);
    assert_eq!(rig.manager.boundary(), Boundary::in_progress("acc", "a1"));
    assert!(!rig.flush(vec![set("acc", "a2", "x")]).report.advanced);
    assert_eq!(rig.manager.boundary(), Boundary::in_progress("acc", "a1"));
    assert!(rig.block(vec![]).report.advanced);
    assert_eq!(rig.manager.boundary(), Boundary::in_progress("acc", "a2"));
}

#[test]
fn block_without_a_flush_does_not_advance() {
    let mut rig = Rig::new(1);
    rig.block(vec![]);
    rig.manager.next_block();
    rig.manager.next_block();
    assert_eq!(rig.manager.boundary(), Boundary::in_progress("acc", "a1"));
}

#[test]
fn batch_size_zero_pauses_and_routes() {
    let mut rig = Rig::new(0);
    let plan = rig.block(vec![set("acc", "a1", "new value"), set("acc", "brand-new", "n")]);
    assert_eq!(rig.manager.boundary(), Boundary::NotStarted);
    assert_eq!(plan.old, [set("acc", "a1", "new value")]);
    assert_eq!(plan.new, [set("acc", "brand-new", "n")]);
    rig.manager.set_batch(BatchLimit::keys(3));
    rig.block(vec![]);
    assert_eq!(rig.manager.boundary(), Boundary::in_progress("bank", "b1"));
}

#[test]
fn batch_size_raised_within_a_block_counts_from_the_next_one() {
    let mut rig = Rig::new(0);
    rig.block(vec![]);
    rig.manager.set_batch(BatchLimit::keys(3));
    assert!(!rig.flush(vec![]).report.advanced);
    assert!(rig.block(vec![]).report.advanced);
}

#[test]
fn byte_limit_ends_a_batch_at_the_pair_that_reaches_it_and_never_empties_it() {
    for (bytes, moved) in [(0, 1), (1, 1), (3, 1), (4, 2), (7, 3), (1000, 4)] {
        let mut rig = Rig::new(100);
        rig.manager.set_batch(BatchLimit { keys: 100, bytes: Some(bytes) });
        assert_eq!(rig.block(vec![]).report.moved_keys, moved, "bytes={bytes}");
    }
}

#[test]
fn advancing_sets_in_new_and_deletes_in_old_in_the_order_of_the_walk() {
    let mut rig = Rig::new(3);
    let plan = rig.block(vec![]);
    let gone = NamedChangeSet::new("acc", vec![KvPair::delete("a1"), KvPair::delete("a2")]);
    assert_eq!(plan.old, [gone, delete("bank", "b1")]);
    let came = NamedChangeSet::new("acc", vec![KvPair::set("a1", "1"), KvPair::set("a2", "2")]);
    let cursor = NamedChangeSet::new("migration", vec![KvPair::set(BOUNDARY_KEY, rig.manager.boundary().encode())]);
    assert_eq!(plan.new, [came, set("bank", "b1", "3"), cursor]);
    assert_eq!((plan.report.moved_keys, plan.report.moved_key_bytes, plan.report.moved_value_bytes), (3, 6, 3));
}

#[test]
fn batch_that_drains_the_last_tree_completes_at_once() {
    let mut rig = Rig::new(4);
    rig.old.set("wasm", "w", "5");
    rig.manager.set_batch(BatchLimit::keys(5));
    let plan = rig.block(vec![]);
    assert!(rig.manager.is_complete());
    let records = vec![KvPair::delete(BOUNDARY_KEY), KvPair::set(VERSION_KEY, encode_version(1).to_vec())];
    assert_eq!(plan.new.last(), Some(&NamedChangeSet::new("migration", records)));
    for (module, key) in [("acc", "a1"), ("acc", "a2"), ("bank", "b1"), ("bank", "b2"), ("wasm", "w")] {
        assert_eq!(rig.in_old(module, key), None, "{module} {key}");
    }
}

#[test]
fn batch_filled_by_the_last_key_before_empty_trees_completes_one_block_later() {
    let mut rig = Rig::new(4);
    rig.block(vec![]);
    assert_eq!(rig.manager.boundary(), Boundary::in_progress("bank", "b2"));
    let plan = rig.block(vec![]);
    assert!(rig.manager.is_complete());
    assert_eq!((plan.report.moved_keys, plan.report.advanced), (0, true));
}

#[test]
fn what_is_left_is_judged_before_the_blocks_own_pairs() {
    let mut rig = Rig::new(3);
    // The delete empties bank, but the batch was judged with b2 in it.
    rig.block(vec![delete("bank", "b2")]);
    assert_eq!(rig.manager.boundary(), Boundary::in_progress("bank", "b1"));
    rig.block(vec![]);
    assert!(rig.manager.is_complete());
}

#[test]
fn trees_are_fixed_when_the_manager_is_made_and_those_without_a_tree_are_skipped() {
    let mut old = MemoryStore::with_modules(["bank", "acc", "zebra", "migration"]);
    let mut config = config(10);
    config.modules.push("migration".to_owned());
    let manager = make(config, &old, &MemoryStore::default()).expect("fresh");
    assert_eq!(manager.trees(), ["acc", "bank"]);
    old.set("evm", "late", "v");
    let plan = manager.plan(Some(&old), vec![], &CancelToken::default()).expect("a flush");
    assert_eq!(plan.report.moved_keys, 0);
}

#[test]
fn tree_that_vanishes_is_an_error_and_no_end() {
    let mut rig = Rig::new(10);
    rig.old.drop_module("bank");
    let error = rig.plan(vec![]).expect_err("refused");
    assert!(matches!(&error, Error::TreeVanished { module } if module == "bank"), "{error}");
}

#[test]
fn migrated_key_written_again_goes_to_new() {
    let mut rig = Rig::new(1);
    rig.block(vec![]);
    rig.manager.set_batch(BatchLimit::keys(0));
    let plan = rig.block(vec![set("acc", "a1", "again"), delete("acc", "a0")]);
    assert_eq!(plan.old, []);
    let pairs = vec![KvPair::delete("a0"), KvPair::set("a1", "again")];
    assert_eq!(plan.new, [NamedChangeSet::new("acc", pairs)]);
}

#[test]
fn callers_pairs_follow_the_new_boundary_and_override_moved_values() {
    let mut rig = Rig::new(2);
    rig.block(vec![set("acc", "a1", "mine"), delete("acc", "a2"), set("bank", "b1", "stays")]);
    assert_eq!((rig.in_new("acc", "a1"), rig.in_old("acc", "a1")), (value("mine"), None));
    assert_eq!((rig.in_new("acc", "a2"), rig.in_old("acc", "a2")), (None, None));
    assert_eq!((rig.in_new("bank", "b1"), rig.in_old("bank", "b1")), (None, value("stays")));
}

#[test]
fn unmigrated_key_absent_in_old_goes_to_new_deletes_too() {
    let mut rig = Rig::new(0);
    let plan = rig.block(vec![set("wasm", "new", "n"), delete("wasm", "never")]);
    assert_eq!(plan.old, []);
    assert_eq!(plan.new, [NamedChangeSet::new("wasm", vec![KvPair::delete("never"), KvPair::set("new", "n")])]);
}

#[test]
fn in_old_means_before_this_flush_and_an_empty_value_is_present() {
    let mut rig = Rig::new(0);
    // b2 has an empty value: it is present, so both pairs go to old although the first one deletes it.
    let plan = rig.block(vec![delete("bank", "b2"), set("bank", "b2", "back")]);
    assert_eq!((plan.old, plan.new), (vec![set("bank", "b2", "back")], vec![]));
    rig.flush(vec![delete("bank", "b2")]);
    // An earlier flush of the block counts: now it is absent.
    assert_eq!(rig.flush(vec![set("bank", "b2", "new home")]).new, [set("bank", "b2", "new home")]);
}

#[test]
fn presence_in_new_does_not_mean_migrated() {
    let mut rig = Rig::new(0);
    rig.block(vec![set("wasm", "ahead", "1")]);
    rig.old.set("wasm", "ahead", "old side");
    assert_eq!(rig.get("wasm", "ahead"), value("old side"));
}

#[test]
fn last_pair_of_a_key_wins_and_stores_and_keys_come_in_byte_order() {
    let mut rig = Rig::new(0);
    let plan =
        rig.block(vec![set("wasm", "z", "1"), set("acc", "y", "2"), set("wasm", "a", "3"), set("wasm", "z", "4")]);
    let wasm = NamedChangeSet::new("wasm", vec![KvPair::set("a", "3"), KvPair::set("z", "4")]);
    assert_eq!(plan.new, [set("acc", "y", "2"), wasm]);
}

#[test]
fn metadata_is_written_when_advancing_and_not_otherwise() {
    let mut rig = Rig::new(1);
    let names = |plan: &FlushPlan| plan.new.iter().map(|set| set.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&rig.block(vec![])), ["acc", "migration"]);
    assert_eq!(names(&rig.flush(vec![set("acc", "n", "v")])), ["acc"]);
    rig.manager.set_batch(BatchLimit::keys(0));
    assert!(names(&rig.block(vec![])).is_empty());
}

#[test]
fn after_completion_everything_goes_to_new_and_nothing_advances() {
    let mut rig = Rig::new(100);
    while !rig.manager.is_complete() {
        rig.block(vec![]);
    }
    let plan = rig.block(vec![set("bank", "b1", "9"), set("bank", "fresh", "8")]);
    assert_eq!(plan.old, []);
    assert_eq!(plan.new[0].pairs().len(), 2);
    assert!(!plan.report.advanced);
}

#[test]
fn errors_of_walk_reader_and_writer_fail_the_block_and_never_end_the_data() {
    let check = |rig: &mut Rig, changes: Vec<NamedChangeSet>| {
        let before = rig.manager.savepoint();
        let error = rig.plan(changes).expect_err("a failing store");
        assert!(matches!(&error, Error::Old { source, .. } if source.kind() == StoreErrorKind::Io), "{error}");
        rig.manager.restore(before);
        assert_eq!(rig.manager.boundary(), Boundary::NotStarted);
    };
    let mut rig = Rig::new(3);
    for after in 0..2 {
        rig.old.fail_walk_after = Some(after);
        check(&mut rig, vec![]);
    }
    rig.old.fail_walk_after = None;
    rig.old.fail_reads = true;
    check(&mut rig, vec![set("wasm", "w", "v")]);
    rig.old.fail_reads = false;
    assert!(rig.block(vec![]).report.advanced, "the block still has its one advance");
}

#[test]
fn cancelled_advance_fails_the_flush() {
    let rig = Rig::new(3);
    let cancel = CancelToken::default();
    cancel.cancel();
    let error = rig.manager.plan(Some(&rig.old), vec![], &cancel).expect_err("cancelled");
    assert!(matches!(error, Error::Cancelled), "{error}");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[test]
fn new_that_fails_is_no_absence() {
    let mut new = MemoryStore::default();
    new.fail_reads = true;
    assert!(matches!(make(config(1), &old_store(), &new), Err(Error::New { .. })));
    new.fail_reads = false;
    let manager = make(config(1), &old_store(), &new).expect("fresh");
    new.fail_reads = true;
    assert!(matches!(manager.get(Some(&old_store()), Some(&new), "acc", b"nowhere"), Err(Error::New { .. })));
}
