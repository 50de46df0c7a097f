//! A rig that cannot fail proves nothing: where nothing is damaged and nobody knows why nothing is wrong, it must say so.

use std::process::Command;

#[test]
fn damage_that_does_nothing_for_no_known_reason_is_found() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_torture-damage"));
    let output = command.args(["--seed", "1", "--first", "--plant", "--only", "evm row:meta"]).output();
    let output = output.expect("the rig starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("VIOLATION nothing is wrong and nobody knows why"), "{said}");
}
