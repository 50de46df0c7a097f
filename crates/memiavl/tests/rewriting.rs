//! Snapshots written while blocks go on: what is taken over, what stays, what fails, how it ends.

mod common;

use std::fs;
use std::path::Path;
use std::time::Duration;

use changeset::{Hash, KvPair, NamedChangeSet, OldLog, OldStore, Read, StoreErrorKind, Write};
use common::recorded::files;
use common::workload::{changes_of, run_block, run_to, store};
use memiavl::{Doing, Error, Log, LogOptions, MemIavl, Options, open};
use tempfile::TempDir;

fn temporary() -> TempDir {
    tempfile::tempdir().expect("temporary directory")
}

/// The roots of versions 1 to `last`, from a store that never writes a snapshot.
fn undisturbed(last: u64) -> Vec<Vec<(String, changeset::Hash)>> {
    let dir = temporary();
    run_to(&mut store(dir.path(), |options| options.snapshot_interval_blocks = 0), last)
}

fn snapshots(dir: &Path) -> Vec<u64> {
    memiavl_iter::list_snapshots(dir).expect("listed").into_iter().map(|(version, _)| version).collect()
}

fn log_versions(dir: &Path) -> std::ops::RangeInclusive<u64> {
    Log::read(&dir.join("changelog"), LogOptions::default()).expect("read").versions().expect("entries")
}

#[test]
fn blocks_go_on_with_the_same_roots_while_snapshots_are_written() {
    let expected = undisturbed(120);
    let dir = temporary();
    let mut busy = store(dir.path(), |options| options.snapshot_interval_blocks = 7);
    for roots in &expected {
        assert_eq!(run_block(&mut busy), *roots);
        assert_eq!(busy.committed_roots().expect("roots"), *roots);
    }
    busy.finish_rewrite().expect("no failure");
    assert!(busy.snapshot_version() >= 7, "at least one was taken over");
    let snapshot = busy.snapshot_version();
    assert_eq!(
        fs::read_link(dir.path().join("current")).expect("link"),
        Path::new(&format!("snapshot-{snapshot:020}"))
    );
    busy.close().expect("closed");
    let again = store(dir.path(), |_| {});
    assert_eq!((again.snapshot_version(), again.version()), (snapshot, 120));
    assert_eq!(again.committed_roots().expect("roots"), expected[119]);
}

#[test]
fn a_snapshot_at_every_height_changes_no_root() {
    let expected = undisturbed(30);
    let dir = temporary();
    let mut store = store(dir.path(), |_| {});
    for (version, roots) in (1..).zip(&expected) {
        assert_eq!(run_block(&mut store), *roots);
        store.snapshot_now().expect("written");
        assert_eq!((store.snapshot_version(), store.cow_bytes()), (version, 0));
        assert_eq!(store.committed_roots().expect("roots"), *roots);
    }
}

#[test]
fn reopening_at_every_height_changes_no_root() {
    let expected = undisturbed(30);
    let dir = temporary();
    for (version, roots) in (1..).zip(&expected) {
        let mut reopened = store(dir.path(), |_| {});
        assert_eq!(reopened.next_version(), version);
        assert_eq!(run_block(&mut reopened), *roots);
        if version % 5 == 0 {
            reopened.snapshot_now().expect("written");
        }
    }
}

#[test]
fn changed_nodes_and_log_bytes_trigger_a_snapshot() {
    let triggers: [fn(&mut Options); 3] = [
        |options| options.cow_bytes_max = 1,
        |options| options.cow_bytes_min = 1,
        |options| options.replay_bytes_max = 1,
    ];
    for trigger in triggers {
        let dir = temporary();
        let mut store = store(dir.path(), |options| {
            options.snapshot_interval_blocks = 0;
            trigger(options);
        });
        run_block(&mut store);
        store.finish_rewrite().expect("no failure");
        assert_eq!(store.snapshot_version(), 1);
    }
}

