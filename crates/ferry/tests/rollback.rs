//! Rolling back: from every height of a recorded life by one block, by five, and across each seam of the migration; what
//! follows is again what was recorded.

mod common;

use std::path::Path;

use common::golden::{blocks, check, options, take};
use common::{changes, set};
use ferry::flatkv::{self, FlatKv};
use ferry::{Error, ErrorKind, Home, Mode, NewStorePlan, Node, Options, memiavl, migrate_core, plan_rollback};
use serde_json::Value;

fn height(node: &Node) -> usize {
    usize::try_from(node.height()).expect("a small height")
}

/// Runs blocks until the node is at `to`, comparing each.
fn run(node: &mut Node, blocks: &[Value], to: usize) {
    while height(node) < to {
        let block = &blocks[height(node)];
        take(node, block);
        check(&node.view().expect("a view"), block);
    }
}

fn back(node: Node, blocks: &[Value], to: usize) -> Node {
    let from = node.height();
    let node =
        node.rollback(to as u64, options(&blocks[0], 0)).unwrap_or_else(|error| panic!("{from} to {to}: {error:?}"));
    assert_eq!(height(&node), to);
    check(&node.view().expect("a view"), &blocks[to - 1]);
    node
}

#[test]
fn every_height_of_small_can_be_left_by_one_and_by_five_and_comes_again() {
    let blocks = blocks("small");
    let home = tempfile::tempdir().expect("a directory");
    let mut node = Node::open(home.path(), options(&blocks[0], 0)).expect("a fresh node");
    for at in 1..=blocks.len() {
        run(&mut node, &blocks, at);
        for by in [1, 5] {
            if at > by {
                node = back(node, &blocks, at - by);
                run(&mut node, &blocks, at);
            }
        }
    }
}

/// Where a rollback dies.
#[derive(Clone, Copy, Debug)]
enum Died {
    /// Behind the note, with so many blocks undone.
    Undone(u64),
    /// Behind memiavl's own way back.
    MemiavlBack,
}

/// Does the first steps of a rollback to `to`, as a process does that dies on the way.
fn die_in_rollback(home: &Path, to: u64, died: Died) {
    let plan = plan_rollback(home, to).expect("a plan");
    let places = Home::locate(home);
    let mut store = FlatKv::open(places.flatkv(), &flatkv::Options::default()).expect("FlatKV opens");
    store.begin_rollback(to).expect("a note");
    let undone = match (plan.flatkv, died) {
        (NewStorePlan::Undo { blocks }, Died::Undone(undone)) => undone.min(blocks),
        (NewStorePlan::Undo { blocks }, Died::MemiavlBack) => blocks,
        _ => 0,
    };
    for _ in 0..undone {
        store.undo_block().expect("a block undone");
    }
    drop(store);
    if let (Died::MemiavlBack, Some(version)) = (died, plan.memiavl_to) {
        memiavl::rollback(places.memiavl(), version).expect("memiavl goes back");
    }
}

#[test]
fn a_rollback_that_died_at_any_step_is_finished_at_every_height_of_small() {
    let blocks = blocks("small");
    let home = tempfile::tempdir().expect("a directory");
    let mut node = Node::open(home.path(), options(&blocks[0], 0)).expect("a fresh node");
    for at in 18..=blocks.len() {
        for by in [1, 5] {
            let steps: Vec<Died> = (0..=by).map(Died::Undone).chain([Died::MemiavlBack]).collect();
            // By five: at every fifth height each of its steps, at the others one of them in turn.
            let is_whole = by == 1 || at % 5 == 0;
            let steps = if is_whole { &steps[..] } else { &steps[at % steps.len()..][..1] };
            for died in steps {
                node = die_and_reopen(node, &home, &blocks, (at, at - by as usize), *died);
            }
        }
    }
    run(&mut node, &blocks, blocks.len());
}

#[test]
fn a_rollback_across_a_seam_that_died_at_a_step_is_finished() {
    let blocks = blocks("small");
    let home = tempfile::tempdir().expect("a directory");
    let mut node = Node::open(home.path(), options(&blocks[0], 0)).expect("a fresh node");
    for (from, to) in [(20, 15), (61, 16), (60, 54), (113, 110), (119, 57), (163, 161), (175, 162), (175, 3)] {
        let undone = (from - to) as u64;
        let steps = [0, 1, undone / 2, undone - 1, undone].map(Died::Undone).into_iter();
        for died in steps.chain([Died::MemiavlBack]) {
            node = die_and_reopen(node, &home, &blocks, (from, to), died);
        }
    }
    run(&mut node, &blocks, blocks.len());
}

