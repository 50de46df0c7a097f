//! A home that was damaged behind the node's back is mended as far as it can be proven what it must be, and goes on to the
//! recorded hashes.
//!
//! Every fault is written past the facade into a home that ran a recorded life, and every mended home runs the rest of it.

mod common;

use std::fs;

use boundary::{BOUNDARY_KEY, MIGRATION_STORE};
use common::golden::options;
use common::patched::{HEIGHT, OLDER, Patched, another_last_block, flip_leaf, flip_leaf_of, keys};
use ferry::flatkv::{Lane, RowMend, split};
use ferry::{FindingKind, RepairKind, memiavl, memiavl_iter};

#[test]
fn a_sound_home_asks_for_nothing() {
    for (life, height) in [("small", 12), ("small", HEIGHT), ("small", 60), ("exact", 11)] {
        let home = Patched::at(life, height, &[height / 2, height]);
        home.is_sound();
        let plan = home.plan();
        let done = home.apply(&plan.id).expect("nothing to do");
        assert!(done.kept.is_none() && done.plan.is_clean());
        home.goes_on();
    }
}

#[test]
fn a_flipped_row_is_put_right() {
    let home = Patched::new();
    let row = home.last_moved().into_iter().next().expect("a moved row");
    let mut flipped = row.before.clone().expect("a row");
    flipped[12] ^= 0x10;
    home.plant(|patient| patient.set_row(&RowMend { after: Some(flipped), ..row.clone() }));
    let plan = home.mend(&[RepairKind::Row]);
    let (module, key) = split(row.lane, &row.key).expect("a key");
    assert_eq!(keys(&plan, FindingKind::RowFlipped), [(module.to_owned(), key.to_vec())]);
    assert_eq!(plan.repairs[0].after, hex::encode(row.before.expect("a row")));
}

#[test]
fn a_lost_batch_is_named_key_by_key_and_brought_back_from_memiavls_history() {
    let home = Patched::new();
    let lost = home.last_moved();
    assert!(lost.len() > 2, "{lost:?}");
    home.plant(|patient| lost.iter().for_each(|row| patient.set_row(row)));
    let plan = home.mend(&[RepairKind::Row]);
    let named: Vec<_> = lost.iter().map(|row| split(row.lane, &row.key).expect("a key")).collect();
    let named: Vec<_> = named.into_iter().map(|(module, key)| (module.to_owned(), key.to_vec())).collect();
    assert_eq!(keys(&plan, FindingKind::RowMissing), named);
}

#[test]
fn rows_of_a_batch_that_were_overwritten_with_rubbish_are_brought_back_too() {
    let home = Patched::new();
    let rows = home.last_moved();
    home.plant(|patient| {
        for row in rows.iter().take(2) {
            let mut rubbish = row.before.clone().expect("a row");
            rubbish.iter_mut().skip(9).for_each(|byte| *byte = byte.wrapping_mul(7).wrapping_add(3));
            patient.set_row(&RowMend { after: Some(rubbish), ..row.clone() });
        }
    });
    let plan = home.mend(&[RepairKind::Row]);
    assert_eq!(keys(&plan, FindingKind::RowChanged).len(), 2);
}

