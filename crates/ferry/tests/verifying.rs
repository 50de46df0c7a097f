//! A verification is clean on a sound home in every phase, and finds what is planted, by its key.

mod common;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use boundary::{BOUNDARY_KEY, MIGRATION_STORE};
use common::life::{beat, block, fill, migrate};
use common::{MODULES, changes, lives, nonce_key, options, set, slot_key};
use ferry::flatkv::{FlatKv, Lane, Patient, RowMend};
use ferry::{Check, Finding, FindingKind, Mode, Node, VerifyReport, VerifyRequest, flatkv, memiavl};

fn request() -> VerifyRequest {
    VerifyRequest { checks: Check::ALL.to_vec(), threads: 2, candidates_max: 1 << 24, progress_file: None }
}

fn verify(home: &Path) -> (VerifyReport, Vec<Finding>) {
    let mut findings = Vec::new();
    let modules = MODULES.map(str::to_owned);
    let mut found = |finding: &Finding| {
        findings.push(finding.clone());
        Ok(())
    };
    let report = ferry::verify_home(home, &modules, &request(), &mut found, &mut |_| ControlFlow::Continue(()))
        .expect("runs to the end");
    (report, findings)
}

/// A home in `mode`, some blocks into it, closed, with a snapshot of its last block.
fn home_in(mode: Mode) -> tempfile::TempDir {
    let home = lives::home();
    let mut node = Node::open(home.path(), options(2)).expect("a fresh node");
    fill(&mut node);
    for step in Mode::ALL.into_iter().filter(|step| *step > Mode::MemiavlOnly && *step <= mode) {
        match step.migration() {
            Some(_) if step < mode => migrate(&mut node, step),
            _ => node.set_mode(step).expect("a step"),
        }
    }
    for _ in 0..2 {
        beat(&mut node);
    }
    if mode != Mode::FlatkvOnly {
        node.snapshot_now().expect("a snapshot");
    }
    node.close().expect("a clean close");
    home
}

fn flatkv_dir(home: &Path) -> PathBuf {
    home.join("data/state_commit/flatkv")
}

/// Writes to a closed FlatKV past everything that keeps it sound.
fn plant(home: &Path, damage: impl FnOnce(&mut Patient)) {
    let mut patient = Patient::open(&flatkv_dir(home), &flatkv::Options::default()).expect("opens");
    damage(&mut patient);
    patient.finish().expect("writes");
}

fn row(lane: Lane, key: &[u8], after: Option<Vec<u8>>) -> RowMend {
    RowMend { lane, key: key.to_vec(), before: None, after }
}

fn stored(home: &Path, lane: Lane, key: &[u8]) -> Vec<u8> {
    let view = FlatKv::open_read_only(&flatkv_dir(home), &flatkv::Options::default()).expect("opens");
    view.stored_row(lane, key).expect("reads").expect("a row")
}

fn slot(byte: u8) -> Vec<u8> {
    [b"evm/".as_slice(), &slot_key(byte, 1)].concat()
}

/// The kinds found, with their modules and keys.
fn seen(findings: &[Finding], kind: FindingKind) -> Vec<(String, Option<Vec<u8>>)> {
    findings.iter().filter(|found| found.kind == kind).map(|found| (found.module.clone(), found.key.clone())).collect()
}

#[test]
fn a_sound_home_is_clean_in_every_phase_and_so_is_a_live_view_of_it() {
    for mode in Mode::ALL {
        let home = home_in(mode);
        let (report, findings) = verify(home.path());
        assert!(report.is_clean() && !report.is_damaged(), "{mode}: {findings:?}");
        assert_eq!(report.mode, Some(mode));
        assert!(report.records > 0, "{mode}");
        let mut node = Node::open(home.path(), options(2)).expect("opens");
        let view = node.view().expect("a view");
        // The node goes on while the view is verified; another program reads the home beside it.
        beat(&mut node);
        let mut none = |finding: &Finding| panic!("{mode}: {finding:?}");
        let mut go_on = |_| ControlFlow::Continue(());
        let live = ferry::verify_view(&view, &request(), &mut none, &mut go_on).expect("runs");
        assert_eq!((live.height, live.is_clean()), (report.height, true), "{mode}");
        let (beside, findings) = verify(home.path());
        assert!(beside.is_clean(), "{mode}: {findings:?}");
        assert_eq!(beside.height, report.height + 1);
        drop(view);
    }
}

