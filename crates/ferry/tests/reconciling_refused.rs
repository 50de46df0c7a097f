//! What cannot be proven is refused, with why and what to do, and so is what was not confirmed; the home is left as it was.

mod common;

use std::fs;
use std::ops::ControlFlow;

use common::golden::options;
use common::life::files;
use common::patched::{HEIGHT, OLDER, Patched, flip_leaf, modules, request};
use ferry::flatkv::{Patient, RowMend, split};
use ferry::{Confirmed, Error, ErrorKind, Node, ReconcilePoint, ReconcileRequest, RepairKind, flatkv};

#[test]
fn a_row_that_only_a_caller_has_written_cannot_be_made_up_and_the_rollback_that_mends_it_is_named() {
    let home = Patched::at("small", 50, &[OLDER, 50]);
    let (lost, written) = written_by_a_caller(&home, 50);
    home.plant(|patient| patient.set_row(&lost));
    let plan = home.is_refused("rows are missing");
    let to = written - 1;
    assert!(plan.refusals[0].remedy.contains(&format!("ferry rollback --to {to} --apply")), "{:?}", plan.refusals);
    // What it says to do instead mends it.
    ferry::roll_back(home.path(), to, &options(&home.blocks[0], 0)).expect("goes back");
    home.is_sound();
    home.goes_on();
}

/// A row that had moved when a caller wrote it again, the last one to touch it, and its block.
fn written_by_a_caller(home: &Patched, last: u64) -> (RowMend, u64) {
    let view = home.view();
    let mut later = std::collections::BTreeSet::new();
    for height in (OLDER as u64 + 1..=last).rev() {
        let line = view.journal(height).expect("reads").expect("a line");
        let moved = ferry::Boundary::decode(&line.boundary_from).expect("decodes");
        for row in view.touched_by(height).expect("reads").expect("an undo record") {
            let (module, key) = split(row.lane, &row.key).expect("a key");
            let is_there = view.stored_row(row.lane, &row.key).expect("reads").is_some();
            let is_moved = module == "evm" && moved.is_migrated(module, key);
            if row.before.is_some() && is_there && is_moved && later.insert(row.key.clone()) {
                return (RowMend { lane: row.lane, key: row.key, before: None, after: None }, height);
            }
            later.insert(row.key);
        }
    }
    panic!("no caller has written a row again");
}

#[test]
fn a_flipped_leaf_without_an_older_snapshot_is_refused() {
    let home = Patched::new();
    flip_leaf(&home);
    home.remove_older_snapshots();
    let plan = home.is_refused("no snapshot and no changelog lead to its roots");
    assert!(plan.refusals[0].remedy.contains("ferry import"));
}

#[test]
fn another_plan_than_the_confirmed_one_and_another_chains_app_hash_do_nothing() {
    let home = Patched::new();
    let lost = home.last_moved();
    home.plant(|patient| patient.set_row(&lost[0]));
    let looked_at = home.plan();
    home.plant(|patient| patient.set_row(&lost[1]));
    let error = home.apply(&looked_at.id).expect_err("the home is another one now");
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    let now = home.plan();
    assert_ne!(now.id, looked_at.id);
    let other = ReconcileRequest { app_hash: Some([7; 32]), ..request() };
    let mut go_on = |_| ControlFlow::Continue(());
    let plan = ferry::plan_reconcile(home.path(), &modules(), &other, &mut go_on).expect("a plan");
    assert!(!plan.is_possible(), "the chain has another app hash");
    home.apply(&now.id).expect("mends");
    home.goes_on();
}

#[test]
fn a_stop_at_any_point_leaves_the_home_as_it_was_or_mended() {
    for point in [ReconcilePoint::Built, ReconcilePoint::Kept] {
        let home = Patched::new();
        let lost = home.last_moved();
        home.plant(|patient| lost.iter().for_each(|row| patient.set_row(row)));
        let plan = home.plan();
        let stopped = std::panic::catch_unwind(|| {
            let confirm = Confirmed { id: &plan.id, keep: None };
            let mut hook = |at| assert_ne!(at, point, "stopped");
            let mut go_on = |_| ControlFlow::Continue(());
            ferry::reconcile_with(home.path(), &modules(), &request(), &confirm, &mut go_on, &mut hook)
        });
        assert!(stopped.is_err(), "{point:?}");
        let kept = home.path().join(format!("data/state_commit/reconciled-{}", plan.id));
        if kept.exists() {
            fs::remove_dir_all(kept).expect("removes");
        }
        home.mend(&[RepairKind::Row]);
    }
}

