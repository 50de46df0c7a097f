//! `ferry run --offline`: a stopped node's state moves at once, or stays as it was.

use std::process::Command;

use tempfile::TempDir;

use crate::common::{Ended, ferry, run};

/// A home with something of every kind, and its height.
fn home() -> (TempDir, String) {
    let home = tempfile::tempdir().expect("a directory");
    let path = home.path().to_str().expect("UTF-8");
    let sizes = ["--accounts", "400", "--slots", "3000", "--bank", "500", "--wasm", "500"];
    let made = run(&[&["gen", "--home", path, "--output", "json"], sizes.as_slice()].concat()).json(0);
    (home, made["height"].to_string())
}

fn import(home: &TempDir, arguments: &[&str]) -> Command {
    let path = home.path().to_str().expect("UTF-8");
    ferry(&[&["run", "--offline", "--output", "json", "--home", path], arguments].concat())
}

fn ended(mut command: Command) -> Ended {
    Ended::from(command.output().expect("the program starts"))
}

fn status(home: &TempDir) -> serde_json::Value {
    run(&["status", "--output", "json", "--home", home.path().to_str().expect("UTF-8")]).json(0)
}

#[test]
fn phase_after_phase_moves_and_what_has_moved_is_not_moved_again() {
    let (home, height) = home();
    let before = status(&home);
    for (to, version) in [("evm_migrated", 1), ("all_migrated_but_bank", 2), ("flatkv_only", 3)] {
        let report = ended(import(&home, &["--at-height", &height, "--to", to])).json(0);
        assert_eq!(report["outcome"], "imported");
        assert_eq!((&report["write_mode"], &report["migration_version"]), (&to.into(), &version.into()));
        assert!(report["keys"].as_u64().expect("a count") > 0);
        let again = ended(import(&home, &["--at-height", &height, "--to", to])).json(0);
        assert_eq!((&again["outcome"], &again["flatkv_root"]), (&"nothing_to_do".into(), &report["flatkv_root"]));
    }
    let after = status(&home);
    assert_eq!((&after["height"], &after["write_mode"]), (&before["height"], &"flatkv_only".into()));
    let modules = |status: &serde_json::Value, field: &str| -> Vec<(String, u64)> {
        let modules = status["modules"].as_array().expect("modules").iter();
        modules.map(|module| (module["name"].to_string(), module[field].as_u64().expect("a count"))).collect()
    };
    assert_eq!(modules(&after, "moved_keys"), modules(&before, "remaining_keys"));
    assert!(modules(&after, "remaining_keys").iter().all(|(_, keys)| *keys == 0));
}

#[test]
fn another_height_is_refused_with_the_homes_own() {
    let (home, height) = home();
    let wrong = (height.parse::<u64>().expect("a height") + 1).to_string();
    let refused = ended(import(&home, &["--at-height", &wrong]));
    refused.refused(8, &format!("expected={wrong} got={height}"));
    ended(import(&home, &["--at-height", &height, "--to", "migrate_evm"])).refused(2, "[possible values: evm_migrated");
    assert_eq!(status(&home)["write_mode"], "memiavl_only");
}

#[test]
fn a_kill_at_each_point_leaves_the_old_state_or_the_new_one() {
    for (point, mode) in [
        ("import::begun", "memiavl_only"),
        ("import::moved", "memiavl_only"),
        ("import::built", "memiavl_only"),
        ("import::switched", "flatkv_only"),
        ("import::replaced", "flatkv_only"),
    ] {
        let (home, height) = home();
        let killed = import(&home, &["--at-height", &height, "--kill-at", point]).output().expect("starts");
        assert_eq!(killed.status.code(), None, "{point}: killed by a signal");
        let again = ended(import(&home, &["--at-height", &height])).json(0);
        let outcome = if mode == "flatkv_only" { "nothing_to_do" } else { "imported" };
        assert_eq!(again["outcome"], outcome, "{point}");
        let after = status(&home);
        assert_eq!((after["write_mode"].as_str(), after["height"].to_string()), (Some("flatkv_only"), height));
    }
}

#[test]
fn an_interrupt_stops_cleanly_until_the_stores_are_switched() {
    for point in ["import::begun", "import::moved", "import::built"] {
        let (home, height) = home();
        let before = status(&home);
        let stopped = ended(import(&home, &["--at-height", &height, "--interrupt-at", point]));
        assert_eq!((stopped.code, stopped.stdout.as_str()), (130, ""), "{point}: {}", stopped.stderr);
        assert_eq!(status(&home), before, "{point}");
        assert!(!home.path().join("data/state_commit/next").exists());
    }
    let (home, height) = home();
    let report = ended(import(&home, &["--at-height", &height, "--interrupt-at", "import::switched"])).json(0);
    assert_eq!(report["outcome"], "imported", "it has happened, so that is what is said");
}
