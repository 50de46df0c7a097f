//! `ferry verify --plan` and `ferry reconcile`: a damaged home of a recorded life is looked at, mended, and goes on equal; a
//! kill at any point leaves it as it was or mended.

use std::fs;
use std::path::{Path, PathBuf};

use ferry::flatkv::{Lane, Patient, RowMend};
use serde_json::Value;

use crate::common::{Ended, Home, ferry, fixture, run};
use crate::writes_nothing::tree;

/// In the middle of the first migration.
const HEIGHT: &str = "42";

pub(crate) fn replay(home: &Home, more: &[&str]) -> Value {
    let blocks = fixture("small/blocks.jsonl.gz");
    let blocks = blocks.to_str().expect("UTF-8");
    let words = [&["replay", "--home", home.text(), "--blocks", blocks, "--output", "json"], more].concat();
    run(&words).json(0)
}

/// The recorded life up to its forty-second block, with a snapshot there and an older one.
pub(crate) fn home() -> Home {
    let home = Home::recorded("small");
    replay(&home, &["--until", HEIGHT, "--snapshot-at", HEIGHT]);
    home
}

pub(crate) fn state(home: &Home) -> PathBuf {
    home.path().join("data/state_commit")
}

/// Flips a bit of a leaf in the current snapshot, and loses a row of FlatKV's that the last block has moved.
fn damage(home: &Home) {
    let kvs = state(home).join("memiavl/current/bank/kvs");
    let mut bytes = fs::read(&kvs).expect("reads");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    // The file may be linked to an older snapshot's: that one stays.
    fs::remove_file(&kvs).expect("removes");
    fs::write(kvs, bytes).expect("writes");
    let mut patient = Patient::open(&state(home).join("flatkv"), &ferry::flatkv::Options::default()).expect("opens");
    let touched = patient.found.view.touched_by(42).expect("reads").expect("an undo record");
    let row = touched.into_iter().find(|row| row.lane == Lane::Code).expect("code has moved");
    patient.set_row(&RowMend { lane: row.lane, key: row.key, before: None, after: None });
    patient.finish().expect("writes");
}

pub(crate) fn dry(home: &Home) -> Ended {
    run(&["reconcile", "--home", home.text(), "--output", "json"])
}

