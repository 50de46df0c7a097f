//! `status` writes nothing below the home, in whatever phase, and counts exactly.

use crate::common::{Home, fixture, run};
use serde_json::Value;

fn module<'a>(status: &'a Value, name: &str) -> &'a Value {
    let modules = status["modules"].as_array().expect("modules");
    modules.iter().find(|module| module["name"] == name).expect("the module")
}

#[test]
fn status_counts_in_each_phase_and_changes_nothing() {
    let home = Home::recorded("small");
    let blocks = fixture("small/blocks.jsonl.gz");
    let blocks = blocks.to_str().expect("UTF-8");
    let mut evm_remaining = u64::MAX;
    for (height, mode, version) in [
        (14, "memiavl_only", 0),
        (30, "migrate_evm", 0),
        (58, "evm_migrated", 1),
        (130, "migrate_bank", 2),
        (175, "flatkv_only", 3),
    ] {
        run(&["replay", "--home", home.text(), "--until", &height.to_string(), "--output", "json", "--blocks", blocks])
            .json(0);
        let before = home.bytes();
        let status = run(&["status", "--home", home.text(), "--output", "json"]).json(0);
        assert_eq!(home.bytes(), before, "status wrote at height {height}");
        assert_eq!((&status["height"], &status["write_mode"]), (&height.into(), &mode.into()));
        assert_eq!(status["migration_version"], version);
        assert_eq!(status["boundary"].is_null(), !mode.starts_with("migrate_"), "{}", status["boundary"]);
        let evm = module(&status, "evm");
        let remaining = evm["remaining_keys"].as_u64().expect("a number");
        assert!(remaining <= evm_remaining, "height {height}");
        evm_remaining = remaining;
        let moved = evm["moved_keys"].as_u64().expect("a number");
        let percent = evm["moved_percent"].as_f64().expect("a number");
        match version {
            0 if mode == "memiavl_only" => assert_eq!((moved, percent), (0, 0.0)),
            0 => assert!(moved > 0 && remaining > 0 && percent > 0.0 && percent < 100.0),
            _ => assert_eq!((remaining, percent), (0, 100.0)),
        }
    }
}

#[test]
fn ndjson_has_a_line_for_the_node_and_one_a_module() {
    let home = Home::recorded("small");
    let ended = run(&["status", "--home", home.text(), "--output", "ndjson"]);
    let lines: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 21);
    assert_eq!(lines[0]["record"], "node");
    assert!(lines[1..].iter().all(|line| line["record"] == "module" && line["schema_version"] == 1));
}

#[test]
fn a_snapshot_is_taken_at_the_nodes_height_and_loaded_next_time() {
    let home = Home::recorded("small");
    let before = run(&["status", "--home", home.text(), "--output", "json"]).json(0);
    let report = run(&["snapshot", "--home", home.text(), "--output", "json"]).json(0);
    assert_eq!(report["height"], 12);
    let path = std::path::Path::new(report["path"].as_str().expect("a path"));
    assert!(path.ends_with("snapshot-00000000000000000012") && path.join("evm/kvs").is_file(), "{}", path.display());
    let after = run(&["status", "--home", home.text(), "--output", "json"]).json(0);
    assert_eq!(before["modules"], after["modules"]);
    let blocks = fixture("small/blocks.jsonl.gz");
    let arguments = ["replay", "--home", home.text(), "--output", "json", "--blocks", blocks.to_str().expect("UTF-8")];
    assert_eq!(run(&arguments).json(0)["heights_checked"], 163);
}
