//! `gen` and `demo`: the same seed makes the same state, and a demonstration that ends well has compared everything.

use crate::common::{Home, run};
use serde_json::Value;

const SMALL: [&str; 8] = ["--accounts", "400", "--slots", "1500", "--bank", "300", "--wasm", "200"];

fn generate(home: &Home, seed: &str) -> Value {
    run(&[&["gen", "--home", home.text(), "--output", "json", "--seed", seed], &SMALL[..]].concat()).json(0)
}

#[test]
fn the_same_seed_makes_the_same_home() {
    let homes = [Home::empty(), Home::empty(), Home::empty()];
    let reports = [generate(&homes[0], "5"), generate(&homes[1], "5"), generate(&homes[2], "6")];
    assert_eq!(reports[0]["app_hash"], reports[1]["app_hash"]);
    assert_ne!(reports[0]["app_hash"], reports[2]["app_hash"]);
    let contents = |home: &Home| home.bytes().into_values().collect::<Vec<_>>();
    assert_eq!(contents(&homes[0]), contents(&homes[1]), "byte for byte");
}

#[test]
fn a_made_home_has_the_keys_that_were_asked_for() {
    let home = Home::empty();
    let report = generate(&home, "5");
    let status = run(&["status", "--home", home.text(), "--output", "json"]).json(0);
    let modules = status["modules"].as_array().expect("modules");
    let remaining = |name: &str| {
        modules.iter().find(|module| module["name"] == name).and_then(|module| module["remaining_keys"].as_u64())
    };
    assert_eq!(remaining("bank"), Some(300));
    assert_eq!(remaining("wasm"), Some(200));
    // 200 associations, 1500 slots, 20 contracts with code, hash and size, 400 nonces.
    assert_eq!(remaining("evm"), Some(2160));
    let total: u64 = modules.iter().filter_map(|module| module["remaining_keys"].as_u64()).sum();
    assert_eq!(report["keys"], total);
    assert_eq!(status["write_mode"], "memiavl_only");
}

#[test]
fn a_demonstration_moves_everything_and_compares_everything() {
    let home = Home::empty();
    let more = ["--batch", "300", "--writes", "50", "--rest-blocks", "3", "--readers", "2"];
    let report = run(&[&["demo", "--home", home.text(), "--output", "json"][..], &SMALL, &more].concat()).json(0);
    assert_eq!(report["outcome"], "correct");
    let phases = report["phases"].as_array().expect("phases");
    let modes: Vec<_> = phases.iter().filter_map(|phase| phase["write_mode"].as_str()).collect();
    let expected = [
        "memiavl_only",
        "migrate_evm",
        "evm_migrated",
        "migrate_all_but_bank",
        "all_migrated_but_bank",
        "migrate_bank",
        "flatkv_only",
    ];
    assert_eq!(modes, expected);
    for phase in phases {
        let migrates = phase["write_mode"].as_str().expect("text").starts_with("migrate_");
        assert_eq!(phase["keys_moved"].as_u64() > Some(0), migrates, "{phase}");
        assert_eq!(phase["reopen_ms"].is_number(), migrates, "restarted in the middle of each migration: {phase}");
        assert!(phase["block_latency"]["p50_ns"].as_u64() > Some(0), "{phase}");
    }
    assert!(report["reads_checked"].as_u64() > Some(0));
    assert!(report["final_keys_checked"].as_u64() >= report["keys_made"].as_u64());
    let status = run(&["status", "--home", home.text(), "--output", "json"]).json(0);
    assert_eq!((&status["height"], &status["migration_version"]), (&report["height"], &3.into()));
    assert_eq!(status["flatkv_root"], report["flatkv_root"]);
}

#[test]
fn a_demonstration_without_a_home_leaves_nothing_behind() {
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let arguments = [&["demo", "--readers", "0", "--writes", "5", "--batch", "5000", "--rest-blocks", "1"][..], &SMALL];
    let ended = crate::common::ferry(&arguments.concat()).env("TMPDIR", scratch.path()).output().expect("starts");
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(std::fs::read_dir(scratch.path()).expect("reads").count(), 0);
}
