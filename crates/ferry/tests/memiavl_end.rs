//! memiavl's end: frozen at the block that ends the last migration, kept as long as a rollback may need it, then gone.

mod common;

use std::fs;
use std::path::Path;

use common::life::{beat, copy, fill, migrate_all, state};
use ferry::{Error, ErrorKind, Node, Options, migrate_core, plan_rollback};

const WINDOW: u64 = 5;

fn options() -> Options {
    Options { rollback_blocks: WINDOW, ..common::options(4) }
}

/// A node that has just finished the last migration, and the height of that.
fn finished(home: &Path) -> (Node, u64) {
    let mut node = Node::open(home, options()).expect("a fresh node");
    fill(&mut node);
    migrate_all(&mut node);
    let end = node.height();
    (node, end)
}

/// Runs blocks until memiavl is retired; the height of the block that does it.
fn run_to_retirement(node: &mut Node) -> u64 {
    for _ in 0..10_000 {
        let block = beat(node);
        if node.memiavl().is_none() {
            return block.height;
        }
    }
    panic!("memiavl was never retired, at {}", node.height());
}

fn old_missing(error: Error) -> u64 {
    match error {
        Error::Migration(migrate_core::Error::OldMissing { height }) => height,
        other => panic!("not about a missing memiavl: {other:?}"),
    }
}

#[test]
fn memiavl_goes_once_no_rollback_can_need_it_and_the_node_goes_on() {
    let home = tempfile::tempdir().expect("a directory");
    let (mut node, end) = finished(home.path());
    for _ in 0..WINDOW {
        beat(&mut node);
        assert!(node.memiavl().is_some(), "a rollback may still lead to {end}");
    }
    let retired = run_to_retirement(&mut node);
    assert!(retired > end + WINDOW);
    assert!(!node.home().memiavl().exists(), "renamed away");
    let (before, height) = (state(&node), node.height());
    node.close().expect("a clean close");
    let mut node = Node::open(home.path(), options()).expect("a reopening");
    assert_eq!((state(&node), node.height()), (before, height));
    beat(&mut node);
    let node = node.rollback(height - WINDOW + 2, options()).expect("within the window");
    assert_eq!(node.height(), height - WINDOW + 2);
}

#[test]
fn a_crash_between_the_note_and_the_removal_is_finished_by_the_next_opening() {
    let home = tempfile::tempdir().expect("a directory");
    let (node, _) = finished(home.path());
    let (memiavl, kept) = (node.home().memiavl().to_owned(), home.path().join("kept"));
    // Closed, because the end of a phase rewrites the snapshot in the background.
    node.close().expect("a clean close");
    copy(&memiavl, &kept);
    let mut node = Node::open(home.path(), options()).expect("a reopening");
    run_to_retirement(&mut node);
    let before = state(&node);
    node.close().expect("a clean close");
    let removed = memiavl.with_extension("removed");
    // The rename has not happened; it has, and the deletion has not begun; both were interrupted, one after the other.
    for found in [vec![&memiavl], vec![&removed], vec![&memiavl, &removed]] {
        for place in &found {
            copy(&kept, place);
        }
        let node = Node::open(home.path(), options()).expect("a reopening");
        assert_eq!(state(&node), before);
        assert!(node.memiavl().is_none());
        drop(node);
        assert!(!memiavl.exists());
        // The deletion is slow and ends with the node; a few openings more, and nothing is left.
        for _ in 0..100 {
            if !removed.exists() {
                break;
            }
            drop(Node::open(home.path(), options()).expect("a reopening"));
        }
        assert!(!removed.exists(), "{found:?}");
    }
}

#[test]
fn a_missing_directory_without_the_note_is_refused() {
    let home = tempfile::tempdir().expect("a directory");
    let (mut node, end) = finished(home.path());
    beat(&mut node);
    let memiavl = node.home().memiavl().to_owned();
    node.close().expect("a clean close");
    fs::rename(&memiavl, home.path().join("elsewhere")).expect("renames");
    let error = Node::open(home.path(), options()).err().expect("refused");
    assert_eq!(error.kind(), ErrorKind::Corruption);
    assert_eq!(old_missing(error), end);
    fs::rename(home.path().join("elsewhere"), &memiavl).expect("renames");
    Node::open(home.path(), options()).expect("all is there again");
}

#[test]
fn behind_its_end_no_rollback_leads_to_a_block_that_needs_memiavl() {
    let home = tempfile::tempdir().expect("a directory");
    let (mut node, end) = finished(home.path());
    run_to_retirement(&mut node);
    node.close().expect("a clean close");
    let error = plan_rollback(home.path(), end - 1).expect_err("memiavl is gone");
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    let Error::FlatKv(ferry::flatkv::FlatKvError::WindowPassed { oldest, .. }) = error else {
        panic!("not about the window: {error:?}");
    };
    plan_rollback(home.path(), oldest).expect("where it says that there is a way");
    plan_rollback(home.path(), end + 1).expect("FlatKV alone leads there");
}
