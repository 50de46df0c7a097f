//! A rig that cannot fail proves nothing: it is broken on purpose, in each layer, and must end in violations.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The violations of a short run whose rig is broken.
fn violations(words: &[&str]) -> Vec<String> {
    found(&[&["--seed", "1", "--first", "--plant"], words].concat())
}

/// The violations of a run.
fn found(words: &[&str]) -> Vec<String> {
    let program = Path::new(env!("CARGO_BIN_EXE_torture-crash"));
    let target = program.parent().and_then(Path::parent).expect("cargo's directory");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--release", "--locked", "--quiet", "--package", "torture-recorder", "--target-dir"]);
    assert!(build.arg(target).status().expect("cargo starts").success());
    let keep = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(program);
    let output = command.args(words).arg("--keep").arg(keep.path()).output().expect("the rig starts");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let violations = report["violations"].as_array().expect("a list").iter();
    violations.map(|violation| violation["what"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn a_disk_that_forgets_what_was_synced_is_found() {
    assert!(!violations(&["--layer", "crash", "--life", "whole", "--phase", "birth"]).is_empty());
}

#[test]
fn a_block_that_is_not_there_behind_a_failed_operation_is_found() {
    let found = violations(&["--layer", "faults"]);
    assert!(found.iter().any(|what| what.contains("must not be the last one")), "{found:?}");
}

#[test]
fn a_block_that_is_not_there_behind_a_failed_sync_is_found() {
    let found = violations(&["--layer", "failed-syncs"]);
    assert!(found.iter().any(|what| what.contains("must not be the last one")), "{found:?}");
}

#[test]
fn a_disk_that_forgets_what_was_synced_is_found_under_a_copy_of_a_home() {
    let home = tempfile::tempdir().expect("a directory");
    let stores = home.path().join("data/state_commit");
    std::fs::create_dir_all(&stores).expect("a directory");
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../crates/ferry-cli/fixtures/small/memiavl");
    assert!(Command::new("cp").arg("-r").args([recorded, stores]).status().expect("cp").success());
    let path = home.path().to_str().expect("a path");
    let words = ["home", "--home", path, "--plant", "--blocks", "3", "--batch-keys", "40", "--images", "60", "--seed"];
    // A run keeps its first ten violations, and most of what such a disk leaves does not even open.
    let mut all = Vec::new();
    let is_found = ["1", "2", "3", "4", "5", "6"].into_iter().any(|seed| {
        let found = found(&[words.as_slice(), &[seed]].concat());
        let is_found = found.iter().any(|what| what.contains("must not be the last one"));
        all.extend(found);
        is_found
    });
    assert!(is_found, "{all:?}");
}