#[test]
fn a_snapshot_is_written_once_the_log_is_long_beside_it_and_the_last_one_a_while_ago() {
    let dir = temporary();
    let mut store = store(dir.path(), |options| {
        options.snapshot_interval_blocks = 0;
        (options.replay_bytes_min, options.replay_rest) = (1, Duration::ZERO);
    });
    // Without a snapshot any log is long.
    run_block(&mut store);
    store.finish_rewrite().expect("no failure");
    assert_eq!(store.snapshot_version(), 1);
    run_to(&mut store, 20);
    let mut written = Vec::new();
    while written.len() < 3 {
        run_block(&mut store);
        store.finish_rewrite().expect("no failure");
        written.extend(Some(store.snapshot_version()).filter(|version| *version == store.version()));
    }
    let gaps: Vec<_> = written.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| *gap > 1), "not behind every block: {written:?}");
    store.close().expect("closed");
    let refusals: [fn(&mut Options); 2] =
        [|options| options.replay_bytes_min = 1 << 20, |options| options.replay_rest = Duration::from_hours(1)];
    for refuse in refusals {
        let dir = temporary();
        let mut store = self::store(dir.path(), |options| {
            options.snapshot_interval_blocks = 0;
            (options.replay_bytes_min, options.replay_rest) = (1, Duration::ZERO);
            refuse(options);
        });
        run_to(&mut store, 5);
        store.finish_rewrite().expect("no failure");
        assert_eq!(store.snapshot_version(), 0);
    }
}

#[test]
fn a_requested_snapshot_is_of_the_last_committed_version() {
    let dir = temporary();
    let mut store = store(dir.path(), |_| {});
    run_to(&mut store, 3);
    store.request_snapshot().expect("no failure");
    run_to(&mut store, 4);
    store.finish_rewrite().expect("no failure");
    assert_eq!((store.snapshot_version(), store.version()), (3, 4));
}

#[test]
fn views_keep_their_version_through_commits_rewrites_and_the_end_of_the_store() {
    let dir = temporary();
    let mut store = store(dir.path(), |options| options.snapshot_interval_blocks = 3);
    let mut views = Vec::new();
    for _ in 0..20 {
        let roots = run_block(&mut store);
        let last = changes_of(store.version());
        views.push((store.view(), roots, last));
    }
    store.close().expect("closed");
    drop(dir);
    for (version, (view, roots, last)) in (1..).zip(views) {
        assert_eq!(view.version(), version);
        assert!(view.roots().map(|(name, root)| (name.to_owned(), root)).eq(roots));
        for set in last {
            let pair = set.pairs().last().expect("a pair");
            let expected = (!pair.delete).then(|| pair.value.clone());
            assert_eq!(view.get(&set.name, &pair.key).expect("read"), expected);
        }
    }
}

#[test]
fn older_snapshots_go_and_the_segments_before_them() {
    let dir = temporary();
    let mut store = store(dir.path(), |options| options.snapshot_keep_recent = 1);
    // Two entries of this size fill a segment.
    let run_to = |store: &mut MemIavl, version| {
        while store.version() < version {
            let large = KvPair::set("large", vec![store.version() as u8; 11 << 20]);
            store.apply(&[NamedChangeSet::new("evm", vec![large])]).expect("applied");
            run_block(store);
        }
    };
    for version in [2, 4, 6] {
        run_to(&mut store, version);
        store.snapshot_now().expect("written");
    }
    assert_eq!(snapshots(dir.path()), [4, 6]);
    assert_eq!(log_versions(dir.path()), 3..=6, "the segment of 3 and 4 is the oldest that is needed");
    store.set_retain_from(7);
    run_to(&mut store, 8);
    store.snapshot_now().expect("written");
    assert_eq!(snapshots(dir.path()), [6, 8], "version 7 is rebuilt from snapshot 6");
    run_to(&mut store, 10);
    store.snapshot_now().expect("written");
    assert_eq!(snapshots(dir.path()), [6, 8, 10], "still");
    assert_eq!(*log_versions(dir.path()).start(), 5);
    store.set_retain_from(10);
    run_to(&mut store, 12);
    store.snapshot_now().expect("written");
    assert_eq!(snapshots(dir.path()), [10, 12]);
    assert_eq!(*log_versions(dir.path()).start(), 9);
    store.close().expect("closed");
    let mut options = Options::read_only();
    options.at_version = Some(11);
    assert_eq!(open(dir.path(), options).expect("opened").replay().expect("replayed").version(), 11);
}