#[test]
fn an_account_whose_fields_lie_on_both_sides_is_normal() {
    let home = lives::home();
    let mut node = Node::open(home.path(), options(2)).expect("a fresh node");
    fill(&mut node);
    block(&mut node, changes("evm", vec![set(&common::code_hash_key(9), &[7; 32])]));
    node.set_mode(Mode::MigrateEvm).expect("a step");
    // Nine slots move, then the code hash, whose account's nonce stays behind; a brand-new key goes ahead of the boundary.
    for _ in 0..5 {
        block(&mut node, changes("evm", vec![set(&nonce_key(0x70), &[0, 0, 0, 0, 0, 0, 0, 1])]));
    }
    let at_code_hash = ferry::Boundary::in_progress("evm", common::code_hash_key(9));
    assert_eq!(node.boundary(), at_code_hash);
    node.close().expect("a clean close");
    let (report, findings) = verify(home.path());
    assert!(report.is_clean(), "{findings:?}");
}

#[test]
fn a_flipped_bit_of_a_row_is_found_by_its_key() {
    for mode in [Mode::EvmMigrated, Mode::MigrateAllButBank, Mode::FlatkvOnly] {
        let home = home_in(mode);
        let mut flipped = stored(home.path(), Lane::Storage, &slot(3));
        flipped[20] ^= 4;
        plant(home.path(), |patient| patient.set_row(&row(Lane::Storage, &slot(3), Some(flipped))));
        let (report, findings) = verify(home.path());
        assert!(!report.is_clean() && !report.is_damaged(), "{mode}: every byte reads well");
        assert_eq!(seen(&findings, FindingKind::RowFlipped), [("evm".to_owned(), Some(slot_key(3, 1)))], "{mode}");
        assert_eq!(seen(&findings, FindingKind::SumMismatch), [("evm".to_owned(), None)], "{mode}");
        assert_eq!(findings.len(), 2, "{mode}: {findings:?}");
    }
}

#[test]
fn a_row_too_many_a_row_at_a_flipped_key_and_a_broken_row_are_told_apart() {
    let check = |damage: &dyn Fn(&mut Patient, Vec<u8>), kind, key: Vec<u8>, damaged: bool| {
        let home = home_in(Mode::EvmMigrated);
        let present = stored(home.path(), Lane::Storage, &slot(3));
        plant(home.path(), |patient| damage(patient, present));
        let (report, findings) = verify(home.path());
        assert_eq!(report.is_damaged(), damaged, "{findings:?}");
        assert!(seen(&findings, kind).contains(&("evm".to_owned(), Some(key))), "{findings:?}");
    };
    let put = |patient: &mut Patient, key: &[u8], after| patient.set_row(&row(Lane::Storage, key, after));
    check(
        &|patient, present| put(patient, &slot(0x44), Some(present)),
        FindingKind::RowExtra,
        slot_key(0x44, 1),
        false,
    );
    let mut moved = slot_key(3, 1);
    moved[30] ^= 0x80;
    let moved_to = [b"evm/".as_slice(), &moved].concat();
    let at_another_key = |patient: &mut Patient, present| {
        put(patient, &slot(3), None);
        put(patient, &moved_to, Some(present));
    };
    check(&at_another_key, FindingKind::RowFlipped, moved.clone(), false);
    let short = |patient: &mut Patient, _| put(patient, &slot(3), Some(vec![0; 12]));
    check(&short, FindingKind::RowDamaged, slot_key(3, 1), true);
}

