//! What a directory may hold, and that reading changes nothing in it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use changeset::{KvPair, NewStore, StoreErrorKind};
use flatkv::{FORMAT, FlatKv, FlatKvError, Options, Probe, View, probe};
use rocksdb::DB;
use tempfile::tempdir;

use crate::common::{commit, evm, get, open, options, pairs, seeded};

/// Everything below a directory: path, inode, length, change times and content.
fn contents(dir: &Path) -> BTreeMap<PathBuf, (u64, u64, i64, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(path) = todo.pop() {
        let file = fs::symlink_metadata(&path).expect("stats");
        let mut bytes = Vec::new();
        if file.is_dir() {
            todo.extend(fs::read_dir(&path).expect("lists").map(|entry| entry.expect("an entry").path()));
        } else if file.is_file() {
            bytes = fs::read(&path).expect("reads");
        }
        found.insert(path, (file.ino(), file.len(), file.mtime(), file.mtime_nsec(), bytes));
    }
    found
}

fn filled(dir: &Path) {
    let mut store = seeded(dir, 1);
    for height in 1..=3_u64 {
        commit(&mut store, &evm(vec![KvPair::set("k", height.to_string())]));
    }
}

fn refusal(result: flatkv::Result<impl Sized>) -> FlatKvError {
    match result {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

/// Both ways of opening `dir` refuse it with the same kind, and leave it as it is.
fn check_refused(dir: &Path, kind: StoreErrorKind) -> FlatKvError {
    let before = contents(dir.parent().expect("a parent"));
    let read_only = refusal(FlatKv::open_read_only(dir, &options()));
    assert_eq!(read_only.kind(), kind, "{read_only}");
    let writing = refusal(FlatKv::open(dir, &options()));
    assert_eq!(writing.kind(), kind, "{writing}");
    assert_eq!(contents(dir.parent().expect("a parent")), before);
    writing
}

#[test]
fn a_directory_that_is_missing_or_empty_takes_a_new_store() {
    let dir = tempdir().expect("a directory");
    let deep = dir.path().join("data/state_commit/flatkv");
    for path in [dir.path().join("empty"), deep] {
        assert_eq!(probe(&path).expect("probes"), Probe::Missing);
        assert!(matches!(refusal(FlatKv::open_read_only(&path, &options())), FlatKvError::Absent { .. }));
        assert!(!path.exists());
        open(&path);
        assert_eq!(probe(&path).expect("probes"), Probe::Leftover, "nothing was committed");
    }
}

#[test]
fn a_store_with_a_block_is_known_by_its_format() {
    let dir = tempdir().expect("a directory");
    filled(dir.path());
    assert_eq!(probe(dir.path()).expect("probes"), Probe::Ours { format: FORMAT });
}

#[test]
fn a_leftover_is_removed_and_a_new_store_made() {
    let dir = tempdir().expect("a directory");
    let path = dir.path().join("flatkv");
    drop(seeded(&path, 9));
    let first_identity = fs::read_to_string(path.join("IDENTITY")).expect("reads");
    let mut store = seeded(&path, 4);
    assert_ne!(fs::read_to_string(path.join("IDENTITY")).expect("reads"), first_identity, "made anew");
    commit(&mut store, &evm(vec![KvPair::set("k", "v")]));
    assert_eq!(store.version(), Some(4));
}

/// A kill between the rename and the end of the deletion: what RocksDB had half deleted once made the home unopenable.
#[test]
fn a_leftover_whose_removal_was_interrupted_is_no_hindrance() {
    let home = tempdir().expect("a directory");
    let dir = home.path().join("flatkv");
    drop(FlatKv::open(&dir, &Options::default()).expect("a store without a block"));
    let away = home.path().join("flatkv.removed");
    fs::create_dir(&away).expect("a directory");
    fs::write(away.join("CURRENT"), "MANIFEST-000005\n").expect("a file");
    drop(FlatKv::open(&dir, &Options::default()).expect("a new store"));
    assert!(!away.exists(), "nothing of the leftover stays");
}

#[test]
fn a_leftover_that_holds_a_file_of_somebody_else_is_left_alone() {
    let home = tempdir().expect("a directory");
    let dir = home.path().join("flatkv");
    drop(FlatKv::open(&dir, &Options::default()).expect("a store without a block"));
    fs::write(dir.join("notes.txt"), "mine").expect("a file");
    let error = FlatKv::open(&dir, &Options::default()).err().expect("refused");
    assert!(matches!(&error, FlatKvError::Foreign { seen, .. } if seen.ends_with("notes.txt")), "{error}");
    assert_eq!(fs::read_to_string(dir.join("notes.txt")).expect("it is there"), "mine");
}

#[test]
fn a_creation_that_was_interrupted_is_a_leftover() {
    let dir = tempdir().expect("a directory");
    let path = dir.path().join("flatkv");
    drop(open(&path));
    fs::remove_file(path.join("CURRENT")).expect("removes");
    assert_eq!(probe(&path).expect("probes"), Probe::Leftover);
    open(&path);
}

#[test]
fn a_store_that_lost_its_current_file_is_damage_and_never_a_leftover() {
    let dir = tempdir().expect("a directory");
    let path = dir.path().join("flatkv");
    filled(&path);
    fs::remove_file(path.join("CURRENT")).expect("removes");
    let before = contents(&path);
    let error = refusal(FlatKv::open(&path, &options()));
    assert_eq!(error.kind(), StoreErrorKind::Corruption);
    assert_eq!(contents(&path), before);
}

#[test]
fn the_references_store_is_refused_and_stays_as_it_is() {
    let check = |make: &dyn Fn(&Path), seen: &str| {
        let dir = tempdir().expect("a directory");
        let path = dir.path().join("flatkv");
        fs::create_dir(&path).expect("creates");
        make(&path);
        match check_refused(&path, StoreErrorKind::Incompatible) {
            FlatKvError::Pebble { path: told, seen: by } => assert_eq!((told, by), (path.clone(), path.join(seen))),
            other => panic!("another error: {other}"),
        }
        assert_eq!(probe(&path).expect("probes"), Probe::Pebble { seen: path.join(seen) });
    };
    let snapshot = format!("snapshot-{:020}", 42);
    check(&|path| symlink(&snapshot, path.join("current")).expect("links"), "current");
    check(&|path| fs::create_dir(path.join(&snapshot)).expect("creates"), &snapshot);
    check(&|path| fs::create_dir_all(path.join("working/account")).expect("creates"), "working");
    let marker = "marker.format-version.000018.023";
    check(&|path| fs::write(path.join(marker), "").expect("writes"), marker);
    check(
        &|path| {
            fs::create_dir(path.join("storage")).expect("creates");
            fs::write(path.join("storage").join(marker), "").expect("writes");
        },
        &format!("storage/{marker}"),
    );
    let pebbles = "[Version]\n  pebble_version=0.1\n";
    check(
        &|path| {
            fs::write(path.join("CURRENT"), "MANIFEST-000001\n").expect("writes");
            fs::write(path.join("OPTIONS-000003"), pebbles).expect("writes");
        },
        "OPTIONS-000003",
    );
}

#[test]
fn another_format_version_is_refused_and_stays_as_it_is() {
    let dir = tempdir().expect("a directory");
    let path = dir.path().join("flatkv");
    filled(&path);
    rename_family(&path, "ferry-flatkv-1", "ferry-flatkv-7");
    match check_refused(&path, StoreErrorKind::Incompatible) {
        FlatKvError::Format { path: told, expected, got } => assert_eq!((told, expected, got), (path, FORMAT, 7)),
        other => panic!("another error: {other}"),
    }
}

fn rename_family(path: &Path, from: &str, to: &str) {
    let options = rocksdb::Options::default();
    let names = DB::list_cf(&options, path).expect("lists");
    let mut db = DB::open_cf(&options, path, names).expect("opens");
    db.drop_cf(from).expect("drops");
    db.create_cf(to, &options).expect("creates");
}

#[test]
fn files_of_others_are_refused_and_stay_as_they_are() {
    let dir = tempdir().expect("a directory");
    let path = dir.path().join("flatkv");
    fs::create_dir(&path).expect("creates");
    fs::write(path.join("notes.txt"), "mine").expect("writes");
    match check_refused(&path, StoreErrorKind::Incompatible) {
        FlatKvError::Foreign { seen, .. } => assert_eq!(seen, path.join("notes.txt")),
        other => panic!("another error: {other}"),
    }
}

#[test]
fn another_programs_rocksdb_is_refused_and_stays_as_it_is() {
    for families in [vec![], vec!["theirs"]] {
        let dir = tempdir().expect("a directory");
        let path = dir.path().join("flatkv");
        let mut options = rocksdb::Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        let db = DB::open_cf(&options, &path, &families).expect("opens");
        db.put("k", "v").expect("writes");
        drop(db);
        let error = check_refused(&path, StoreErrorKind::Incompatible);
        assert!(matches!(error, FlatKvError::Foreign { .. }), "{error}");
    }
}

#[test]
fn reading_in_place_changes_nothing_below_the_directory() {
    let dir = tempdir().expect("a directory");
    let path = dir.path().join("flatkv");
    filled(&path);
    let before = contents(dir.path());
    let view = FlatKv::open_read_only(&path, &options()).expect("opens");
    check_filled(&view);
    assert_eq!(contents(dir.path()), before);
    drop(view);
    assert_eq!(contents(dir.path()), before);
    assert_eq!(probe(&path).expect("probes"), Probe::Ours { format: FORMAT });
    assert_eq!(contents(dir.path()), before);
}

fn check_filled(view: &View) {
    assert_eq!(view.version(), Some(3));
    assert_eq!(get(view, "evm", "k").as_deref(), Some(b"3".as_slice()));
    assert_eq!(pairs(view, "evm").len(), 1);
    assert_eq!(view.rows().count(), 1);
    let lines: Result<Vec<_>, _> = view.journal_from(2).collect();
    assert_eq!(lines.expect("reads").iter().map(|line| line.height).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn reading_in_place_is_refused_while_somebody_writes() {
    let dir = tempdir().expect("a directory");
    let store = seeded(dir.path(), 1);
    let error = refusal(FlatKv::open_read_only(dir.path(), &options()));
    assert!(matches!(error, FlatKvError::Absent { .. } | FlatKvError::Locked { .. }), "{error}");
    drop(store);
    filled(dir.path());
    let store = open(dir.path());
    match refusal(FlatKv::open_read_only(dir.path(), &options())) {
        error @ FlatKvError::Locked { .. } => assert_eq!(error.kind(), StoreErrorKind::Locked),
        other => panic!("another error: {other}"),
    }
    drop(store);
}

#[test]
fn a_secondary_sees_the_last_commit_and_writes_only_to_its_own_directory() {
    let dir = tempdir().expect("a directory");
    let (path, own) = (dir.path().join("flatkv"), tempdir().expect("a directory"));
    filled(&path);
    let mut store = open(&path);
    let before = contents(&path);
    let view = FlatKv::open_secondary(&path, own.path(), &options()).expect("opens");
    check_filled(&view);
    assert_eq!(contents(&path), before);
    commit(&mut store, &evm(vec![KvPair::set("k", "4")]));
    check_filled(&view);
    drop(view);
    let view = FlatKv::open_secondary(&path, own.path(), &options()).expect("opens");
    assert_eq!(view.version(), Some(4));
}

fn tables(dir: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir).expect("lists").map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "sst")).collect()
}

#[test]
fn a_secondary_reads_on_when_the_writer_has_deleted_its_tables() {
    let dir = tempdir().expect("a directory");
    let own = tempdir().expect("a directory");
    let small = Options { memtable_bytes: 256 << 10, open_files_max: 20, ..options() };
    let mut store = FlatKv::open(dir.path(), &small).expect("opens");
    store.seed(1).expect("seeds");
    let rows = 40_u64;
    let block = |round: u64| evm((0..rows).map(|key| KvPair::set(key.to_string(), vec![round as u8; 4096])).collect());
    let mut round = 0;
    let mut next = |store: &mut FlatKv| {
        round += 1;
        assert!(round < 1000, "the writer never deleted its tables");
        commit(store, &block(round));
    };
    while tables(dir.path()).len() < 4 {
        next(&mut store);
    }
    let view = FlatKv::open_secondary(dir.path(), own.path(), &small).expect("opens");
    // Tables of undo records are only moved from level to level; those of rows are rewritten.
    let before = tables(dir.path());
    while before.iter().all(|table| table.exists()) {
        next(&mut store);
    }
    let read = pairs(&view, "evm");
    assert_eq!(read.len() as u64, rows);
    let byte = view.version().expect("a version") as u8;
    assert!(read.iter().all(|(_, value)| value.iter().all(|got| *got == byte)), "all of one block");
}

#[test]
fn a_secondary_inside_the_store_is_refused() {
    let dir = tempdir().expect("a directory");
    filled(dir.path());
    let inside = dir.path().join("deep/secondary");
    let before = contents(dir.path());
    let error = refusal(FlatKv::open_secondary(dir.path(), &inside, &options()));
    assert!(matches!(error, FlatKvError::SecondaryInside { .. }), "{error}");
    assert_eq!(contents(dir.path()), before);
}
