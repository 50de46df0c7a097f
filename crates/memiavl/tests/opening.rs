//! Opening: what a fresh store is, and every refusal with its fields and without a changed byte.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use changeset::{ChangelogEntry, Handoff, Hash, KvPair, NamedChangeSet, OldLog, OldStore, Read, StoreErrorKind, Write};
use common::recorded::files;
use common::workload::{run_block, run_to, store};
use memiavl::{Error, MemIavl, Options, open};
use prost::Message;
use tempfile::TempDir;

fn temporary() -> TempDir {
    tempfile::tempdir().expect("temporary directory")
}

/// A store at version 3 with a snapshot of version 2.
fn made() -> TempDir {
    let dir = temporary();
    let mut made = store(dir.path(), |_| {});
    run_to(&mut made, 2);
    made.snapshot_now().expect("written");
    run_to(&mut made, 3);
    made.close().expect("closed");
    dir
}

fn everything(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    if dir.exists() { files(dir) } else { BTreeMap::new() }
}

/// Opening and replaying must fail, as reader and as writer, and leave every byte as it is.
fn refusals(dir: &Path) -> [Error; 2] {
    let before = everything(dir);
    let refused = [Options::read_only(), Options::writer()].map(|options| refusal(dir, options));
    assert_eq!(everything(dir), before);
    refused
}

fn refusal(dir: &Path, options: Options) -> Error {
    match open(dir, options).map(OldLog::replay) {
        Err(error) => error,
        Ok(Ok(_)) => panic!("opened"),
        Ok(Err(error)) => panic!("opened, and failed only in the replay: {error}"),
    }
}

#[test]
fn a_writer_makes_a_fresh_store_with_its_first_trees() {
    for (initial_version, metadata) in [(0, &[0x0a, 0][..]), (1, &[0x0a, 0, 0x10, 1]), (100, &[0x0a, 0, 0x10, 100])] {
        let dir = temporary();
        let dir = dir.path().join("below").join("memiavl");
        let mut fresh = store(&dir, |options| options.initial_version = initial_version);
        assert_eq!((fresh.version(), fresh.next_version()), (0, u64::from(initial_version.max(1))));
        assert_eq!(fs::read(dir.join("current/__metadata")).expect("read"), metadata);
        assert_eq!(fs::read_link(dir.join("current")).expect("link"), Path::new("snapshot-00000000000000000000"));
        let names: Vec<_> = fresh.working_roots().expect("hashed").into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["bank", "evm"]);
        assert_eq!(fresh.committed_roots().expect("roots"), []);
        run_block(&mut fresh);
        drop(fresh);
        assert_eq!(store(&dir, |_| {}).version(), u64::from(initial_version.max(1)));
    }
}

#[test]
fn a_discarded_first_block_still_adds_the_first_trees() {
    let dir = temporary();
    let mut fresh = store(dir.path(), |_| {});
    fresh.apply(&[NamedChangeSet::new("evm", vec![KvPair::set("k", "v")])]).expect("applied");
    fresh.discard();
    assert_eq!(fresh.get("evm", b"k").expect("read"), None);
    let roots = run_block(&mut fresh);
    drop(fresh);
    assert_eq!(store(dir.path(), |_| {}).committed_roots().expect("roots"), roots);
}

#[test]
fn a_missing_or_empty_directory_is_no_store_to_a_reader() {
    let dir = temporary();
    for path in [dir.path().to_owned(), dir.path().join("missing")] {
        let error = refusal(&path, Options::read_only());
        assert!(matches!(&error, Error::NoStore { path: named } if *named == path), "{error:?}");
        assert_eq!(error.kind(), StoreErrorKind::Configuration);
    }
    assert!(everything(dir.path()).is_empty() && !dir.path().join("missing").exists());
}