#[test]
fn a_moved_boundary_is_put_back_with_or_without_the_journals_word() {
    let key = [MIGRATION_STORE.as_bytes(), b"/", BOUNDARY_KEY].concat();
    let there = |record: Vec<u8>| {
        let row = [&[0; 1], (HEIGHT as u64).to_be_bytes().as_slice(), &record].concat();
        RowMend { lane: Lane::Misc, key: key.clone(), before: None, after: Some(row) }
    };
    let forward = ferry::Boundary::in_progress("evm", [0x09; 21]).encode();
    let backward = ferry::Boundary::in_progress("evm", [0x03; 53]).encode();
    for record in [forward, backward, vec![7, 7, 7], Vec::new()] {
        let home = Patched::new();
        home.plant(|patient| patient.set_row(&there(record.clone())));
        let plan = home.mend(&[RepairKind::Row]);
        let moved = plan.repairs.iter().any(|repair| repair.key.as_deref() == Some(BOUNDARY_KEY));
        assert!(moved && plan.repairs.len() == 1, "{record:?}: {:#?}", plan.repairs);
    }
    // Without an older snapshot there is no last moving block to ask, and the journal's word is enough.
    let home = Patched::new();
    home.remove_older_snapshots();
    home.plant(|patient| patient.set_row(&there(ferry::Boundary::in_progress("evm", [0x09; 21]).encode())));
    home.mend(&[RepairKind::Row]);
    // The record is gone altogether.
    let home = Patched::new();
    home.plant(|patient| patient.set_row(&RowMend { after: None, ..there(Vec::new()) }));
    home.mend(&[RepairKind::Row]);
}

/// A last block that takes nothing out: a batch that never left.
fn leave_residue(home: &Patched) {
    another_last_block(home, &[]);
}

#[test]
fn residue_is_taken_out_by_the_handoff() {
    let home = Patched::new();
    leave_residue(&home);
    let plan = home.mend(&[RepairKind::Residue, RepairKind::ChangelogEntry]);
    assert!(!keys(&plan, FindingKind::Residue).is_empty());
}

#[test]
fn residue_is_taken_out_without_a_handoff_where_the_roots_prove_it() {
    let home = Patched::new();
    leave_residue(&home);
    home.plant(|patient| {
        patient.set_changelog_synced(HEIGHT as u64);
        patient.drop_handoffs(HEIGHT as u64);
    });
    let plan = home.mend(&[RepairKind::Residue, RepairKind::ChangelogEntry]);
    let entry = plan.repairs.iter().find(|repair| repair.kind == RepairKind::ChangelogEntry).expect("an entry");
    assert!(entry.after.contains("deletes of what its block moved"), "{entry:?}");
}

#[test]
fn a_changelog_that_goes_on_behind_flatkv_is_cut() {
    let home = Patched::new();
    let log = memiavl::open(&home.memiavl(), memiavl::Options::writer()).expect("opens");
    let mut store = changeset::OldLog::replay(log).expect("replays");
    let entry = changeset::OldStore::handoff(&store, [0; 32]);
    changeset::OldStore::commit(&mut store, &entry, true).expect("commits");
    store.close().expect("closes");
    home.mend(&[RepairKind::ChangelogEnd]);
}

#[test]
fn a_flipped_leaf_is_made_good_from_an_older_snapshot_and_the_changelog() {
    let home = Patched::new();
    let leaf = flip_leaf(&home);
    let plan = home.mend(&[RepairKind::Snapshot]);
    assert_eq!(keys(&plan, FindingKind::LeafDamaged), [leaf]);
}

#[test]
fn a_damaged_older_snapshot_is_given_up() {
    let home = Patched::new();
    let older = home.memiavl().join(memiavl_iter::snapshot_name(OLDER as u64));
    flip_leaf_of(&older);
    let plan = home.mend(&[RepairKind::Snapshot]);
    assert!(plan.found.is_empty() && plan.repairs[0].proof.contains("no later block needs it"), "{plan:#?}");
    assert!(!older.exists());
}

#[test]
fn a_note_of_what_is_on_disk_that_is_lost_is_made_true_by_writing_the_changelog_anew() {
    for damage in [None, Some(b"rubbish".as_slice())] {
        let home = Patched::new();
        home.plant(|patient| {
            patient.set_record(b"changelog_synced", damage);
            patient.drop_handoffs(HEIGHT as u64);
        });
        let plan = home.mend(&[RepairKind::Record]);
        let kept = home.path().join(format!("data/state_commit/reconciled-{}", plan.id));
        assert!(kept.join("memiavl").exists(), "the changelog that nobody knows to be on disk is still in its place");
    }
}

