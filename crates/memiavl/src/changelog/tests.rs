//! Logs with small segments: appending, truncating with a crash between any two steps, what cannot be written.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use changeset::{ChangelogEntry, KvPair, NamedChangeSet, StoreErrorKind, seal_entry};
use tempfile::TempDir;

use super::append::Tail;
use super::segment::segment_name;
use super::*;

/// Small enough for a handful of entries each.
const SMALL: u64 = 400;

fn entry(version: u64) -> Bytes {
    let changes = NamedChangeSet::new("evm", vec![KvPair::set(version.to_string(), vec![version as u8; 80])]);
    let entry = ChangelogEntry { version: version.cast_signed(), changesets: vec![changes], upgrades: vec![] };
    seal_entry(&entry, [version as u8; 32])
}

fn open(dir: &Path) -> Changelog {
    let mut log = Changelog::open_writer(dir, LogOptions::default()).expect("opens");
    log.set_segment_bytes_max(SMALL);
    log
}

/// A log with entries of versions `first` to `last`, closed.
fn log_of(first: u64, last: u64) -> (TempDir, PathBuf) {
    let keep = tempfile::tempdir().expect("temporary directory");
    let dir = keep.path().join("changelog");
    let mut log = open(&dir);
    for version in first..=last {
        log.append(version, &entry(version)).expect("appends");
    }
    log.close().expect("closes");
    (keep, dir)
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = dir.read_dir().expect("lists").map(|entry| entry.expect("lists"));
    entries
        .map(|entry| (entry.file_name().into_string().expect("UTF-8"), fs::read(entry.path()).expect("reads")))
        .collect()
}

/// Checks that the log holds exactly the entries of `versions`, and that reading it leaves the directory as it is.
fn check_holds(dir: &Path, first: u64, last: u64) {
    let before = files(dir);
    let log = Log::read(dir, LogOptions::default()).expect("reads");
    assert_eq!(log.versions(), (first <= last).then_some(first..=last));
    for version in first.saturating_sub(2)..=last + 2 {
        let expected = (first..=last).contains(&version).then(|| entry(version));
        assert_eq!(log.entry(version).expect("reads"), expected, "version {version}");
        let opened = log.sealed_entry(version).expect("opens");
        assert_eq!(opened.map(|opened| opened.entry.version.cast_unsigned()), expected.map(|_| version));
    }
    assert_eq!(files(dir), before, "a reader changes nothing");
}

#[test]
fn entries_read_back_across_segments() {
    let (_keep, dir) = log_of(1, 20);
    check_holds(&dir, 1, 20);
    let names: Vec<String> = files(&dir).into_keys().collect();
    // 150 bytes each: the third one takes a segment to its limit.
    assert_eq!(names, [1, 4, 7, 10, 13, 16, 19].map(segment_name));
}

#[test]
fn a_full_segment_is_followed_by_an_empty_one_at_once() {
    let (_keep, dir) = log_of(1, 3);
    assert_eq!(files(&dir).get(&segment_name(4)), Some(&Vec::new()));
    check_holds(&dir, 1, 3);
    let mut log = open(&dir);
    log.append(4, &entry(4)).expect("appends");
    drop(log);
    check_holds(&dir, 1, 4);
}

#[test]
fn a_segment_that_a_crash_left_overfull_takes_no_further_entry() {
    let (_keep, dir) = log_of(1, 3);
    fs::remove_file(dir.join(segment_name(4))).expect("removed");
    let mut log = open(&dir);
    log.append(4, &entry(4)).expect("appends");
    assert_eq!(files(&dir).len(), 2);
    drop(log);
    check_holds(&dir, 1, 4);
}

#[test]
fn the_first_entry_tells_the_version_of_every_index() {
    let (_keep, dir) = log_of(1000, 1004);
    let mut log = open(&dir);
    assert_eq!((log.first_version(), log.next_index()), (Some(1000), 6));
    log.truncate_before(1002).expect("truncates");
    assert_eq!((log.versions(), log.next_index()), (Some(1002..=1004), 6));
    drop(log);
    // Indices begin at 3 and versions at 1002, whatever the chain's initial version is.
    assert!(dir.join(segment_name(3)).exists());
    let mut log = open(&dir);
    log.append(1005, &entry(1005)).expect("appends");
    drop(log);
    check_holds(&dir, 1002, 1005);
}