#[test]
fn rows_of_a_lost_batch_are_missed_by_their_module() {
    let home = home_in(Mode::EvmMigrated);
    plant(home.path(), |patient| {
        for byte in [3, 4] {
            patient.set_row(&row(Lane::Storage, &slot(byte), None));
        }
    });
    let (report, findings) = verify(home.path());
    assert!(!report.is_clean());
    assert_eq!(seen(&findings, FindingKind::SumMismatch), [("evm".to_owned(), None)]);
    let storage = report.parts.iter().find(|part| part.lane == Lane::Storage).expect("a part");
    assert_eq!(storage.stored.1.rows - storage.computed.1.rows, 2);
}

#[test]
fn a_moved_boundary_is_found_and_every_key_that_it_leaves_behind() {
    let home = home_in(Mode::MigrateEvm);
    let record = [&[0; 9], ferry::Boundary::in_progress("evm", slot_key(7, 1)).encode().as_slice()].concat();
    let key = [MIGRATION_STORE.as_bytes(), b"/", BOUNDARY_KEY].concat();
    plant(home.path(), |patient| patient.set_row(&row(Lane::Misc, &key, Some(record))));
    let (report, findings) = verify(home.path());
    assert!(!report.is_clean() && !report.is_damaged());
    let moved = (MIGRATION_STORE.to_owned(), Some(BOUNDARY_KEY.to_vec()));
    assert_eq!(seen(&findings, FindingKind::BoundaryMoved), [moved]);
    // Two blocks of two keys have moved slots 1 to 4; up to 7 the boundary says that they have.
    let left: Vec<_> = (5..=7).map(|byte| ("evm".to_owned(), Some(slot_key(byte, 1)))).collect();
    assert_eq!(seen(&findings, FindingKind::Residue), left);
}

#[test]
fn keys_in_both_stores_are_all_named() {
    let home = home_in(Mode::MigrateEvm);
    let present = stored(home.path(), Lane::Storage, &slot(1));
    let twice = [7, 9];
    plant(home.path(), |patient| {
        for byte in twice {
            patient.set_row(&row(Lane::Storage, &slot(byte), Some(present.clone())));
        }
    });
    let (_, findings) = verify(home.path());
    let expected: Vec<_> = twice.map(|byte| ("evm".to_owned(), Some(slot_key(byte, 1)))).to_vec();
    assert_eq!(seen(&findings, FindingKind::Twice), expected);
}

#[test]
fn residue_in_memiavl_is_found_by_its_key_and_by_the_root() {
    let home = home_in(Mode::MigrateEvm);
    let dir = home.path().join("data/state_commit/memiavl");
    let version = memiavl::current_version(&dir).expect("reads").expect("a snapshot");
    // memiavl as it was a block ago, with a block that takes nothing out: a batch that never left.
    memiavl::rollback(&dir, version - 1).expect("rolls back");
    let mut store = changeset::OldLog::replay(memiavl::open(&dir, memiavl::Options::writer()).expect("opens"));
    let store = store.as_mut().expect("replays");
    let entry = changeset::OldStore::handoff(store, [0; 32]);
    changeset::OldStore::commit(store, &entry, true).expect("commits");
    store.sync_changelog().expect("syncs");
    let _ = store;
    let (report, findings) = verify(home.path());
    assert!(!report.is_clean());
    let left: Vec<_> = [3, 4].map(|byte| ("evm".to_owned(), Some(slot_key(byte, 1)))).to_vec();
    assert_eq!(seen(&findings, FindingKind::Residue), left);
    assert!(seen(&findings, FindingKind::RootMismatch).contains(&("evm".to_owned(), None)), "{findings:?}");
}

