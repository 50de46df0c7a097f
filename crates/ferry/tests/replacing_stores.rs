//! Replacing stores whole: another state is built beside the present one and takes its place at one moment.

mod common;

use std::path::Path;

use common::life::{State, beat, copy, fill, migrate, state};
use common::options;
use ferry::{Error, ErrorKind, Mode, Node, Replacement, migrate_core};

/// A node in its first migration, at a height of its own; what it holds.
fn node_at(home: &Path, beats: usize) -> (u64, State) {
    let mut node = Node::open(home, options(2)).expect("a fresh node");
    fill(&mut node);
    node.set_mode(Mode::MigrateEvm).expect("a step");
    for _ in 0..beats {
        beat(&mut node);
    }
    let found = (node.height(), state(&node));
    node.close().expect("a clean close");
    found
}

fn stores(home: &Path) -> [std::path::PathBuf; 2] {
    ["flatkv", "memiavl"].map(|store| home.join("data/state_commit").join(store))
}

#[test]
fn both_stores_are_replaced_and_the_chain_goes_on_from_there() {
    let [present, ahead] = [tempfile::tempdir(), tempfile::tempdir()].map(|dir| dir.expect("a directory"));
    let (height, _) = node_at(present.path(), 2);
    let expected = node_at(ahead.path(), 6);
    assert_ne!(height, expected.0);
    let replacement = Replacement::begin(present.path()).expect("begins");
    let [flatkv, memiavl] = stores(ahead.path());
    copy(&flatkv, &replacement.flatkv());
    copy(&memiavl, &replacement.memiavl());
    replacement.put_in_place().expect("replaces");
    let mut node = Node::open(present.path(), options(2)).expect("the other state");
    assert_eq!((node.height(), state(&node)), expected);
    migrate(&mut node, Mode::MigrateEvm);
}

#[test]
fn what_is_built_and_not_put_in_place_changes_nothing() {
    let home = tempfile::tempdir().expect("a directory");
    let expected = node_at(home.path(), 2);
    let replacement = Replacement::begin(home.path()).expect("begins");
    let [flatkv, _] = stores(home.path());
    copy(&flatkv, &replacement.flatkv());
    drop(replacement);
    let node = Node::open(home.path(), options(2)).expect("the present state");
    assert_eq!((node.height(), state(&node)), expected);
    assert!(!node.home().next().exists());
}

#[test]
fn stores_that_do_not_agree_are_never_put_in_place() {
    let [present, ahead] = [tempfile::tempdir(), tempfile::tempdir()].map(|dir| dir.expect("a directory"));
    let expected = node_at(present.path(), 6);
    node_at(ahead.path(), 2);
    let replacement = Replacement::begin(present.path()).expect("begins");
    // Blocks of another length were committed there at the same heights.
    let mut other = Node::open(ahead.path(), options(2)).expect("opens");
    while other.height() < expected.0 {
        common::life::block(&mut other, common::changes("bank", vec![common::set(b"another", b"chain")]));
    }
    other.close().expect("a clean close");
    copy(&stores(ahead.path())[1], &replacement.memiavl());
    let error = replacement.put_in_place().expect_err("they do not agree");
    assert_eq!(error.kind(), ErrorKind::Corruption);
    let is_about_a_root = matches!(&error, Error::Migration(migrate_core::Error::RootMismatch { .. }));
    assert!(is_about_a_root, "{error:?}");
    let node = Node::open(present.path(), options(2)).expect("the present state");
    assert_eq!((node.height(), state(&node)), expected);
}

#[test]
fn nothing_built_is_refused() {
    let home = tempfile::tempdir().expect("a directory");
    let error = Replacement::begin(home.path()).expect("begins").put_in_place().expect_err("nothing is there");
    assert!(matches!(error, Error::NoNode { .. }), "{error:?}");
}