#[test]
fn an_interrupted_first_opening_is_finished() {
    for step in ["LOCK", "snapshot-00000000000000000000-tmp/__metadata", "snapshot-00000000000000000000/__metadata"] {
        let dir = temporary();
        let path = dir.path().join(step);
        fs::create_dir_all(path.parent().expect("parent")).expect("made");
        fs::write(&path, [0x0a, 0]).expect("written");
        let mut fresh = store(dir.path(), |_| {});
        run_block(&mut fresh);
        assert_eq!(fresh.version(), 1, "{step}");
    }
}

#[test]
fn a_directory_of_something_else_is_refused() {
    let dir = temporary();
    fs::write(dir.path().join("photo.jpg"), "a cat").expect("written");
    for error in refusals(dir.path()) {
        assert!(
            matches!(&error, Error::ForeignDirectory { path, found }
            if path == dir.path() && *found == dir.path().join("photo.jpg")),
            "{error:?}"
        );
    }
    let file = dir.path().join("photo.jpg");
    for options in [Options::read_only(), Options::writer()] {
        let error = refusal(&file, options);
        assert!(matches!(&error, Error::NotADirectory { path } if *path == file), "{error:?}");
    }
}

#[test]
fn a_current_that_leads_nowhere_is_refused() {
    let dir = made();
    let current = dir.path().join("current");
    let point = |target: &str| {
        fs::remove_file(&current).expect("removed");
        symlink(target, &current).expect("linked");
    };
    point("snapshot-00000000000000000077");
    for error in refusals(dir.path()) {
        assert!(
            matches!(&error, Error::DanglingCurrent { path, target }
            if *path == current && target == Path::new("snapshot-00000000000000000077")),
            "{error:?}"
        );
    }
    for target in ["/etc", "../elsewhere", "snapshot-2", "snapshot-00000000000000000002-tmp"] {
        point(target);
        for error in refusals(dir.path()) {
            assert!(
                matches!(&error, Error::BadCurrent { path, target: named }
                if *path == current && named == Path::new(target)),
                "{error:?}"
            );
        }
    }
    fs::remove_file(&current).expect("removed");
    for error in refusals(dir.path()) {
        assert!(matches!(&error, Error::NoCurrent { path, newest: 2 } if path == dir.path()), "{error:?}");
    }
}

#[test]
fn a_current_that_is_a_file_with_the_name_opens() {
    let dir = made();
    let current = dir.path().join("current");
    fs::remove_file(&current).expect("removed");
    fs::write(&current, "snapshot-00000000000000000002\n").expect("written");
    let mut again = store(dir.path(), |_| {});
    assert_eq!((again.snapshot_version(), again.version()), (2, 3));
    again.snapshot_now().expect("written");
    assert_eq!(fs::read_link(&current).expect("a link again"), Path::new("snapshot-00000000000000000003"));
}

#[test]
fn a_snapshot_under_another_name_is_refused() {
    let dir = made();
    fs::rename(dir.path().join("snapshot-00000000000000000002"), dir.path().join("snapshot-00000000000000000001"))
        .expect("renamed");
    fs::remove_file(dir.path().join("current")).expect("removed");
    symlink("snapshot-00000000000000000001", dir.path().join("current")).expect("linked");
    for error in refusals(dir.path()) {
        assert!(
            matches!(error, Error::Snapshot(memiavl_iter::Error::VersionMismatch { expected: 2, got: 1, .. })),
            "{error:?}"
        );
    }
}

#[test]
fn versions_that_are_not_there_are_refused() {
    let dir = made();
    fs::remove_dir_all(dir.path().join("snapshot-00000000000000000000")).expect("removed");
    let at = |version| {
        let mut options = Options::read_only();
        options.at_version = Some(version);
        options
    };
    let error = refusal(dir.path(), at(1));
    assert!(
        matches!(&error, Error::VersionPruned { path, wanted: 1, oldest: Some(2) } if path == dir.path()),
        "{error:?}"
    );
    let error = open(dir.path(), at(4)).expect("opened").replay().expect_err("refused");
    let error = error.downcast_ref::<Error>().expect("ours");
    assert!(matches!(error, Error::VersionNotReached { path, wanted: 4, last: 3 } if path == dir.path()), "{error:?}");
    let mut options = Options::writer();
    options.at_version = Some(2);
    let error = refusal(dir.path(), options);
    assert!(matches!(&error, Error::WriterAtVersion { path, version: 2 } if path == dir.path()), "{error:?}");
}