/// The current snapshot's directory.
fn snapshot(home: &Path) -> PathBuf {
    let dir = home.join("data/state_commit/memiavl");
    let version = memiavl::current_version(&dir).expect("reads").expect("a snapshot");
    dir.join(ferry::memiavl_iter::snapshot_name(version))
}

#[test]
fn flipped_leaves_and_a_flipped_branch_are_all_named() {
    for mode in [Mode::MemiavlOnly, Mode::MigrateEvm] {
        let home = home_in(mode);
        let tree = snapshot(home.path()).join("wasm");
        let mut kvs = fs::read(tree.join("kvs")).expect("reads");
        // Each record is two lengths, a key of one byte and a value of two: the last byte of each is of its value.
        for leaf in [1, 4] {
            kvs[leaf * 11 + 10] ^= 1;
        }
        fs::write(tree.join("kvs"), kvs).expect("writes");
        let (report, findings) = verify(home.path());
        assert!(report.is_damaged(), "{mode}");
        let expected: Vec<_> = [1, 4].map(|key| ("wasm".to_owned(), Some(vec![key]))).to_vec();
        assert_eq!(seen(&findings, FindingKind::LeafDamaged), expected, "{mode}");
        let mut nodes = fs::read(tree.join("nodes")).expect("reads");
        nodes[20] ^= 1;
        fs::write(tree.join("nodes"), nodes).expect("writes");
        let (_, findings) = verify(home.path());
        let branches = seen(&findings, FindingKind::BranchDamaged);
        assert!(!branches.is_empty() && branches.iter().all(|(module, key)| module == "wasm" && key.is_some()));
    }
}

#[test]
fn a_module_that_is_missing_in_the_snapshot_is_named_and_the_rest_is_checked() {
    let home = home_in(Mode::MigrateEvm);
    let kvs = snapshot(home.path()).join("acc/kvs");
    let mut bytes = fs::read(&kvs).expect("reads");
    bytes[10] ^= 1;
    fs::write(&kvs, bytes).expect("writes");
    fs::remove_dir_all(snapshot(home.path()).join("wasm")).expect("removes");
    let (report, findings) = verify(home.path());
    assert_eq!(report.unasked, [Check::Complete, Check::Union]);
    assert_eq!(seen(&findings, FindingKind::TreeMissing), [("wasm".to_owned(), None)]);
    assert_eq!(seen(&findings, FindingKind::LeafDamaged), [("acc".to_owned(), Some(vec![0]))]);
}

#[test]
fn kept_counts_that_are_wrong_or_do_not_decode_are_found() {
    for (damage, damaged) in [(None, false), (Some(vec![1; 5]), true)] {
        let home = home_in(Mode::EvmMigrated);
        plant(home.path(), |patient| patient.set_record(b"lattice/\x02evm", damage.as_deref()));
        let (report, findings) = verify(home.path());
        assert_eq!((report.is_clean(), report.is_damaged()), (false, damaged), "{findings:?}");
        assert_eq!(seen(&findings, FindingKind::SumMismatch), [("evm".to_owned(), None)]);
        assert!(seen(&findings, FindingKind::RootMismatch).contains(&(ferry::LATTICE_STORE.to_owned(), None)));
    }
}

#[test]
fn only_what_was_asked_is_told_and_a_stop_is_a_stop() {
    let home = home_in(Mode::MigrateEvm);
    plant(home.path(), |patient| patient.set_row(&row(Lane::Storage, &slot(1), None)));
    let modules = MODULES.map(str::to_owned);
    let asked = VerifyRequest { checks: vec![Check::Complete, Check::Union], ..request() };
    let mut none = |finding: &Finding| panic!("{finding:?}");
    let report = ferry::verify_home(home.path(), &modules, &asked, &mut none, &mut |_| ControlFlow::Continue(()));
    assert!(report.expect("runs").is_clean());
    let stop = ferry::verify_home(home.path(), &modules, &request(), &mut |_| Ok(()), &mut |_| ControlFlow::Break(()));
    assert_eq!(stop.expect_err("stopped").kind(), ferry::ErrorKind::Cancelled);
}