#[test]
fn a_rewrite_that_fails_is_told_and_loses_nothing() {
    let dir = temporary();
    let mut failing = store(dir.path(), |_| {});
    run_to(&mut failing, 2);
    // No room for the new snapshot: the directory itself is gone.
    let elsewhere = dir.path().with_extension("elsewhere");
    fs::rename(dir.path(), &elsewhere).expect("renamed");
    let Err(Error::Io { doing: Doing::Write, path, .. }) = failing.snapshot_now() else { panic!("written") };
    assert_eq!(path, dir.path().join("snapshot-00000000000000000002-tmp"));
    assert!(failing.take_background_failure().is_none(), "told once");

    failing.request_snapshot().expect("started");
    let error = loop {
        // The failure comes with one of the next calls.
        run_block(&mut failing);
        if let Err(error) = failing.request_snapshot() {
            break error;
        }
    };
    assert_eq!(error.kind(), StoreErrorKind::Io);
    fs::rename(&elsewhere, dir.path()).expect("renamed back");
    // The last call has asked for one more, which may have met the missing directory too.
    if let Err(error) = failing.finish_rewrite() {
        assert_eq!(error.kind(), StoreErrorKind::Io);
    }
    failing.snapshot_now().expect("written");
    let (version, roots) = (failing.version(), failing.committed_roots().expect("roots"));
    assert_eq!(failing.snapshot_version(), version);
    failing.close().expect("closed");
    let again = store(dir.path(), |_| {});
    assert_eq!((again.version(), again.committed_roots().expect("roots")), (version, roots));
}

#[test]
fn closing_ends_a_rewrite_and_the_next_opening_removes_what_it_left() {
    let dir = temporary();
    let mut slow = store(dir.path(), |options| options.snapshot_write_bytes_per_second = 1);
    run_to(&mut slow, 2);
    slow.request_snapshot().expect("started");
    slow.close().expect("closed at once, though the snapshot would take an hour");
    fs::create_dir_all(dir.path().join("snapshot-00000000000000000009-tmp/evm")).expect("made");
    let again = store(dir.path(), |_| {});
    assert_eq!((again.snapshot_version(), again.version()), (0, 2));
    assert!(!files(dir.path()).keys().any(|path| path.to_string_lossy().contains("-tmp")));
    assert_eq!(
        fs::read_dir(dir.path())
            .expect("listed")
            .filter(|entry| { entry.as_ref().expect("entry").file_name().to_string_lossy().ends_with("-tmp") })
            .count(),
        0
    );
}

#[test]
fn no_snapshot_becomes_current_before_its_version_is_durable() {
    let dir = temporary();
    let mut store = store(dir.path(), |options| options.commits_are_durable = false);
    run_to(&mut store, 2);
    let error = store.snapshot_now().expect_err("not yet");
    assert!(matches!(error, Error::NotDurable { version: 2 }), "{error:?}");
    assert_eq!(fs::read_link(dir.path().join("current")).expect("link"), Path::new("snapshot-00000000000000000000"));
    run_to(&mut store, 3);
    store.set_durable_version(2);
    store.finish_rewrite().expect("no failure");
    assert_eq!((store.snapshot_version(), store.version()), (2, 3));
}

#[test]
fn a_block_in_work_is_no_moment_to_wait_for_a_snapshot() {
    let dir = temporary();
    let mut store: MemIavl = store(dir.path(), |_| {});
    run_to(&mut store, 2);
    store.request_snapshot().expect("started");
    store.apply(&changes_of(3)).expect("applied");
    assert!(matches!(store.finish_rewrite(), Err(Error::BlockInWork { version: 3 })));
    store.discard();
    store.finish_rewrite().expect("no failure");
    assert_eq!(store.snapshot_version(), 2);
}

