//! Rolling back: every version that can be rebuilt, and what remains on disk; refusals change nothing.

mod common;

use std::path::Path;

use changeset::OldStore;
use common::recorded::{blocks, files, unpack};
use common::workload::{run_to, store};
use memiavl::{Error, Log, LogOptions, rollback};

fn snapshots(dir: &Path) -> Vec<u64> {
    memiavl_iter::list_snapshots(dir).expect("listed").into_iter().map(|(version, _)| version).collect()
}

#[test]
fn a_store_rolled_back_to_any_version_goes_on_as_it_went_then() {
    for target in 1..=12 {
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut first = store(dir.path(), |options| options.snapshot_keep_recent = 9);
        let mut roots = run_to(&mut first, 4);
        first.snapshot_now().expect("written");
        roots.extend(run_to(&mut first, 8));
        first.snapshot_now().expect("written");
        roots.extend(run_to(&mut first, 12));
        first.close().expect("closed");

        rollback(dir.path(), target).expect("rolled back");
        let log = Log::read(&dir.path().join("changelog"), LogOptions::default()).expect("read");
        assert_eq!(log.versions(), Some(1..=target));
        assert_eq!(snapshots(dir.path()), [0, 4, 8].into_iter().filter(|at| *at <= target).collect::<Vec<_>>());
        let mut again = store(dir.path(), |_| {});
        let at = usize::try_from(target).expect("small");
        assert_eq!((again.version(), again.committed_roots().expect("roots")), (target, roots[at - 1].clone()));
        assert_eq!(run_to(&mut again, 12), roots[at..]);
    }
}

#[test]
fn the_references_directory_rolls_back_over_its_upgrades() {
    let dir = unpack("iavl-upgrades");
    let mut recorded: Vec<_> = blocks("iavl-upgrades").collect();
    while let Some(block) = recorded.pop().filter(|block| block.height >= 100) {
        if block.height % 9 == 0 {
            rollback(dir.path(), block.height).expect("rolled back");
            let store = store(dir.path(), |_| {});
            assert_eq!((store.version(), store.committed_roots().expect("roots")), (block.height, block.roots));
        }
    }
}

#[test]
fn a_version_that_cannot_be_rebuilt_is_refused_and_nothing_changes() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut first = store(dir.path(), |options| options.snapshot_keep_recent = 0);
    run_to(&mut first, 4);
    first.snapshot_now().expect("written");
    run_to(&mut first, 6);
    first.close().expect("closed");
    let before = files(dir.path());
    let error = rollback(dir.path(), 3).expect_err("pruned");
    assert!(
        matches!(&error, Error::VersionPruned { path, wanted: 3, oldest: Some(4) } if path == dir.path()),
        "{error:?}"
    );
    let error = rollback(dir.path(), 7).expect_err("not reached");
    assert!(matches!(&error, Error::VersionNotReached { path, wanted: 7, last: 6 } if path == dir.path()), "{error:?}");
    assert_eq!(files(dir.path()), before);
    let missing = dir.path().join("missing");
    let error = rollback(&missing, 1).expect_err("no store");
    assert!(matches!(&error, Error::NoStore { path } if *path == missing), "{error:?}");
}