/// Brings the node to the first height, dies in a rollback to the second one, and opens what is left.
fn die_and_reopen(
    mut node: Node,
    home: &tempfile::TempDir,
    blocks: &[Value],
    (from, to): (usize, usize),
    died: Died,
) -> Node {
    run(&mut node, blocks, from);
    node.close().expect("a clean close");
    die_in_rollback(home.path(), to as u64, died);
    let node = Node::open(home.path(), options(&blocks[0], 0));
    let node = node.unwrap_or_else(|error| panic!("{from} to {to}, {died:?}: {error:?}"));
    assert_eq!(height(&node), to, "from {from}, {died:?}");
    check(&node.view().expect("a view"), &blocks[to - 1]);
    node
}

#[test]
fn rollback_leads_across_each_seam_and_across_all_of_them() {
    let blocks = blocks("small");
    let home = tempfile::tempdir().expect("a directory");
    let mut node = Node::open(home.path(), options(&blocks[0], 0)).expect("a fresh node");
    // Before FlatKV's first block, in each migration, in each rest, and after memiavl's end.
    for (from, to) in
        [(20, 15), (60, 54), (61, 16), (113, 110), (119, 57), (163, 161), (175, 162), (175, 118), (175, 3)]
    {
        run(&mut node, &blocks, from);
        node = back(node, &blocks, to);
        if to < 17 {
            assert!(!node.home().flatkv().exists(), "FlatKV's first block is 17");
        }
    }
    run(&mut node, &blocks, blocks.len());
}

#[test]
fn plan_says_what_would_happen_and_changes_nothing() {
    let blocks = blocks("small");
    let home = tempfile::tempdir().expect("a directory");
    let mut node = Node::open(home.path(), options(&blocks[0], 0)).expect("a fresh node");
    run(&mut node, &blocks, 30);
    node.close().expect("a clean close");
    let plan = plan_rollback(home.path(), 20).expect("a plan");
    assert_eq!((plan.from, plan.to, plan.memiavl_to), (30, 20, Some(20)));
    assert_eq!(plan.flatkv, NewStorePlan::Undo { blocks: 10 });
    let plan = plan_rollback(home.path(), 16).expect("a plan");
    assert_eq!(plan.flatkv, NewStorePlan::Remove { first: 17 });
    for to in [0, 31] {
        let error = plan_rollback(home.path(), to).expect_err("refused");
        assert!(
            matches!(error, Error::Migration(migrate_core::Error::RollbackTarget { from: 30, to: t }) if t == to),
            "{error:?}"
        );
        assert_eq!(error.kind(), ErrorKind::Input);
    }
    let node = Node::open(home.path(), options(&blocks[0], 0)).expect("a reopening");
    assert_eq!(node.height(), 30);
    assert_eq!(node.mode(), Mode::MigrateEvm);
}

#[test]
fn blocks_outside_the_window_cannot_be_undone_and_nothing_changes() {
    let home = tempfile::tempdir().expect("a directory");
    let options = || Options { rollback_blocks: 4, ..common::options(1) };
    let mut node = Node::open(home.path(), options()).expect("a fresh node");
    node.set_mode(Mode::MigrateEvm).expect("a step");
    for height in 0..200u8 {
        node.apply(changes("bank", vec![set(b"k", &[height])])).expect("a flush");
        node.commit().expect("a commit");
    }
    node.close().expect("a clean close");
    let error = plan_rollback(home.path(), 20).expect_err("long gone");
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    let node = Node::open(home.path(), options()).expect("a reopening");
    let node = node.rollback(197, options()).expect("within the window");
    assert_eq!(node.view().expect("a view").get("bank", b"k").expect("a read").as_deref(), Some([196].as_slice()));
}

#[test]
fn open_views_keep_a_home_from_being_rolled_back() {
    let home = tempfile::tempdir().expect("a directory");
    let mut node = Node::open(home.path(), common::options(0)).expect("a fresh node");
    for _ in 0..2 {
        node.apply(changes("bank", vec![set(b"k", b"v")])).expect("a flush");
        node.commit().expect("a commit");
    }
    let view = node.view().expect("a view");
    let error = node.rollback(1, common::options(0)).err().expect("a view is open");
    assert!(matches!(error, Error::ViewsOpen { open: 1, .. }), "{error:?}");
    drop(view);
    assert_eq!(Node::open(home.path(), common::options(0)).expect("unchanged").height(), 2);
}