#[test]
fn behind_the_switch_the_next_opening_finishes_and_until_then_nothing_is_planned() {
    let home = Patched::new();
    let lost = home.last_moved();
    home.plant(|patient| lost.iter().for_each(|row| patient.set_row(row)));
    let plan = home.plan();
    let stopped = std::panic::catch_unwind(|| {
        let confirm = Confirmed { id: &plan.id, keep: None };
        let mut hook = |at| assert_ne!(at, ReconcilePoint::Switched, "stopped");
        let mut go_on = |_| ControlFlow::Continue(());
        ferry::reconcile_with(home.path(), &modules(), &request(), &confirm, &mut go_on, &mut hook)
    });
    assert!(stopped.is_err());
    let mut go_on = |_| ControlFlow::Continue(());
    let unfinished = ferry::plan_reconcile(home.path(), &modules(), &request(), &mut go_on).expect_err("refused");
    assert_eq!(unfinished.kind(), ErrorKind::Unfinished, "{unfinished}");
    home.goes_on();
    home.is_sound();
}

#[test]
fn flatkvs_first_block_is_told_by_nothing_else() {
    for damage in [None, Some(vec![1; 3])] {
        let home = Patched::new();
        home.plant(|patient| patient.set_record(b"first", damage.as_deref()));
        let plan = home.is_refused("a rollback that took it to be later would remove the store");
        assert!(plan.refusals[0].what.contains("first block"), "{:?}", plan.refusals);
        assert!(plan.refusals[0].remedy.contains("ferry import"), "{:?}", plan.refusals);
    }
}

#[test]
fn the_last_blocks_line_of_the_journal_is_told_by_nothing_else_and_a_rollback_by_a_block_mends_that() {
    for damage in [None, Some(b"rubbish".as_slice())] {
        let home = Patched::new();
        home.plant(|patient| patient.set_journal(HEIGHT as u64, damage));
        let plan = home.is_refused("what its block moved is told by nothing else");
        let to = HEIGHT as u64 - 1;
        assert!(plan.refusals[0].remedy.contains(&format!("ferry rollback --to {to} --apply")), "{:?}", plan.refusals);
        ferry::roll_back(home.path(), to, &options(&home.blocks[0], 0)).expect("goes back");
        home.is_sound();
        home.goes_on();
    }
}

/// A repair that leads elsewhere than it was thought to: the stores that were built are looked at before they count.
#[test]
fn mended_stores_that_are_still_wrong_are_not_put_in_place() {
    let home = Patched::new();
    let lost = home.last_moved();
    home.plant(|patient| patient.set_row(&lost[0]));
    let plan = home.plan();
    let before = files(home.path());
    let built = home.path().join("data/state_commit/next/flatkv");
    let mut spoil = |at| {
        if at == ReconcilePoint::Built {
            let mut patient = Patient::open(&built, &flatkv::Options::default()).expect("opens");
            patient.set_row(&lost[1]);
            patient.finish().expect("writes");
        }
    };
    let confirm = Confirmed { id: &plan.id, keep: None };
    let mut go_on = |_| ControlFlow::Continue(());
    let error = ferry::reconcile_with(home.path(), &modules(), &request(), &confirm, &mut go_on, &mut spoil);
    let error = error.expect_err("they are not in order");
    assert!(matches!(&error, Error::ReconcileUnproven { findings: 1.., .. }), "{error:?}");
    let stores = |files: std::collections::BTreeMap<std::path::PathBuf, Vec<u8>>| {
        files.into_iter().filter(|(path, _)| !path.ends_with("ferry.lock")).collect::<Vec<_>>()
    };
    assert!(stores(files(home.path())) == stores(before), "the home is another one");
    home.mend(&[RepairKind::Row]);
}

#[test]
fn a_running_node_and_what_is_to_be_finished_first_are_refused() {
    let home = Patched::new();
    let plan = || {
        let mut go_on = |_| ControlFlow::Continue(());
        ferry::plan_reconcile(home.path(), &modules(), &request(), &mut go_on).expect_err("refused").kind()
    };
    let node = Node::open(home.path(), options(&home.blocks[0], 0)).expect("opens");
    assert_eq!(plan(), ErrorKind::Locked);
    node.close().expect("closes");
    let to = (HEIGHT as u64 - 1).to_be_bytes();
    home.plant(|patient| patient.set_record(b"rollback_to", Some(&to)));
    assert_eq!(plan(), ErrorKind::Unfinished);
    home.plant(|patient| patient.set_record(b"rollback_to", None));
    home.is_sound();
}

#[test]
fn what_is_replaced_is_kept_where_nothing_is_and_outside_the_stores() {
    let home = Patched::new();
    let lost = home.last_moved();
    home.plant(|patient| patient.set_row(&lost[0]));
    let plan = home.plan();
    let full = tempfile::tempdir().expect("a directory");
    fs::write(full.path().join("file"), "precious").expect("writes");
    for place in [full.path(), &home.flatkv().join("kept"), &home.memiavl().join("kept")] {
        let confirm = Confirmed { id: &plan.id, keep: Some(place) };
        let mut go_on = |_| ControlFlow::Continue(());
        let error = ferry::reconcile(home.path(), &modules(), &request(), &confirm, &mut go_on).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Refused, "{}: {error}", place.display());
    }
    assert_eq!(fs::read(full.path().join("file")).expect("reads"), b"precious");
    assert_eq!(home.plan().id, plan.id, "the home is as it was");
    home.mend(&[RepairKind::Row]);
}
