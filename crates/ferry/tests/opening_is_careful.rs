//! Opening: nothing is written before everything is known to agree, and nobody else may have the home.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use common::life::{beat, files, fill, migrate};
use common::options;
use ferry::{Error, ErrorKind, Mode, Node, memiavl, migrate_core};

/// A node in the middle of the first migration, closed.
fn home_in_migration(home: &Path) {
    let mut node = Node::open(home, options(4)).expect("a fresh node");
    fill(&mut node);
    node.snapshot_now().expect("a snapshot");
    node.set_mode(Mode::MigrateEvm).expect("a step");
    beat(&mut node);
    beat(&mut node);
    node.close().expect("a clean close");
}

/// The one file below `dir` with this name that is not empty.
fn find(dir: &Path, name: &str) -> PathBuf {
    let mut found: Vec<_> =
        files(dir).into_iter().filter(|(path, bytes)| path.ends_with(name) && bytes.len() > 4).collect();
    found.pop().expect("a file of this name").0
}

#[test]
fn damage_in_memiavl_leaves_every_byte_of_both_stores_as_it_was() {
    let home = tempfile::tempdir().expect("a directory");
    home_in_migration(home.path());
    let memiavl = home.path().join("data/state_commit/memiavl");
    // The root of a tree, the length of a list, the first entry behind the snapshot.
    for (name, at) in [("evm/nodes", 1), ("evm/metadata", 1), ("changelog/00000000000000000001", 4)] {
        let path = find(&memiavl, name);
        let whole = fs::read(&path).expect("reads");
        let mut damaged = whole.clone();
        let at = if name == "evm/nodes" { whole.len() - at } else { at };
        damaged[at] ^= 0x80;
        fs::write(&path, &damaged).expect("writes");
        let before = files(home.path());
        let error = Node::open(home.path(), options(4)).err().unwrap_or_else(|| panic!("{name} is damaged"));
        assert_eq!(error.kind(), ErrorKind::Corruption, "{name}: {error:?}");
        same(&before, home.path());
        fs::write(&path, &whole).expect("writes");
    }
    Node::open(home.path(), options(4)).expect("whole again");
}

/// Fails with the names of the files below `home` that are not as they were.
fn same(before: &BTreeMap<PathBuf, Vec<u8>>, home: &Path) {
    let now = files(home);
    let names: BTreeSet<&PathBuf> = before.keys().chain(now.keys()).collect();
    let differ: Vec<_> = names.into_iter().filter(|name| before.get(*name) != now.get(*name)).collect();
    assert!(differ.is_empty(), "changed: {differ:?}");
}

#[test]
fn a_memiavl_that_is_ahead_is_refused_and_goes_back_when_told_so() {
    let home = tempfile::tempdir().expect("a directory");
    home_in_migration(home.path());
    // Another program drives memiavl on by itself.
    let dir = home.path().join("data/state_commit/memiavl");
    let mut other =
        changeset::OldLog::replay(memiavl::open(&dir, memiavl::Options::writer()).expect("opens")).expect("replays");
    let height = changeset::OldStore::version(&other);
    for _ in 0..3 {
        changeset::Write::apply(&mut other, &common::changes("bank", vec![common::set(b"k", b"v")])).expect("applies");
        let handoff = changeset::OldStore::handoff(&other, [0; 32]);
        changeset::OldStore::commit(&mut other, &handoff, true).expect("commits");
    }
    drop(other);
    let before = files(home.path());
    let error = Node::open(home.path(), options(4)).err().expect("refused");
    assert_eq!(error.kind(), ErrorKind::Corruption);
    let Error::Migration(migrate_core::Error::OldAhead { memiavl, flatkv }) = error else { panic!("{error:?}") };
    assert_eq!((memiavl, flatkv), (height + 3, height));
    same(&before, home.path());
    let told = ferry::Options { accept_memiavl_ahead: true, ..options(4) };
    let mut node = Node::open(home.path(), told).expect("memiavl goes back");
    assert_eq!(node.height(), height);
    migrate(&mut node, Mode::MigrateEvm);
}

#[test]
fn a_home_is_open_once() {
    let home = tempfile::tempdir().expect("a directory");
    let mut node = Node::open(home.path(), options(4)).expect("a fresh node");
    fill(&mut node);
    let error = Node::open(home.path(), options(4)).err().expect("locked");
    assert_eq!(error.kind(), ErrorKind::Locked, "{error:?}");
    let error = ferry::Replacement::begin(home.path()).err().expect("locked");
    assert_eq!(error.kind(), ErrorKind::Locked, "{error:?}");
    let error = ferry::roll_back(home.path(), 1, &options(4)).expect_err("locked");
    assert_eq!(error.kind(), ErrorKind::Locked, "{error:?}");
    node.close().expect("a clean close");
    Node::open(home.path(), options(4)).expect("free again");
}