pub(crate) fn apply(home: &Home, more: &[&str]) -> Ended {
    run(&[&["reconcile", "--home", home.text(), "--output", "json", "--apply"], more].concat())
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn a_damaged_home_is_looked_at_mended_and_goes_on_equal() {
    let home = home();
    damage(&home);
    let before = tree(home.path());
    let aside = tempfile::tempdir().expect("a directory");
    let file = aside.path().join("plan");
    let verified = run(&["verify", "--home", home.text(), "--plan", text(&file), "--output", "json"]).json(4);
    assert_eq!(verified["outcome"], "damaged");
    let written: Value = serde_json::from_slice(&fs::read(&file).expect("reads")).expect("JSON");
    assert_eq!((&written["schema_version"], &written["height"]), (&1.into(), &42.into()));
    let mended = |kind: &str| {
        let findings = written["findings"].as_array().expect("findings");
        let found = findings.iter().find(|found| found["kind"] == kind).unwrap_or_else(|| panic!("{kind}: {written}"));
        assert!(found["key"].is_string(), "{found}");
        found["mended_by"].clone()
    };
    assert_eq!((mended("leaf_damaged"), mended("row_missing")), ("snapshot".into(), "row".into()));
    let shown = dry(&home).json(3);
    assert_eq!((&shown["outcome"], &shown["applied"]), (&"mendable".into(), &false.into()));
    let id = shown["plan_id"].as_str().expect("a name").to_owned();
    assert_eq!(written["plan_id"], id.as_str());
    assert_eq!(tree(home.path()), before, "a dry run changed the home");

    assert_eq!(apply(&home, &[]).code, 2, "without a plan's name nothing is done");
    apply(&home, &["--confirm", "0000000000000000"]).refused(8, "not the plan that was confirmed");
    let kept = aside.path().join("kept");
    let words = ["--confirm", &id, "--plan", text(&file), "--keep", text(&kept)];
    let done = apply(&home, &words).json(0);
    assert_eq!((&done["outcome"], &done["applied"]), (&"mended".into(), &true.into()));
    assert_eq!(done["kept"], text(&kept));
    assert!(kept.join("flatkv/CURRENT").exists() && kept.join("memiavl/current").exists());
    for repair in done["repairs"].as_array().expect("repairs") {
        assert!(repair["proof"].is_string() && repair["before"] != repair["after"], "{repair}");
    }
    assert_eq!(dry(&home).json(0)["outcome"], "clean");
    run(&["verify", "--home", home.text(), "--output", "json"]).json(0);
    assert_eq!(replay(&home, &[])["last_height"], 175);
}

#[test]
fn a_plan_of_another_home_and_a_file_that_is_none_are_refused() {
    let (first, second) = (home(), home());
    damage(&first);
    let aside = tempfile::tempdir().expect("a directory");
    let (plan, other) = (aside.path().join("plan"), aside.path().join("other"));
    run(&["verify", "--home", first.text(), "--plan", text(&plan), "--output", "json"]).json(4);
    fs::write(&other, "{}").expect("writes");
    let with = |home: &Home, plan: &Path| run(&["reconcile", "--home", home.text(), "--plan", text(plan)]);
    assert_eq!(with(&first, &plan).code, 3);
    with(&second, &plan).refused(8, "not the plan that was confirmed");
    with(&second, &other).refused(2, "file is no plan");
}

#[test]
fn a_kill_at_any_point_leaves_the_home_as_it_was_or_mended() {
    for point in ["built", "kept", "switched"] {
        let home = home();
        damage(&home);
        let id = dry(&home).json(3)["plan_id"].as_str().expect("a name").to_owned();
        let aside = tempfile::tempdir().expect("a directory");
        let kept = aside.path().join("kept");
        let words = ["reconcile", "--home", home.text(), "--apply", "--confirm", &id, "--keep", text(&kept)];
        let killed = ferry(&[&words[..], &["--kill-at", point]].concat()).status().expect("starts");
        assert_eq!(killed.code(), None, "{point}: {killed}");
        if point != "switched" {
            assert_eq!(dry(&home).json(3)["plan_id"], id.as_str(), "{point}: the home is as it was");
            let again = aside.path().join("again");
            apply(&home, &["--confirm", &id, "--keep", text(&again)]).json(0);
        } else {
            dry(&home).refused(7, "was interrupted");
        }
        assert_eq!(replay(&home, &[])["last_height"], 175, "{point}");
        assert_eq!(dry(&home).json(0)["outcome"], "clean", "{point}");
    }
}

#[test]
fn the_table_says_what_would_be_done_and_how_to_have_it_done() {
    let home = home();
    let clean = run(&["reconcile", "--home", home.text()]);
    assert!(clean.code == 0 && clean.stdout.contains("nothing is wrong"), "{clean:?}");
    damage(&home);
    let shown = run(&["reconcile", "--home", home.text()]);
    assert_eq!(shown.code, 3, "{shown:?}");
    for said in ["mendable", "add --apply --confirm", "memiavl snapshot", "flatkv row evm", "proof:"] {
        assert!(shown.stdout.contains(said), "expected {said:?} in {}", shown.stdout);
    }
}

#[test]
fn what_nothing_mends_is_named_with_its_key_and_what_to_do() {
    let home = home();
    damage(&home);
    for snapshot in fs::read_dir(state(&home).join("memiavl")).expect("lists").map(|entry| entry.expect("lists").path())
    {
        let is_older =
            snapshot.to_string_lossy().contains("snapshot-") && !snapshot.ends_with("snapshot-00000000000000000042");
        if is_older {
            fs::remove_dir_all(snapshot).expect("removes");
        }
    }
    let found = run(&["verify", "--home", home.text(), "--output", "json"]).json(4);
    let leaf =
        found["first_findings"].as_array().expect("findings").iter().find(|found| found["kind"] == "leaf_damaged");
    let key = leaf.expect("the leaf")["key"].as_str().expect("a key");
    let shown = run(&["reconcile", "--home", home.text()]);
    assert_eq!(shown.code, 4, "{shown:?}");
    let named = format!("found, and nothing mends it: leaf_damaged bank {key}");
    for said in [named.as_str(), "cannot be mended: memiavl at block 42", "ferry import", "nothing: as long as"] {
        assert!(shown.stdout.contains(said), "expected {said:?} in {}", shown.stdout);
    }
}