/// Commits two blocks, and puts something else in the place of the snapshot of the second before it becomes current.
fn rewrite_tampered_with(dir: &Path, tamper: impl FnOnce(&Path)) -> (MemIavl, Vec<(String, Hash)>, Error) {
    let mut store = store(dir, |options| options.commits_are_durable = false);
    run_to(&mut store, 2);
    store.request_snapshot().expect("started");
    let snapshot = dir.join("snapshot-00000000000000000002");
    while !snapshot.join("evm/nodes").exists() {
        std::thread::yield_now();
    }
    tamper(&snapshot);
    let roots = run_to(&mut store, 3).remove(0);
    store.set_durable_version(3);
    let error = store.finish_rewrite().expect_err("noticed");
    assert_eq!((store.snapshot_version(), error.kind()), (0, StoreErrorKind::Corruption));
    assert_eq!(store.committed_roots().expect("roots"), roots);
    (store, roots, error)
}

fn goes_on_without(dir: &Path, store: MemIavl, roots: Vec<(String, Hash)>) {
    store.close().expect("closed");
    let mut again = common::workload::store(dir, |_| {});
    assert_eq!((again.snapshot_version(), again.committed_roots().expect("roots")), (0, roots));
    run_block(&mut again);
    again.snapshot_now().expect("written");
}

#[test]
fn a_damaged_snapshot_never_becomes_current() {
    let dir = temporary();
    let (store, roots, error) = rewrite_tampered_with(dir.path(), |snapshot| {
        // The hashes right above the leaves, but not the root's.
        let nodes = snapshot.join("evm/nodes");
        let mut bytes = fs::read(&nodes).expect("read");
        bytes.chunks_mut(48).filter(|branch| branch[0] == 1).for_each(|branch| branch[16..].fill(0));
        fs::write(&nodes, bytes).expect("written");
    });
    assert!(matches!(error, Error::Replay { version: 3, .. }), "{error:?}");
    goes_on_without(dir.path(), store, roots);
}

#[test]
fn a_snapshot_that_does_not_lead_to_the_live_roots_never_becomes_current() {
    let other_dir = temporary();
    let mut other = store(other_dir.path(), |_| {});
    for _ in 0..2 {
        other.apply(&changes_of(other.next_version() + 10)).expect("applied");
        other.working_roots().expect("hashed");
        other.commit(&other.handoff([0; 32]), false).expect("committed");
    }
    other.snapshot_now().expect("written");
    other.close().expect("closed");

    let dir = temporary();
    let (store, roots, error) = rewrite_tampered_with(dir.path(), |snapshot| {
        // Sound by itself, and of another history.
        fs::remove_dir_all(snapshot).expect("removed");
        fs::rename(other_dir.path().join("snapshot-00000000000000000002"), snapshot).expect("renamed");
    });
    let Error::RewriteDiverged { version: 3, expected, got, .. } = &error else { panic!("{error:?}") };
    assert_ne!(got, expected);
    assert_eq!(snapshots(dir.path()), [0], "and its name is gone");
    goes_on_without(dir.path(), store, roots);
}

#[test]
fn a_snapshot_that_a_crash_left_behind_the_current_one_is_not_trusted() {
    let dir = temporary();
    let mut first = store(dir.path(), |_| {});
    run_to(&mut first, 2);
    first.snapshot_now().expect("written");
    let roots = run_to(&mut first, 5);
    first.close().expect("closed");
    // As if the process had died before it pointed `current`; and one that the log does not reach.
    let name = |version: u64| dir.path().join(format!("snapshot-{version:020}"));
    for version in [4, 9] {
        fs::create_dir(name(version)).expect("made");
        fs::write(name(version).join("__metadata"), "of no use").expect("written");
    }
    let mut options = Options::read_only();
    options.at_version = Some(4);
    let reader = open(dir.path(), options).expect("opened").replay().expect("replayed");
    assert_eq!((reader.snapshot_version(), reader.committed_roots().expect("roots")), (2, roots[1].clone()));
    let mut again = store(dir.path(), |_| {});
    assert_eq!((again.snapshot_version(), again.version()), (2, 5));
    assert_eq!(snapshots(dir.path()), [0, 2, 9]);
    run_to(&mut again, 9);
    again.snapshot_now().expect("written over what stood there");
    assert_eq!((again.snapshot_version(), snapshots(dir.path())), (9, vec![2, 9]));
}