/// Verifies with progress in `file`, and stops behind `steps` reports; what was found, and the report if it came to its end.
fn verify_in(home: &Path, file: &Path, steps: usize) -> (Vec<Finding>, Result<VerifyReport, ferry::Error>) {
    let asked = VerifyRequest { threads: 1, progress_file: Some(file.to_owned()), ..request() };
    let (mut findings, mut left) = (Vec::new(), steps);
    let mut found = |finding: &Finding| {
        findings.push(finding.clone());
        Ok(())
    };
    let mut stop = |_| {
        left = left.saturating_sub(1);
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let report = ferry::verify_home(home, &MODULES.map(str::to_owned), &asked, &mut found, &mut stop);
    (findings, report)
}

#[test]
fn a_check_that_is_interrupted_goes_on_where_it_stopped_and_tells_the_same() {
    let home = home_in(Mode::MigrateEvm);
    let present = stored(home.path(), Lane::Storage, &slot(1));
    plant(home.path(), |patient| patient.set_row(&row(Lane::Storage, &slot(7), Some(present))));
    let kvs = snapshot(home.path()).join("wasm/kvs");
    let mut bytes = fs::read(&kvs).expect("reads");
    bytes[10] ^= 1;
    fs::write(&kvs, bytes).expect("writes");
    let sorted = |mut findings: Vec<Finding>| {
        findings.sort_by_key(|found| (found.kind, found.module.clone(), found.key.clone()));
        findings
    };
    let (whole, expected) = verify(home.path());
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("progress");
    let stopped = verify_in(home.path(), &file, 4).1.expect_err("stopped");
    assert_eq!(stopped.kind(), ferry::ErrorKind::Cancelled, "{stopped}");
    let lines = fs::read_to_string(&file).expect("progress is kept");
    let lines: Vec<_> = lines.lines().collect();
    assert!(lines.len() > 4, "{lines:?}");
    // Interrupted behind any line, and in the middle of the next one.
    for kept in 1..=lines.len() {
        let torn = lines.get(kept).map_or("", |next| &next[..next.len() / 2]);
        fs::write(&file, lines[..kept].join("\n") + "\n" + torn).expect("writes");
        let (findings, report) = verify_in(home.path(), &file, usize::MAX);
        let report = report.expect("goes on to the end");
        assert_eq!(sorted(findings), sorted(expected.clone()), "{kept} lines");
        assert_eq!((report.found, report.records), (whole.found.clone(), whole.records), "{kept} lines");
        assert!(!file.exists(), "progress goes with the check");
    }
}

#[test]
fn progress_of_another_block_of_another_file_and_in_the_home_is_refused() {
    let home = home_in(Mode::MigrateEvm);
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("progress");
    verify_in(home.path(), &file, 2).1.expect_err("stopped");
    // A last line without its end is what a kill leaves.
    let mut torn = fs::read(&file).expect("reads");
    torn.extend_from_slice(b"{\"done\":{\"pie");
    fs::write(&file, torn).expect("writes");
    let mut node = Node::open(home.path(), options(2)).expect("opens");
    beat(&mut node);
    node.close().expect("closes");
    let moved_on = verify_in(home.path(), &file, 1000).1.expect_err("another block");
    assert_eq!(moved_on.kind(), ferry::ErrorKind::Refused, "{moved_on}");
    fs::write(&file, "notes\n").expect("writes");
    let foreign = verify_in(home.path(), &file, 1000).1.expect_err("another file");
    assert_eq!(foreign.kind(), ferry::ErrorKind::Configuration, "{foreign}");
    assert_eq!(fs::read(&file).expect("reads"), b"notes\n", "it is left as it is");
    let inside = home.path().join("data/progress");
    verify_in(home.path(), &inside, 1000).1.expect_err("in the home");
    assert!(!inside.exists());
}
