//! The first signal ends a run between two blocks, with its own exit code and a node that goes on from there.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::common::{Home, Recording, ferry, run};
use serde_json::Value;

/// Sends `signal` while a replay waits for its next line in a pipe, then lets it have that line.
fn stopped_by(signal: &str, code: i32) {
    let (home, recording) = (Home::recorded("small"), Recording::of("small"));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let pipe = directory.path().join("blocks");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
    assert!(made.success());
    let arguments = ["replay", "--home", home.text(), "--output", "json", "--blocks", pipe.to_str().expect("UTF-8")];
    let child = ferry(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    // Opening waits for the reader, which takes the signals over before it opens anything.
    let mut writer = OpenOptions::new().write(true).open(&pipe).expect("opens");
    let (before, after) = recording.lines.split_at(20);
    for line in before {
        writeln!(writer, "{line}").expect("the program reads");
    }
    // The shell's own kill: the program of that name is in a package that a small Debian does not have.
    let sent = Command::new("sh").args(["-c", r#"kill "$0" "$1""#, signal, &child.id().to_string()]).status();
    let sent = sent.expect("a shell runs");
    assert!(sent.success());
    // The signal arrives before this line can, so the run ends with this block at the latest. It may be over already.
    writeln!(writer, "{}", after[0]).ok();
    let ended = crate::common::Ended::from(child.wait_with_output().expect("ends"));
    drop(writer);
    let report: Value = ended.json(code);
    assert_eq!(report["outcome"], "stopped");
    let height = report["last_height"].as_u64().expect("a number");
    assert!((12..=21).contains(&height), "stopped at {height}");

    let report = run(&["replay", "--home", home.text(), "--output", "json", "--blocks", &recording.write()]).json(0);
    assert_eq!(report["heights_skipped"], height, "it goes on behind the block that was in work");
}

#[test]
fn an_interrupt_stops_cleanly() {
    stopped_by("-INT", 130);
}

#[test]
fn a_termination_stops_cleanly() {
    stopped_by("-TERM", 143);
}
