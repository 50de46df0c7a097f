//! A home that ran a recorded life and is damaged behind the node's back, to be mended or refused.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use boundary::MIGRATION_STORE;
use ferry::flatkv::{FlatKv, Patient, RowMend};
use ferry::{
    Check, Confirmed, DEFAULT_MODULES, ErrorKind, Finding, FindingKind, Node, ReconcilePlan, ReconcileRequest,
    RepairKind, TreeNameUpgrade, VerifyRequest, flatkv, memiavl, memiavl_iter,
};
use serde_json::Value;
use tempfile::TempDir;

use super::golden::{blocks, check, options, take};
use super::life::files;
use super::lives;

/// A block without writes of callers, in the middle of the first migration: what it touches, it has moved.
pub(crate) const HEIGHT: usize = 42;
/// The block of the older snapshot.
pub(crate) const OLDER: usize = 30;

pub(crate) struct Patched {
    pub(crate) home: TempDir,
    pub(crate) blocks: Vec<Value>,
}

pub(crate) fn request() -> ReconcileRequest {
    ReconcileRequest { threads: 2, candidates_max: 1 << 22, app_hash: None }
}

pub(crate) fn modules() -> Vec<String> {
    DEFAULT_MODULES.map(str::to_owned).to_vec()
}

impl Patched {
    /// A life up to `height`, with snapshots at the given heights; closed.
    pub(crate) fn at(life: &str, height: usize, snapshots: &[usize]) -> Self {
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
    pub(crate) fn new() -> Self {
        Self::at("small", HEIGHT, &[OLDER, HEIGHT])
    }

    pub(crate) fn path(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn flatkv(&self) -> PathBuf {
        self.path().join("data/state_commit/flatkv")
    }

    pub(crate) fn memiavl(&self) -> PathBuf {
        self.path().join("data/state_commit/memiavl")
    }

    pub(crate) fn snapshot(&self) -> PathBuf {
        let version = memiavl::current_version(&self.memiavl()).expect("reads").expect("a snapshot");
        self.memiavl().join(memiavl_iter::snapshot_name(version))
    }

    /// Removes an older snapshot.
    pub(crate) fn remove_snapshot(&self, version: usize) {
        let name = memiavl_iter::snapshot_name(version as u64);
        fs::remove_dir_all(self.memiavl().join(name)).expect("removes");
    }

    /// Removes all snapshots but the last block's.
    pub(crate) fn remove_older_snapshots(&self) {
        for (version, path) in memiavl_iter::list_snapshots(&self.memiavl()).expect("lists") {
            if version < HEIGHT as u64 {
                fs::remove_dir_all(path).expect("removes");
            }
        }
    }

    /// Writes to the closed FlatKV past everything that keeps it sound.
    pub(crate) fn plant(&self, damage: impl FnOnce(&mut Patient)) {
        let mut patient = Patient::open(&self.flatkv(), &flatkv::Options::default()).expect("opens");
        damage(&mut patient);
        patient.finish().expect("writes");
    }

    pub(crate) fn view(&self) -> flatkv::View {
        FlatKv::open_read_only(&self.flatkv(), &flatkv::Options::default()).expect("opens")
    }

    /// The rows that the last block moved.
    pub(crate) fn last_moved(&self) -> Vec<RowMend> {
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

    /// Verifies the home; what was found.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let checks = Check::ALL.to_vec();
        let asked = VerifyRequest { checks, threads: 2, candidates_max: 1 << 22, progress_file: None };
        let mut findings = Vec::new();
        let mut found = |finding: &Finding| {
            findings.push(finding.clone());
            Ok(())
        };
        ferry::verify_home(self.path(), &modules(), &asked, &mut found, &mut |_| ControlFlow::Continue(()))
            .expect("runs to the end");
        findings
    }

    pub(crate) fn plan(&self) -> ReconcilePlan {
        let before = files(self.path());
        let plan = ferry::plan_reconcile(self.path(), &modules(), &request(), &mut |_| ControlFlow::Continue(()));
        let plan = plan.expect("a plan");
        assert!(files(self.path()) == before, "a dry run has written below the home");
        plan
    }

    pub(crate) fn apply(&self, id: &str) -> Result<ferry::Reconciled, ferry::Error> {
        let confirm = Confirmed { id, keep: None };
        ferry::reconcile(self.path(), &modules(), &request(), &confirm, &mut |_| ControlFlow::Continue(()))
    }

    /// Mends the home, and runs the rest of its life on it, every hash, read and scan of which is compared.
    pub(crate) fn mend(&self, expected: &[RepairKind]) -> ReconcilePlan {
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

    pub(crate) fn is_sound(&self) {
        let plan = self.plan();
        assert!(plan.is_clean() && plan.found.is_empty(), "{:#?} {:#?} {:#?}", plan.repairs, plan.refusals, plan.found);
    }

    pub(crate) fn goes_on(&self) {
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
    pub(crate) fn is_refused(&self, said: &str) -> ReconcilePlan {
        let plan = self.plan();
        let reasons: Vec<_> = plan.refusals.iter().map(|refusal| format!("{} {}", refusal.what, refusal.why)).collect();
        assert!(reasons.iter().any(|reason| reason.contains(said)), "expected {said:?} in {reasons:#?}");
        assert!(plan.refusals.iter().all(|refusal| !refusal.remedy.is_empty()));
        let before = files(self.path());
        let error = self.apply(&plan.id).expect_err("refused");
        assert!(matches!(error, ferry::Error::ReconcileRefused { .. }), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Corruption, "{error}");
        let after = files(self.path());
        let stores = |files: std::collections::BTreeMap<PathBuf, Vec<u8>>| {
            files.into_iter().filter(|(path, _)| !path.ends_with("ferry.lock")).collect::<Vec<_>>()
        };
        assert!(stores(before) == stores(after), "a refused home was changed");
        plan
    }
}

pub(crate) fn keys(plan: &ReconcilePlan, kind: FindingKind) -> Vec<(String, Vec<u8>)> {
    let of_kind = plan.found.iter().filter(|found| found.finding.kind == kind);
    of_kind.map(|found| (found.finding.module.clone(), found.finding.key.clone().unwrap_or_default())).collect()
}

/// Flips a bit of a value in the current snapshot; the module and key of its leaf.
pub(crate) fn flip_leaf(home: &Patched) -> (String, Vec<u8>) {
    flip_leaf_of(&home.snapshot())
}

/// The same in the snapshot at this place.
pub(crate) fn flip_leaf_of(place: &Path) -> (String, Vec<u8>) {
    let snapshot = memiavl_iter::Snapshot::open(place).expect("opens");
    let tree = snapshot.tree("bank").expect("a tree");
    let leaf = tree.leaf(tree.leaf_id(3).expect("a leaf")).expect("reads");
    let (key, value) = (leaf.key.to_vec(), leaf.value.to_vec());
    let path = place.join("bank/kvs");
    let mut kvs = fs::read(&path).expect("reads");
    let record = [key.as_slice(), &u32::try_from(value.len()).expect("short").to_le_bytes(), &value].concat();
    let at = kvs.windows(record.len()).position(|window| window == record).expect("the record");
    kvs[at + record.len() - 1] ^= 4;
    fs::write(path, kvs).expect("writes");
    ("bank".to_owned(), key)
}

/// memiavl as it was a block ago, with a last block of its own.
pub(crate) fn another_last_block(home: &Patched, upgrades: &[TreeNameUpgrade]) {
    let dir = home.memiavl();
    memiavl::rollback(&dir, HEIGHT as u64 - 1).expect("rolls back");
    let log = memiavl::open(&dir, memiavl::Options::writer()).expect("opens");
    let mut store = changeset::OldLog::replay(log).expect("replays");
    changeset::OldStore::upgrade(&mut store, upgrades).expect("upgrades");
    let entry = changeset::OldStore::handoff(&store, [0; 32]);
    changeset::OldStore::commit(&mut store, &entry, true).expect("commits");
    store.sync_changelog().expect("syncs");
    store.close().expect("closes");
}