/// Appends an entry to the log of a store and replays it. Returns the refusal.
fn replay_of(entry: &ChangelogEntry) -> Error {
    let dir = made();
    let mut unreplayed = open(dir.path(), Options::writer()).expect("opened");
    let handoff = Handoff { version: entry.version.cast_unsigned(), entry: entry.encode_to_vec().into() };
    unreplayed.append(&[handoff]).expect("appended");
    drop(unreplayed);
    let unreplayed = open(dir.path(), Options::read_only()).expect("opened");
    match unreplayed.replay().expect_err("refused").downcast_ref() {
        Some(Error::Replay { version: 4, source }) => match &**source {
            Error::UnknownTree { name, version } => Error::UnknownTree { name: name.clone(), version: *version },
            Error::TreeExists { name } => Error::TreeExists { name: name.clone() },
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_entry_that_does_not_fit_the_trees_ends_the_replay() {
    let changesets = vec![NamedChangeSet::new("nowhere", vec![])];
    let error = replay_of(&ChangelogEntry { version: 4, changesets, upgrades: vec![] });
    assert!(matches!(&error, Error::UnknownTree { name, version: 4 } if name == "nowhere"), "{error:?}");
    let upgrades = vec![changeset::TreeNameUpgrade { name: "evm".to_owned(), ..Default::default() }];
    let error = replay_of(&ChangelogEntry { version: 4, changesets: vec![], upgrades });
    assert!(matches!(&error, Error::TreeExists { name } if name == "evm"), "{error:?}");
}

/// A log of twenty megabytes, which is replayed in three pieces; each block has a value of half a megabyte and a delete.
fn long_log() -> (TempDir, Vec<(String, Hash)>) {
    let (dir, mut roots) = (temporary(), Vec::new());
    let mut long = store(dir.path(), |options| options.snapshot_interval_blocks = 0);
    for version in 1..=40_u8 {
        let pairs = vec![
            KvPair::set(vec![version], vec![version; 512 << 10]),
            KvPair::delete(vec![version - 1]),
            KvPair::set("same", vec![version]),
        ];
        long.apply(&[NamedChangeSet::new("bank", pairs)]).expect("applied");
        roots = run_block(&mut long);
    }
    long.close().expect("closed");
    (dir, roots)
}

#[test]
fn a_long_log_leads_to_the_same_trees_piece_by_piece() {
    let (dir, roots) = long_log();
    let again = open(dir.path(), Options::writer()).expect("opened").replay().expect("replayed");
    assert_eq!((again.version(), again.committed_roots().expect("hashed")), (40, roots));
    assert_eq!(again.get("bank", b"same").expect("read").as_deref(), Some(&[40][..]));
}

#[test]
fn an_entry_that_is_damaged_far_behind_ends_the_replay_there() {
    let (dir, _) = long_log();
    let unreplayed = open(dir.path(), Options::read_only()).expect("opened");
    // Behind the opening, which reads all of the last segment.
    let segment = dir.path().join("changelog/00000000000000000001");
    let mut bytes = fs::read(&segment).expect("read");
    let at = bytes.len() - (600 << 10);
    bytes[at] ^= 0x40;
    fs::write(&segment, bytes).expect("written");
    let refused = unreplayed.replay().expect_err("refused");
    assert!(refused.to_string().contains("checksum"), "{refused}");
    assert_eq!(refused.kind(), StoreErrorKind::Corruption);
}

#[test]
fn a_log_that_does_not_reach_the_snapshot_is_a_gap_unless_it_is_filled() {
    let dir = made();
    let mut unreplayed = open(dir.path(), Options::writer()).expect("opened");
    let entries: Vec<_> = [2, 3]
        .map(|version| Handoff { version, entry: unreplayed.entry(version).expect("read").expect("there") })
        .into();
    unreplayed.truncate_after(1).expect("cut");
    assert_eq!((unreplayed.last_version(), unreplayed.entry(2).expect("read")), (2, None));
    drop(unreplayed);

    let refused = open(dir.path(), Options::writer()).expect("opened").replay().expect_err("refused");
    let error = refused.downcast_ref::<Error>().expect("ours");
    assert!(matches!(error, Error::LogGap { path, version: 2 } if *path == dir.path().join("changelog")), "{error:?}");
    assert_eq!(refused.kind(), StoreErrorKind::Corruption);

    let mut unreplayed = open(dir.path(), Options::writer()).expect("opened");
    unreplayed.append(&entries).expect("appended");
    assert_eq!(unreplayed.replay().expect("replayed").version(), 3);
}

#[test]
fn a_log_that_begins_behind_the_snapshot_is_a_gap() {
    let dir = made();
    let log = dir.path().join("changelog");
    fs::remove_dir_all(&log).expect("removed");
    let mut unreplayed = open(dir.path(), Options::writer()).expect("opened");
    let entry = ChangelogEntry { version: 4, ..Default::default() };
    unreplayed.append(&[Handoff { version: 4, entry: entry.encode_to_vec().into() }]).expect("appended");
    let refused = unreplayed.replay().expect_err("refused");
    let error = refused.downcast_ref::<Error>().expect("ours");
    assert!(matches!(error, Error::LogGap { path, version: 3 } if *path == log), "{error:?}");
}

#[test]
fn a_store_opened_to_read_takes_no_change_and_leaves_no_trace() {
    let dir = made();
    if dir.path().join("LOCK").exists() {
        fs::remove_file(dir.path().join("LOCK")).expect("removed");
    }
    let before = everything(dir.path());
    let mut reader = open(dir.path(), Options::read_only()).expect("opened").replay().expect("replayed");
    let read_only = |error: changeset::StoreError| {
        let named = error.downcast_ref::<Error>().expect("ours");
        assert!(matches!(named, Error::ReadOnly { path } if path == dir.path()), "{named:?}");
        assert_eq!(error.kind(), StoreErrorKind::Input);
    };
    read_only(reader.apply(&[]).expect_err("refused"));
    read_only(reader.upgrade(&[]).expect_err("refused"));
    read_only(reader.request_snapshot().expect_err("refused"));
    let handoff = reader.handoff([0; 32]);
    read_only(reader.commit(&handoff, true).expect_err("refused"));
    assert!(matches!(reader.snapshot_now(), Err(Error::ReadOnly { .. })));
    reader.close().expect("closed");
    assert_eq!(everything(dir.path()), before);
    assert!(!dir.path().join("LOCK").exists());
}

#[test]
fn a_block_takes_no_foreign_handoff_and_no_unknown_tree() {
    let dir = temporary();
    let mut open: MemIavl = store(dir.path(), |_| {});
    run_block(&mut open);
    open.apply(&[NamedChangeSet::new("evm", vec![KvPair::set("k", "v")])]).expect("applied");
    let error = open
        .apply(&[NamedChangeSet::new("evm", vec![KvPair::set("k", "w")]), NamedChangeSet::new("gone", vec![])])
        .expect_err("refused");
    assert!(
        matches!(error.downcast_ref(), Some(Error::UnknownTree { name, version: 2 }) if name == "gone"),
        "{error:?}"
    );
    assert_eq!(open.get("evm", b"k").expect("read").as_deref(), Some(&b"v"[..]), "nothing of it happened");
    let mut handoff = open.handoff([0; 32]);
    handoff.version = 3;
    let error = open.commit(&handoff, false).expect_err("refused");
    assert!(matches!(error.downcast_ref(), Some(Error::HandoffVersion { expected: 2, got: 3 })), "{error:?}");
    handoff.version = 2;
    open.commit(&handoff, false).expect("the block goes on");
}