#[test]
fn a_module_that_is_missing_is_made_good_from_an_older_snapshot_and_the_changelog() {
    let home = Patched::new();
    fs::remove_dir_all(home.snapshot().join("wasm")).expect("removes");
    let plan = home.mend(&[RepairKind::Snapshot]);
    assert_eq!(keys(&plan, FindingKind::TreeMissing), [("wasm".to_owned(), Vec::new())]);
}

#[test]
fn before_flatkv_exists_the_seal_of_the_last_entry_vouches() {
    let home = Patched::at("small", 10, &[5, 10]);
    flip_leaf(&home);
    let plan = home.mend(&[RepairKind::Snapshot]);
    assert!(plan.vouched_by.contains("seal"), "{}", plan.vouched_by);
}

#[test]
fn states_and_counts_are_made_anew_from_the_rows() {
    for damage in [None, Some(vec![1; 5]), Some(vec![3; 2064])] {
        let home = Patched::new();
        home.plant(|patient| patient.set_record(b"lattice/\x02evm", damage.as_deref()));
        let plan = home.mend(&[RepairKind::States]);
        assert!(plan.repairs[0].proof.contains("root"), "{:?}", plan.repairs);
    }
}

#[test]
fn the_last_blocks_record_is_made_anew_from_both_stores_roots() {
    let home = Patched::new();
    let key = [b"block/".as_slice(), &(HEIGHT as u64).to_be_bytes()].concat();
    for damage in [Some(vec![9; 20]), None] {
        home.plant(|patient| patient.set_record(&key, damage.as_deref()));
        let plan = home.plan();
        assert!(plan.is_possible(), "{:#?}", plan.refusals);
        assert!(plan.vouched_by.contains("journal"));
        home.apply(&plan.id).expect("mends");
        home.is_sound();
    }
    home.goes_on();
}

#[test]
fn the_version_is_told_by_the_newest_block() {
    for damage in [None, Some(vec![1, 2])] {
        let home = Patched::new();
        home.plant(|patient| patient.set_record(b"version", damage.as_deref()));
        home.mend(&[RepairKind::Record]);
    }
}

#[test]
fn damaged_records_of_earlier_blocks_are_given_up_and_the_rollback_says_where_it_ends() {
    let home = Patched::new();
    home.plant(|patient| patient.set_undo(36, b"rubbish"));
    let plan = home.plan();
    assert!(plan.is_possible(), "{:#?}", plan.refusals);
    assert!(plan.repairs.iter().all(|repair| repair.kind == RepairKind::History), "{:#?}", plan.repairs);
    assert!(plan.repairs[0].after.contains("no further back than 36"), "{:?}", plan.repairs);
    home.apply(&plan.id).expect("mends");
    home.is_sound();
    ferry::plan_rollback(home.path(), 35).expect_err("its undo record is gone");
    ferry::roll_back(home.path(), 36, &options(&home.blocks[0], 0)).expect("goes back as far as it says");
    home.goes_on();
}

#[test]
fn everything_at_once_is_mended_at_once() {
    let home = Patched::new();
    let lost = home.last_moved();
    leave_residue(&home);
    home.plant(|patient| {
        lost.iter().take(3).for_each(|row| patient.set_row(row));
        let boundary = [MIGRATION_STORE.as_bytes(), b"/", BOUNDARY_KEY].concat();
        patient.set_row(&RowMend { lane: Lane::Misc, key: boundary, before: None, after: None });
        patient.set_undo(33, b"rubbish");
    });
    // Without a boundary no key can be told to have left memiavl; its roots are wrong all the same.
    home.mend(&[RepairKind::Row, RepairKind::ChangelogEntry, RepairKind::History]);
}

#[test]
fn what_was_replaced_is_kept_and_can_be_put_back() {
    let home = Patched::new();
    let lost = home.last_moved();
    home.plant(|patient| patient.set_row(&lost[0]));
    let damaged = home.plan();
    let kept = home.apply(&damaged.id).expect("mends").kept.expect("kept");
    fs::remove_dir_all(home.flatkv()).expect("removes");
    fs::rename(kept.join("flatkv"), home.flatkv()).expect("puts back");
    assert_eq!(home.plan().id, damaged.id, "the damaged store is there again as it was");
}

