//! Damage in the files under a live store: a walk hands out nothing that its leaf's hash does not vouch for.

mod common;

use std::fs;
use std::ops::ControlFlow;

use changeset::{OldStore, ScanOrder, ScanRange, StoreErrorKind, Walk, Write};
use common::workload::{changes_of, run_block, run_to, store};
use memiavl::Error;

#[test]
fn a_flipped_byte_of_a_value_ends_the_walk_before_it_is_handed_out() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut made = store(dir.path(), |_| {});
    run_to(&mut made, 5);
    made.snapshot_now().expect("written");
    made.close().expect("closed");
    let kvs = dir.path().join("current/evm/kvs");
    let mut bytes = fs::read(&kvs).expect("read");
    // The last byte is the last value's.
    *bytes.last_mut().expect("a byte") ^= 1;
    fs::write(&kvs, bytes).expect("written");

    let mut damaged = store(dir.path(), |_| {});
    let count = damaged.len("evm").expect("counted").expect("a tree");
    let mut handed_out = 0;
    let error = damaged
        .walk("evm", None, &mut |_, _| {
            handed_out += 1;
            ControlFlow::Continue(())
        })
        .expect_err("damaged");
    assert_eq!((handed_out, error.kind()), (count - 1, StoreErrorKind::Corruption));
    let found = error.downcast_ref::<Error>().expect("ours");
    assert!(
        matches!(found, Error::Snapshot(memiavl_iter::Error::HashMismatch { path, .. }) if path.ends_with("evm/leaves")),
        "{found:?}"
    );
    run_block(&mut damaged);
}

#[test]
fn a_change_that_meets_damage_tears_the_block_until_it_is_dropped() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut made = store(dir.path(), |_| {});
    run_to(&mut made, 5);
    made.snapshot_now().expect("written");
    made.close().expect("closed");
    // Every key of the tree `evm` now seems to lie behind the end of `kvs`.
    let leaves = dir.path().join("current/evm/leaves");
    let mut bytes = fs::read(&leaves).expect("read");
    bytes.chunks_mut(48).for_each(|leaf| leaf[8..16].fill(0xff));
    fs::write(&leaves, bytes).expect("written");

    let mut damaged = store(dir.path(), |_| {});
    let start = damaged.savepoint();
    let changes = changes_of(6);
    let error = damaged.apply(&changes).expect_err("damaged");
    assert_eq!(error.kind(), StoreErrorKind::Corruption);
    for error in [
        damaged.apply(&[]).expect_err("torn"),
        damaged.working_roots().expect_err("torn"),
        damaged.commit(&damaged.handoff([0; 32]), false).expect_err("torn"),
    ] {
        assert!(matches!(error.downcast_ref(), Some(Error::TornBlock { version: 6 })), "{error:?}");
    }
    damaged.restore(start);
    let bank: Vec<_> = changes.into_iter().filter(|set| set.name == "bank").collect();
    damaged.apply(&bank).expect("the other tree is whole");
    let scan = changeset::Scan::scan(&damaged, "evm", &ScanRange::ALL, ScanOrder::Ascending).expect("a scan");
    let items: Vec<_> = scan.collect();
    assert!(matches!(items.as_slice(), [Err(error)] if error.kind() == StoreErrorKind::Corruption), "an error ends it");
}
