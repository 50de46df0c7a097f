//! The catalogue of failures in docs/operating/failures.md: a test per entry, named after it.

mod common;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use boundary::{BOUNDARY_KEY, MIGRATION_STORE};
use changeset::{BlockRecord, CommitInfo, JournalLine, NewStore, Walk, Write};
use common::life::{State, beat, block, copy, fill, migrate, migrate_all, state};
use common::{changes, image, options, set};
use ferry::flatkv::FlatKv;
use ferry::{Error, ErrorKind, KillPoint, Mode, Node, Replacement, migrate_core};

fn flatkv_dir(home: &Path) -> PathBuf {
    home.join("data/state_commit/flatkv")
}

/// A node in the middle of the first migration.
fn in_migration(home: &Path) -> Node {
    let mut node = Node::open(home, options(2)).expect("a fresh node");
    fill(&mut node);
    node.set_mode(Mode::MigrateEvm).expect("a step");
    for _ in 0..3 {
        beat(&mut node);
    }
    node
}

/// The home as a process leaves it that dies at `point` of the next block; and what readers saw after that block.
fn died_at(point: KillPoint) -> (tempfile::TempDir, u64, State) {
    let (home, copied) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let mut node = in_migration(home.path());
    let (from, to) = (home.path().to_owned(), copied.path().join("home"));
    let taken = Arc::new(AtomicBool::new(false));
    let is_taken = Arc::clone(&taken);
    node.set_kill_hook(Box::new(move |at| {
        if at == point && !is_taken.swap(true, Ordering::SeqCst) {
            image::take(&from, &to);
        }
    }));
    beat(&mut node);
    assert!(taken.load(Ordering::SeqCst), "{point} was not met");
    (copied, node.height(), state(&node))
}

/// Keys of a module that memiavl holds.
fn left_in_memiavl(node: &Node, module: &str) -> u64 {
    node.memiavl().expect("memiavl").len(module).expect("counts").expect("a tree")
}

#[test]
fn a1_lost_batch_cannot_happen() {
    // Before the commit point nothing has left memiavl; behind it everything is in FlatKV.
    for point in [KillPoint::Worked, KillPoint::Durable, KillPoint::HandedOver, KillPoint::Published] {
        let happened = point != KillPoint::Worked;
        let (copied, height, after) = died_at(point);
        let mut node = Node::open(&copied.path().join("home"), options(2)).expect("recovers");
        assert_eq!(node.height(), height - u64::from(!happened), "{point}");
        if !happened {
            beat(&mut node);
        }
        assert_eq!(state(&node), after, "{point}");
        migrate(&mut node, Mode::MigrateEvm);
    }
}

#[test]
fn a2_residue_is_gone_when_the_node_is_open() {
    let (copied, height, after) = died_at(KillPoint::Durable);
    let home = copied.path().join("home");
    let node = Node::open(&home, options(2)).expect("recovers");
    assert_eq!((node.height(), state(&node)), (height, after));
    let moved = node.flatkv().map(|flatkv| flatkv.view().expect("a view").journal(height)).expect("FlatKV");
    let moved: u64 = moved.expect("reads").expect("a line").moved.iter().map(|count| count.keys).sum();
    // `fill` makes 18 keys of the EVM module: what has moved is not in memiavl too.
    assert_eq!(left_in_memiavl(&node, "evm") + moved, 18);
}

#[test]
fn a3_damaged_boundary_is_refused() {
    let home = tempfile::tempdir().expect("a directory");
    in_migration(home.path()).close().expect("a clean close");
    let mut store = FlatKv::open(&flatkv_dir(home.path()), &ferry::flatkv::Options::default()).expect("opens");
    store.apply(&changes(MIGRATION_STORE, vec![set(BOUNDARY_KEY, b"\x01no length")])).expect("applies");
    let height = store.version().expect("a block") + 1;
    let commit_info = CommitInfo::new(height, [(ferry::LATTICE_STORE, store.working_root())]);
    let journal = JournalLine { height, ..JournalLine::default() };
    let record = BlockRecord {
        height,
        commit_info,
        app_hash: [0; 32],
        handoff: None,
        journal,
        changelog_synced: 0,
        retires_old: false,
        rollback_blocks: 1_000,
    };
    store.commit(&record).expect("commits");
    drop(store);
    let error = Node::open(home.path(), options(2)).err().expect("refused");
    assert!(matches!(error, Error::Migration(migrate_core::Error::BoundaryRecord(_))), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Corruption);
    // The block before is whole: going back to it is the remedy.
    ferry::roll_back(home.path(), height - 1, &options(2)).expect("rolls back");
    migrate(&mut Node::open(home.path(), options(2)).expect("opens"), Mode::MigrateEvm);
}