/// What callers have written to keys that had moved is not what memiavl's history says, and must not be taken for lost.
#[test]
fn a_batch_of_some_blocks_ago_is_brought_back_beside_rows_that_callers_have_written_since() {
    const LAST: u64 = 50;
    let home = Patched::at("small", 50, &[OLDER, 50]);
    let view = home.view();
    let touched = |height| view.touched_by(height).expect("reads").expect("an undo record");
    let later: std::collections::BTreeSet<_> =
        (HEIGHT as u64 + 1..=LAST).flat_map(touched).map(|row| (row.lane, row.key)).collect();
    let moved = touched(HEIGHT as u64).into_iter().filter(|row| !later.contains(&(row.lane, row.key.clone())));
    let is_there = |lane, key: &[u8]| view.stored_row(lane, key).expect("reads").is_some();
    let lost: Vec<_> = moved
        .filter(|row| !row.key.starts_with(MIGRATION_STORE.as_bytes()) && is_there(row.lane, &row.key))
        .map(|row| RowMend { lane: row.lane, key: row.key, before: None, after: None })
        .collect();
    assert!(lost.len() > 2, "{lost:?}");
    drop(view);
    home.plant(|patient| lost.iter().for_each(|row| patient.set_row(row)));
    let plan = home.mend(&[RepairKind::Row]);
    assert_eq!(keys(&plan, FindingKind::RowMissing).len(), lost.len());
}

#[test]
fn rows_of_keys_that_are_still_in_memiavl_go() {
    let home = Patched::new();
    let snapshot = memiavl_iter::Snapshot::open(&home.snapshot()).expect("opens");
    let tree = snapshot.tree("bank").expect("a tree");
    let key = |rank| tree.leaf(tree.leaf_id(rank).expect("a leaf")).expect("reads").key.to_vec();
    let twice = [3, 7].map(|rank| ("bank".to_owned(), key(rank)));
    home.plant(|patient| {
        for (module, key) in &twice {
            let row = [&[0; 1], (HEIGHT as u64).to_be_bytes().as_slice(), b"value"].concat();
            let key = [module.as_bytes(), b"/", key].concat();
            patient.set_row(&RowMend { lane: Lane::Misc, key, before: None, after: Some(row) });
        }
    });
    let plan = home.mend(&[RepairKind::Row]);
    assert_eq!(keys(&plan, FindingKind::Twice), twice);
}

#[test]
fn a_row_at_a_key_that_no_module_can_have_goes() {
    let home = Patched::new();
    let stray = RowMend { lane: Lane::Misc, key: b"of nobody".to_vec(), before: None, after: Some(vec![0; 12]) };
    home.plant(|patient| patient.set_row(&stray));
    home.mend(&[RepairKind::Row]);
}

/// Sound by itself, and of another chain: the changelog leads elsewhere.
#[test]
fn a_snapshot_that_is_not_on_the_way_is_given_up_with_the_damaged_one() {
    const BETWEEN: usize = 36;
    let home = Patched::at("small", HEIGHT, &[OLDER, BETWEEN, HEIGHT]);
    let other = Patched::at("exact", BETWEEN, &[BETWEEN]);
    flip_leaf(&home);
    home.remove_snapshot(BETWEEN);
    let name = memiavl_iter::snapshot_name(BETWEEN as u64);
    common::life::copy(&other.memiavl().join(&name), &home.memiavl().join(&name));
    let plan = home.mend(&[RepairKind::Snapshot]);
    assert_eq!(
        plan.repairs.iter().filter(|repair| repair.kind == RepairKind::Snapshot).count(),
        2,
        "{:#?}",
        plan.repairs
    );
    assert!(!home.memiavl().join(&name).exists(), "it serves no rollback");
}
