//! A home that was damaged behind the node's back is mended as far as it can be proven what it must be, and goes on to the
//! recorded hashes; what cannot be proven is refused, with why, and the home is left as it was.
//!
//! Every fault is written past the facade into a home that ran a recorded life, and every mended home runs the rest of it.

mod common;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use boundary::{BOUNDARY_KEY, MIGRATION_STORE};
use common::golden::{blocks, check, options, take};
use common::life::files;
use common::lives;
use ferry::flatkv::{FlatKv, Lane, Patient, RowMend, split};
use ferry::{
    Confirmed, DEFAULT_MODULES, ErrorKind, FindingKind, Node, ReconcilePlan, ReconcilePoint, ReconcileRequest,
    RepairKind, flatkv, memiavl, memiavl_iter,
};
use serde_json::Value;
use tempfile::TempDir;

/// A block without writes of callers, in the middle of the first migration: what it touches, it has moved.
const HEIGHT: usize = 42;
/// The block of the older snapshot.
const OLDER: usize = 30;

struct Patched {
    home: TempDir,
    blocks: Vec<Value>,
}

fn request() -> ReconcileRequest {
    ReconcileRequest { threads: 2, candidates_max: 1 << 22, app_hash: None }
}

fn modules() -> Vec<String> {
    DEFAULT_MODULES.map(str::to_owned).to_vec()
}

impl Patched {
    /// A life up to `height`, with snapshots at the given heights; closed.
    fn at(life: &str, height: usize, snapshots: &[usize]) -> Self {
        let (home, blocks) = (lives::home(), blocks(life));
        let mut node = Node::open(home.path(), options(&blocks[0], 0)).expect("a fresh node");
        for (at, block) in blocks[..height].iter().enumerate() {
            take(&mut node, block);
            if snapshots.contains(&(at + 1)) {
                node.snapshot_now().expect("a snapshot");
            }
        }
        node.close().expect("a clean close");
        Self { home, blocks }
    }

    /// In the middle of a migration, with an older snapshot.
    fn new() -> Self {
        Self::at("small", HEIGHT, &[OLDER, HEIGHT])
    }

    fn path(&self) -> &Path {
        self.home.path()
    }

    fn flatkv(&self) -> PathBuf {
        self.path().join("data/state_commit/flatkv")
    }

    fn memiavl(&self) -> PathBuf {
        self.path().join("data/state_commit/memiavl")
    }

    fn snapshot(&self) -> PathBuf {
        let version = memiavl::current_version(&self.memiavl()).expect("reads").expect("a snapshot");
        self.memiavl().join(memiavl_iter::snapshot_name(version))
    }

    /// Writes to the closed FlatKV past everything that keeps it sound.
    fn plant(&self, damage: impl FnOnce(&mut Patient)) {
        let mut patient = Patient::open(&self.flatkv(), &flatkv::Options::default()).expect("opens");
        damage(&mut patient);
        patient.finish().expect("writes");
    }

    fn view(&self) -> flatkv::View {
        FlatKv::open_read_only(&self.flatkv(), &flatkv::Options::default()).expect("opens")
    }

    /// The rows that the last block moved.
    fn last_moved(&self) -> Vec<RowMend> {
        let view = self.view();
        let touched = view.touched_by(HEIGHT as u64).expect("reads").expect("an undo record");
        let present = |lane, key: &[u8]| view.stored_row(lane, key).expect("reads");
        let rows = touched.into_iter().map(|row| {
            let before = present(row.lane, &row.key);
            RowMend { lane: row.lane, key: row.key, before, after: None }
        });
        let is_row = |row: &RowMend| !row.key.starts_with(MIGRATION_STORE.as_bytes()) && row.before.is_some();
        rows.filter(is_row).collect()
    }

    fn plan(&self) -> ReconcilePlan {
        let before = files(self.path());
        let plan = ferry::plan_reconcile(self.path(), &modules(), &request(), &mut |_| ControlFlow::Continue(()));
        let plan = plan.expect("a plan");
        assert!(files(self.path()) == before, "a dry run has written below the home");
        plan
    }

    fn apply(&self, id: &str) -> Result<ferry::Reconciled, ferry::Error> {
        let confirm = Confirmed { id, keep: None };
        ferry::reconcile(self.path(), &modules(), &request(), &confirm, &mut |_| ControlFlow::Continue(()))
    }

    /// Mends the home, and runs the rest of its life on it, every hash, read and scan of which is compared.
    fn mend(&self, expected: &[RepairKind]) -> ReconcilePlan {
        let plan = self.plan();
        assert!(plan.is_possible(), "{:#?}", plan.refusals);
        let mut kinds: Vec<_> = plan.repairs.iter().map(|repair| repair.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds, expected, "{:#?}", plan.repairs);
        let found: Vec<_> = plan.found.iter().filter(|found| found.mended_by.is_none()).collect();
        assert!(found.is_empty(), "{found:#?}");
        let done = self.apply(&plan.id).expect("mends");
        assert_eq!(done.plan.id, plan.id);
        self.is_sound();
        let kept = done.kept.expect("what was replaced is kept");
        assert!(kept.join("flatkv").exists() || kept.join("memiavl").exists());
        self.goes_on();
        plan
    }

