//! The reference's recorded lives, through a store on disk: from nothing and from the reference's own directories. What the
//! store writes is compared with what the reference wrote, byte by byte.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use changeset::{OldLog, OldStore, Write, app_hash};
use common::recorded::{self, Block};
use memiavl::{Log, LogOptions, MemIavl, Options, open};
use sha2::{Digest, Sha256};

/// What ferry adds to an entry: tag, length, CRC32C, app hash.
const SEAL_BYTES: usize = 38;

fn options_of(life: &str) -> Options {
    let mut options = Options::writer();
    options.initial_stores = recorded::initial_stores(life);
    // As their `__metadata` has it; 0 and 1 differ in nothing else.
    options.initial_version = match life {
        "iavl-upgrades" => 100,
        "longlog" => 1,
        _ => 0,
    };
    options.snapshot_interval_blocks = 0;
    options
}

fn opened(dir: &Path, options: Options) -> MemIavl {
    open(dir, options).expect("opened").replay().expect("replayed")
}

/// Runs a block and compares its roots and app hash.
fn run(store: &mut MemIavl, block: &Block) {
    assert_eq!(store.next_version(), block.height);
    if !block.upgrades.is_empty() {
        store.upgrade(&block.upgrades).expect("upgraded");
    }
    for flush in &block.flushes {
        store.apply(flush).expect("applied");
    }
    assert_eq!(store.working_roots().expect("hashed"), block.roots, "{}", block.height);
    let handoff = store.handoff(block.app_hash);
    store.commit(&handoff, false).expect("committed");
    check(store, block);
}

/// The committed version is `block`'s.
fn check(store: &MemIavl, block: &Block) {
    assert_eq!(store.version(), block.height);
    assert_eq!(store.committed_roots().expect("roots"), block.roots, "{}", block.height);
    assert_eq!(app_hash(&store.view().commit_info()), block.app_hash, "{}", block.height);
}

/// The files of the snapshot of `version`, by their path in the store's directory.
fn snapshot_files(dir: &Path, version: u64) -> BTreeMap<PathBuf, Vec<u8>> {
    let name = format!("snapshot-{version:020}");
    recorded::files(dir).into_iter().filter(|(path, _)| path.starts_with(&name)).collect()
}

#[test]
fn lives_run_from_nothing_and_reopen_with_their_last_app_hash() {
    for life in ["small", "exact", "nosnap", "iavl-upgrades", "longlog"] {
        let dir = tempfile::tempdir().expect("temporary directory");
        let dir = dir.path().join("memiavl");
        let mut store = opened(&dir, options_of(life));
        let mut last = None;
        for block in recorded::blocks(life) {
            run(&mut store, &block);
            last = Some(block);
        }
        store.close().expect("closed");
        let store = opened(&dir, options_of(life));
        let last = last.expect("a block");
        check(&store, &last);
        assert_eq!(store.sealed_app_hash(), Some(last.app_hash), "{life}");
        store.check_seal(None).expect("the seal's app hash");
    }
}

#[test]
fn directories_of_the_reference_open_and_go_on() {
    let heads = [("small", 12), ("exact", 16), ("nosnap", 20), ("iavl-upgrades", 179), ("longlog", 60)];
    for (life, head) in heads {
        let dir = recorded::unpack(life);
        let mut store = opened(dir.path(), options_of(life));
        assert_eq!(store.sealed_app_hash(), None, "{life}");
        for block in recorded::blocks(life) {
            match block.height.cmp(&head) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => check(&store, &block),
                std::cmp::Ordering::Greater => run(&mut store, &block),
            }
        }
    }
}

#[test]
fn every_version_that_the_directories_hold_can_be_read() {
    for life in ["small", "iavl-upgrades"] {
        let dir = recorded::unpack(life);
        let before = recorded::files(dir.path());
        for block in recorded::blocks(life).filter(|block| life != "small" || block.height <= 12) {
            let mut options = Options::read_only();
            options.at_version = Some(block.height);
            check(&opened(dir.path(), options), &block);
        }
        assert_eq!(recorded::files(dir.path()), before, "a reader changes nothing");
    }
}

#[test]
fn the_changelog_is_the_references_but_for_the_seal() {
    for life in ["small", "exact", "nosnap", "iavl-upgrades", "longlog"] {
        let recorded = recorded::unpack(life);
        let theirs = Log::read(&recorded.path().join("changelog"), LogOptions::default()).expect("read");
        let dir = tempfile::tempdir().expect("temporary directory");
        let mut store = opened(dir.path(), options_of(life));
        recorded::blocks(life).for_each(|block| run(&mut store, &block));
        store.close().expect("closed");
        let ours = Log::read(&dir.path().join("changelog"), LogOptions::default()).expect("read");
        for version in theirs.versions().expect("entries") {
            let expected = theirs.entry(version).expect("read").expect("there");
            let got = ours.entry(version).expect("read").expect("there");
            assert_eq!(got.slice(..got.len() - SEAL_BYTES), expected, "{life} {version}");
        }
    }
}

#[test]
fn snapshots_are_the_references_byte_by_byte() {
    for (life, version) in [("small", 8), ("exact", 11), ("iavl-upgrades", 129), ("longlog", 30)] {
        let expected = snapshot_files(recorded::unpack(life).path(), version);
        let got = snapshot_at(life, version);
        assert_eq!(got.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{life}");
        for (path, file) in &expected {
            assert!(got.get(path) == Some(file), "{life} {}", path.display());
        }
    }
}

#[test]
fn large_snapshots_are_the_references_by_their_hashes() {
    for (life, version) in [("medium", 30), ("wide", 25)] {
        let mut expected = recorded::file_hashes(life);
        expected.retain(|path, _| path.starts_with(format!("snapshot-{version:020}")));
        let got = snapshot_at(life, version);
        let got: BTreeMap<_, _> =
            got.into_iter().map(|(path, file)| (path, hex::encode(Sha256::digest(file)))).collect();
        assert_eq!(got, expected, "{life}");
    }
}

/// Runs `life` from nothing to `version` and takes a snapshot there. The store goes on from it with the same hashes.
fn snapshot_at(life: &str, version: u64) -> BTreeMap<PathBuf, Vec<u8>> {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut store = opened(dir.path(), options_of(life));
    for block in recorded::blocks(life) {
        run(&mut store, &block);
        if block.height == version {
            store.snapshot_now().expect("written");
            assert_eq!((store.snapshot_version(), store.cow_bytes()), (version, 0));
            check(&store, &block);
        }
    }
    snapshot_files(dir.path(), version)
}
