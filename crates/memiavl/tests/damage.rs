//! Damage in the files under a live store: a walk hands out nothing that its leaf's hash does not vouch for.

mod common;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use changeset::{Hash, OldLog, OldStore, ScanOrder, ScanRange, StoreErrorKind, StoreResult, Walk, Write};
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

/// A rig that damages each byte found it: the hash of an untouched subtree, or the key that a search passed, was taken from
/// the snapshot as it was, and the next block's root was another than everybody else's.
#[test]
fn damage_to_what_a_block_rests_on_is_refused_and_enters_no_root() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut made = store(dir.path(), |_| {});
    run_to(&mut made, 5);
    made.snapshot_now().expect("written");
    made.close().expect("closed");
    let mut sound = store(dir.path(), |_| {});
    let expected = run_to(&mut sound, 8);
    sound.close().expect("closed");

    let (mut refused, mut passed) = (0, 0);
    for file in ["nodes", "leaves", "kvs"] {
        let path = dir.path().join("current/evm").join(file);
        let bytes = fs::read(&path).expect("read");
        // A prime, so that every field of the records of 48 bytes has its turn.
        for at in (0..bytes.len()).step_by(29) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            fs::write(&path, damaged).expect("written");
            match roots_from_snapshot(dir.path()) {
                Ok(roots) => {
                    assert_eq!(roots, expected, "{file} byte {at}");
                    passed += 1;
                }
                Err(error) => {
                    assert_eq!(error.kind(), StoreErrorKind::Corruption, "{file} byte {at}: {error}");
                    refused += 1;
                }
            }
        }
        fs::write(&path, bytes).expect("written");
    }
    assert!(refused > 100 && passed > 0, "refused={refused} passed={passed}");
}

/// The roots of blocks 6 to 8, run again on the snapshot of block 5.
fn roots_from_snapshot(dir: &Path) -> StoreResult<Vec<Vec<(String, Hash)>>> {
    let copy = tempfile::tempdir().expect("temporary directory");
    let snapshot = memiavl_iter::Snapshot::open(&dir.join("current"))?;
    let name = memiavl_iter::snapshot_name(snapshot.version());
    std::os::unix::fs::symlink(dir.join(&name), copy.path().join(&name)).expect("linked");
    std::os::unix::fs::symlink(&name, copy.path().join("current")).expect("linked");
    fs::create_dir(copy.path().join("changelog")).expect("made");
    let mut store = memiavl::open(copy.path(), memiavl::Options::writer())?.replay()?;
    let mut roots = Vec::new();
    while store.version() < 8 {
        store.apply(&changes_of(store.next_version()))?;
        roots.push(store.working_roots()?);
        store.commit(&store.handoff([0; 32]), false)?;
    }
    Ok(roots)
}