    fn is_sound(&self) {
        let plan = self.plan();
        assert!(plan.is_clean() && plan.found.is_empty(), "{:#?} {:#?} {:#?}", plan.repairs, plan.refusals, plan.found);
    }

    fn goes_on(&self) {
        let mut node = Node::open(self.path(), options(&self.blocks[0], 0)).expect("opens");
        let next = usize::try_from(node.height()).expect("a height");
        check(&node.view().expect("a view"), &self.blocks[next - 1]);
        for block in &self.blocks[next..] {
            take(&mut node, block);
            check(&node.view().expect("a view"), block);
        }
        node.close().expect("closes");
    }

    /// Nothing can be done, and the home is left to the last byte.
    fn is_refused(&self, said: &str) -> ReconcilePlan {
        let plan = self.plan();
        let reasons: Vec<_> = plan.refusals.iter().map(|refusal| format!("{} {}", refusal.what, refusal.why)).collect();
        assert!(reasons.iter().any(|reason| reason.contains(said)), "expected {said:?} in {reasons:#?}");
        assert!(plan.refusals.iter().all(|refusal| !refusal.remedy.is_empty()));
        let before = files(self.path());
        let error = self.apply(&plan.id).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Corruption, "{error}");
        let after = files(self.path());
        let stores = |files: std::collections::BTreeMap<PathBuf, Vec<u8>>| {
            files.into_iter().filter(|(path, _)| !path.ends_with("ferry.lock")).collect::<Vec<_>>()
        };
        assert!(stores(before) == stores(after), "a refused home was changed");
        plan
    }
}

fn keys(plan: &ReconcilePlan, kind: FindingKind) -> Vec<(String, Vec<u8>)> {
    let of_kind = plan.found.iter().filter(|found| found.finding.kind == kind);
    of_kind.map(|found| (found.finding.module.clone(), found.finding.key.clone().unwrap_or_default())).collect()
}

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
    // The record is gone altogether.
    let home = Patched::new();
    home.plant(|patient| patient.set_row(&RowMend { after: None, ..there(Vec::new()) }));
    home.mend(&[RepairKind::Row]);
}

/// memiavl as it was a block ago, with a block that takes nothing out: a batch that never left.
fn leave_residue(home: &Patched) {
    let dir = home.memiavl();
    memiavl::rollback(&dir, HEIGHT as u64 - 1).expect("rolls back");
    let log = memiavl::open(&dir, memiavl::Options::writer()).expect("opens");
    let mut store = changeset::OldLog::replay(log).expect("replays");
    let entry = changeset::OldStore::handoff(&store, [0; 32]);
    changeset::OldStore::commit(&mut store, &entry, true).expect("commits");
    store.sync_changelog().expect("syncs");
    store.close().expect("closes");
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

/// Flips a bit of a value in the current snapshot; the module and key of its leaf.
fn flip_leaf(home: &Patched) -> (String, Vec<u8>) {
    let snapshot = memiavl_iter::Snapshot::open(&home.snapshot()).expect("opens");
    let tree = snapshot.tree("bank").expect("a tree");
    let leaf = tree.leaf(tree.leaf_id(3).expect("a leaf")).expect("reads");
    let (key, value) = (leaf.key.to_vec(), leaf.value.to_vec());
    let path = home.snapshot().join("bank/kvs");
    let mut kvs = fs::read(&path).expect("reads");
    let record = [key.as_slice(), &u32::try_from(value.len()).expect("short").to_le_bytes(), &value].concat();
    let at = kvs.windows(record.len()).position(|window| window == record).expect("the record");
    kvs[at + record.len() - 1] ^= 4;
    fs::write(path, kvs).expect("writes");
    ("bank".to_owned(), key)
}

#[test]
fn a_flipped_leaf_is_made_good_from_an_older_snapshot_and_the_changelog() {
    let home = Patched::new();
    let leaf = flip_leaf(&home);
    let plan = home.mend(&[RepairKind::Snapshot]);
    assert_eq!(keys(&plan, FindingKind::LeafDamaged), [leaf]);
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
fn a_flipped_leaf_without_an_older_snapshot_is_refused() {
    let home = Patched::new();
    flip_leaf(&home);
    for (version, path) in memiavl_iter::list_snapshots(&home.memiavl()).expect("lists") {
        if version < HEIGHT as u64 {
            fs::remove_dir_all(path).expect("removes");
        }
    }
    let plan = home.is_refused("no snapshot and no changelog lead to its roots");
    assert!(plan.refusals[0].remedy.contains("ferry import"));
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