#[test]
fn an_entry_that_does_not_follow_changes_nothing() {
    let (_keep, dir) = log_of(5, 7);
    let before = files(&dir);
    let mut log = open(&dir);
    for version in [0, 5, 7, 9, u64::MAX] {
        let error = log.append(version, &entry(8)).expect_err("refused");
        assert!(matches!(error, LogError::NotNext { expected: 8, got } if got == version), "{error:?}");
        assert_eq!(error.kind(), StoreErrorKind::Input);
    }
    let error = log.append(8, b"").expect_err("refused");
    assert!(matches!(error, LogError::AppendLength { got: 0, .. }), "{error:?}");
    drop(log);
    assert_eq!(files(&dir), before);
}

#[test]
fn what_was_appended_is_on_disk_once_synced() {
    let (_keep, dir) = log_of(1, 2);
    let mut log = open(&dir);
    assert_eq!((log.synced_version(), log.unsynced_bytes()), (Some(2), 0));
    log.append(3, &entry(3)).expect("appends");
    log.append(4, &entry(4)).expect("appends");
    // The third entry filled the segment, which was synced before the next one was made.
    assert_eq!((log.synced_version(), log.unsynced_bytes()), (Some(3), entry(4).len() as u64 + 2));
    log.request_sync().expect("asks");
    log.sync().expect("syncs");
    assert_eq!((log.synced_version(), log.unsynced_bytes()), (Some(4), 0));
}

#[test]
fn a_failed_write_poisons_the_log_and_leaves_what_was_there() {
    let (_keep, dir) = log_of(1, 2);
    let mut log = open(&dir);
    let full = File::options().write(true).open("/dev/full").expect("/dev/full");
    log.writer.as_mut().expect("a writer's log").tail = Tail::new(PathBuf::from("/dev/full"), full);
    for _ in 0..2 {
        let error = log.append(3, &entry(3)).expect_err("no space left");
        let LogError::Poisoned { path, source } = &error else { panic!("{error:?}") };
        assert_eq!((path.as_path(), source.kind()), (Path::new("/dev/full"), std::io::ErrorKind::StorageFull));
        assert_eq!(error.kind(), StoreErrorKind::Poisoned);
    }
    log.sync().expect_err("poisoned");
    log.truncate_after(1).expect_err("poisoned");
    log.check().expect_err("poisoned");
    assert_eq!((log.last_version(), log.synced_version()), (Some(2), Some(2)));
    drop(log);
    check_holds(&dir, 1, 2);
}

#[test]
fn a_reader_cannot_write() {
    let (_keep, dir) = log_of(1, 2);
    let mut log = Changelog::open_reader(&dir, LogOptions::default()).expect("opens");
    for result in [log.append(3, &entry(3)), log.sync(), log.truncate_after(1), log.truncate_before(2)] {
        let error = result.expect_err("refused");
        assert!(matches!(&error, LogError::ReadOnly { path } if *path == dir), "{error:?}");
    }
    log.close().expect("nothing to sync");
}

fn copy_of(dir: &Path) -> (TempDir, PathBuf) {
    let keep = tempfile::tempdir().expect("temporary directory");
    let copy = keep.path().join("changelog");
    fs::create_dir(&copy).expect("created");
    for (name, content) in files(dir) {
        fs::write(copy.join(name), content).expect("written");
    }
    (keep, copy)
}

/// Cuts a copy of the log with a crash after every number of steps. What is found then is the log before or the log after,
/// to a reader and to a writer, and once it is the log after it stays so.
fn check_cut(dir: &Path, before: (u64, u64), after: (u64, u64), cut: impl Fn(&Log) -> Option<truncate::Cut>) {
    let steps = cut(&Log::read(dir, LogOptions::default()).expect("reads")).expect("something to cut").steps.len();
    let mut happened = false;
    for stop in 0..=steps {
        let (_keep, copy) = copy_of(dir);
        let plan = cut(&Log::read(&copy, LogOptions::default()).expect("reads")).expect("something to cut");
        plan.steps[..stop].iter().for_each(|step| step.run().expect("runs"));
        let found = Log::read(&copy, LogOptions::default()).expect("reads").versions();
        let is_after = found == (after.0 <= after.1).then_some(after.0..=after.1);
        assert!(is_after || !happened, "stop {stop}: the cut came undone");
        happened = is_after;
        // A cut at the back keeps what is before it at every step, and may keep more until it has happened.
        let (first, last) = if is_after { after } else { found.map_or(before, |found| (*found.start(), *found.end())) };
        assert!(
            is_after || (first == before.0 && last <= before.1 && last >= after.1),
            "stop {stop}: {first}..={last}"
        );
        check_holds(&copy, first, last);
        drop(open(&copy));
        check_holds(&copy, first, last);
        assert!(files(&copy).keys().all(|name| name.len() == 20), "stop {stop}: {:?}", files(&copy).keys());
    }
    assert!(happened);
}