#[test]
fn b1_copy_of_a_home_in_mid_migration_is_whole() {
    let (home, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let mut node = in_migration(home.path());
    node.snapshot_now().expect("a snapshot");
    let before = state(&node);
    node.close().expect("a clean close");
    copy(home.path(), other.path());
    let mut here = Node::open(home.path(), options(2)).expect("opens");
    let mut there = Node::open(other.path(), options(2)).expect("opens");
    assert_eq!(state(&there), before);
    for node in [&mut here, &mut there] {
        migrate_all(node);
        for module in common::MODULES {
            assert_eq!(left_in_memiavl(node, module), 0, "{module}");
        }
    }
    assert_eq!(here.last_commit_info(), there.last_commit_info());
    assert_eq!(state(&here), state(&there));
}

#[test]
fn b2_restored_state_has_nothing_of_the_one_before() {
    let (home, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let mut receiver = Node::open(home.path(), options(2)).expect("a fresh node");
    block(&mut receiver, changes("evm", vec![set(b"only here", b"residue")]));
    receiver.close().expect("a clean close");
    let sender = in_migration(other.path());
    let expected = (sender.height(), state(&sender));
    sender.close().expect("a clean close");
    let replacement = Replacement::begin(home.path()).expect("begins");
    copy(&flatkv_dir(other.path()), &replacement.flatkv());
    copy(&other.path().join("data/state_commit/memiavl"), &replacement.memiavl());
    replacement.put_in_place().expect("replaces");
    let node = Node::open(home.path(), options(2)).expect("opens");
    assert_eq!((node.height(), state(&node)), expected);
    assert_eq!(node.view().expect("a view").get("evm", b"only here").expect("reads"), None);
}

#[test]
fn c1_lost_flatkv_is_refused() {
    let home = tempfile::tempdir().expect("a directory");
    let mut node = in_migration(home.path());
    migrate(&mut node, Mode::MigrateEvm);
    node.close().expect("a clean close");
    let kept = home.path().join("kept");
    fs::rename(flatkv_dir(home.path()), &kept).expect("renames");
    let error = Node::open(home.path(), options(2)).err().expect("memiavl alone is not the state");
    assert!(matches!(error, Error::Migration(migrate_core::Error::AppHashMismatch { .. })), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Corruption);
    fs::rename(&kept, flatkv_dir(home.path())).expect("renames");
    Node::open(home.path(), options(2)).expect("all is there again");
}

#[test]
fn c2_nothing_is_left_in_memiavl_after_a_migration() {
    let home = tempfile::tempdir().expect("a directory");
    let mut node = in_migration(home.path());
    migrate(&mut node, Mode::MigrateEvm);
    assert_eq!(left_in_memiavl(&node, "evm"), 0);
    migrate_all(&mut node);
    for module in common::MODULES {
        assert_eq!(left_in_memiavl(&node, module), 0, "{module}");
    }
}

#[test]
fn c3_everything_can_be_recomputed_after_the_last_migration() {
    let home = tempfile::tempdir().expect("a directory");
    let mut node = in_migration(home.path());
    let before = state(&node);
    migrate_all(&mut node);
    let after = state(&node);
    assert_eq!(before["wasm"], after["wasm"]);
    assert_eq!(before["evm"], after["evm"]);
    let view = node.flatkv().expect("FlatKV").view().expect("a view");
    let report = view.verify(&mut |_| ControlFlow::Continue(())).expect("reads").expect("was not stopped");
    assert_eq!(report.damaged_rows, 0);
    assert!(report.parts.iter().all(ferry::flatkv::PartReport::agrees), "{report:?}");
}
