//! A rig that cannot fail proves nothing: after each kill a fault is planted, and the campaign must end in violations.

use std::process::Command;

use serde_json::Value;

/// The violations that a short campaign with a planted fault ends in.
fn violations(plant: &str) -> Vec<String> {
    let keep = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_torture-kill"));
    command.args(["--seed", "1", "--load-only", "--kills", "20", "--cycles", "0", "--plant", plant, "--keep"]);
    let output = command.arg(keep.path()).output().expect("the rig starts");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    let violations = report["violations"].as_array().expect("a list").iter();
    violations.map(|violation| violation["what"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn blocks_that_were_acknowledged_and_are_gone_are_found() {
    let found = violations("lose-log");
    assert!(found.iter().any(|what| !what.contains("out of reach")), "{found:?}");
}

#[test]
fn a_flipped_byte_of_the_changelog_is_found() {
    let found = violations("flip-changelog");
    assert!(found.iter().any(|what| !what.contains("out of reach")), "{found:?}");
}