#[test]
fn a_cut_front_survives_a_crash_between_any_two_steps() {
    let (_keep, dir) = log_of(1, 11);
    // Within the first segment, at the start of one, within the last one; the last entry stays.
    for version in [2, 4, 6, 7, 10, 11] {
        check_cut(&dir, (1, 11), (version, 11), |log| log.cut_front(version));
    }
    check_cut(&dir, (1, 11), (11, 11), |log| log.cut_front(99));
    let log = Log::read(&dir, LogOptions::default()).expect("reads");
    assert!(log.cut_front(1).is_none() && log.cut_front(0).is_none());
}

#[test]
fn a_cut_back_survives_a_crash_between_any_two_steps() {
    let (_keep, dir) = log_of(5, 15);
    for version in [5, 7, 8, 10, 13, 14] {
        check_cut(&dir, (5, 15), (5, version), |log| log.cut_back(version));
    }
    let log = Log::read(&dir, LogOptions::default()).expect("reads");
    assert!(log.cut_back(15).is_none() && log.cut_back(99).is_none());
}

#[test]
fn a_log_cut_to_nothing_begins_anew() {
    let (_keep, dir) = log_of(5, 15);
    check_cut(&dir, (5, 15), (5, 4), |log| log.cut_back(4));
    let mut log = open(&dir);
    // The first segment is no longer the one of index 1.
    log.truncate_before(9).expect("truncates");
    drop(log);
    check_cut(&dir, (9, 15), (9, 8), |log| log.cut_back(3));
    let mut log = open(&dir);
    log.truncate_after(3).expect("truncates");
    assert_eq!((log.versions(), log.next_index(), log.synced_version()), (None, 1, None));
    log.append(4, &entry(4)).expect("appends");
    log.close().expect("closes");
    check_holds(&dir, 4, 4);
}

#[test]
fn a_truncated_log_goes_on() {
    let (_keep, dir) = log_of(1, 11);
    let mut log = open(&dir);
    log.truncate_after(8).expect("truncates");
    assert_eq!((log.versions(), log.synced_version()), (Some(1..=8), Some(8)));
    log.truncate_before(6).expect("truncates");
    for version in 9..=14 {
        log.append(version, &entry(version)).expect("appends");
    }
    log.close().expect("closes");
    check_holds(&dir, 6, 14);
}

#[test]
fn bytes_to_replay_are_those_of_later_entries() {
    let (_keep, dir) = log_of(15, 25);
    let log = Log::read(&dir, LogOptions::default()).expect("reads");
    let each = entry(15).len() as u64 + 2;
    assert_eq!(log.bytes(), 11 * each);
    for (version, entries) in [(0, 11), (14, 11), (15, 10), (18, 7), (24, 1), (25, 0), (u64::MAX, 0)] {
        assert_eq!(log.bytes_after(version), entries * each, "version {version}");
    }
}

#[test]
fn two_interrupted_truncations_at_once_are_refused() {
    let (_keep, dir) = log_of(1, 5);
    for suffix in [".START", ".END"] {
        fs::write(dir.join(segment_name(2) + suffix), "").expect("written");
    }
    let before = files(&dir);
    let error = Changelog::open_writer(&dir, LogOptions::default()).expect_err("refused");
    assert!(
        matches!(&error, LogError::TwoTruncations { start, end }
            if start.ends_with(segment_name(2) + ".START") && end.ends_with(segment_name(2) + ".END")),
        "{error:?}"
    );
    assert_eq!(files(&dir), before);
}

#[test]
fn what_is_no_segment_is_left_alone() {
    let (_keep, dir) = log_of(1, 5);
    for name in ["00000000000000000000", "0000000000000000000x", "00000000000000000001.bak", "notes"] {
        fs::write(dir.join(name), "x").expect("written");
    }
    fs::create_dir(dir.join(segment_name(9))).expect("created");
    let log = Changelog::open_writer(&dir, LogOptions::default()).expect("opens");
    assert_eq!(log.versions(), Some(1..=5));
    assert!(dir.join("notes").exists());
}

#[test]
fn no_directory_is_an_empty_log_to_a_reader_and_made_by_a_writer() {
    let keep = tempfile::tempdir().expect("temporary directory");
    let dir = keep.path().join("changelog");
    assert_eq!(Log::read(&dir, LogOptions::default()).expect("reads").versions(), None);
    assert!(!dir.exists());
    drop(open(&dir));
    assert_eq!(files(&dir), BTreeMap::from([(segment_name(1), Vec::new())]));
}
