//! `ferry top` on a terminal, and for programs.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::common::{ferry, run};
use crate::run_live::{Waiting, ctl, home, text};

/// What `ferry top` writes to a terminal when these keys are pressed, and how it ends.
fn top(home: &TempDir, columns: u16, keys: &[u8]) -> (String, Option<i32>) {
    let line = format!(
        "stty cols {columns} rows 20; exec {} top --every 50ms --home {}",
        env!("CARGO_BIN_EXE_ferry"),
        text(home)
    );
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]).env("TERM", "xterm").env("NO_COLOR", "1");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script runs");
    let mut shown = Vec::new();
    let mut stdout = child.stdout.take().expect("a pipe");
    // The first page is whole when its last line is.
    while !String::from_utf8_lossy(&shown).contains("q quits") {
        let mut some = [0; 512];
        let read = stdout.read(&mut some).expect("reads");
        assert!(read > 0, "it ended by itself: {}", String::from_utf8_lossy(&shown));
        shown.extend_from_slice(&some[..read]);
    }
    child.stdin.take().expect("a pipe").write_all(keys).expect("presses");
    stdout.read_to_end(&mut shown).expect("reads");
    (String::from_utf8(shown).expect("UTF-8"), child.wait().expect("ends").code())
}

#[test]
fn top_ends_with_q_and_with_an_interrupt_and_gives_the_terminal_back() {
    let home = home();
    let waiting = Waiting::start(&home, &["--batch-keys", "100"]);
    for (keys, code) in [(b"xq", 0), (b"x\x03", 130)] {
        let (shown, ended) = top(&home, 60, keys);
        assert_eq!(ended, Some(code), "{shown:?}");
        assert!(shown.contains("migrate_evm") || shown.contains("memiavl_only"), "{shown:?}");
        let last = shown.rfind("\u{1b}[?1049l").expect("the other screen is left");
        assert!(last > shown.rfind("\u{1b}[?1049h").expect("and was entered"), "{shown:?}");
        assert!(shown.contains("\u{1b}[?25h"), "the cursor is back: {shown:?}");
        assert!(!shown.contains("\u{1b}[38;"), "no colours: {shown:?}");
    }
    ctl(&home, &["stop"]);
    waiting.ended().json(7);
    let (shown, ended) = top(&home, 60, b"q");
    assert_eq!(ended, Some(0), "it waits for a run to come back: {shown:?}");
    assert!(shown.contains("no answer"), "{shown:?}");
}

#[test]
fn top_tells_programs_once_or_line_by_line_until_the_run_is_over() {
    let home = home();
    let mut waiting = Waiting::start(&home, &["--batch-keys", "100"]);
    waiting.says("throttled");
    let once = run(&["top", "--home", text(&home), "--output", "json"]).json(0);
    assert_eq!((&once["command"], &once["progress"]["state"]), (&"top".into(), &"throttled".into()));
    let expected = ctl(&home, &["status"]);
    for field in ["process_id", "paused", "batch_keys"] {
        assert_eq!(once[field], expected[field], "{field}");
    }

    let words = ["top", "--home", text(&home), "--output", "ndjson", "--every", "50ms"];
    let mut child = ferry(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut line = || -> Value { serde_json::from_str(&lines.next().expect("a line").expect("reads")).expect("JSON") };
    for _ in 0..3 {
        assert_eq!(line()["record"], "top");
    }
    ctl(&home, &["pause"]);
    while line()["paused"] == false {}
    ctl(&home, &["stop"]);
    waiting.ended().json(7);
    assert_eq!(child.wait_with_output().expect("ends").status.code(), Some(0));
    run(&words).refused(2, "no process runs this node");
}

#[test]
fn top_ends_with_its_reader_and_with_a_signal() {
    let home = home();
    let waiting = Waiting::start(&home, &["--batch-keys", "100"]);
    let words = ["top", "--home", text(&home), "--output", "ndjson", "--every", "50ms"];
    let start = || ferry(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let mut unread = start();
    drop(unread.stdout.take());
    assert_eq!(unread.wait().expect("ends").code(), Some(0), "nobody reads it");
    let mut child = start();
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    stdout.read_line(&mut String::new()).expect("it is under way");
    let id = child.id().to_string();
    Command::new("sh").args(["-c", r#"kill -INT "$0""#, &id]).status().expect("a shell runs");
    assert_eq!(child.wait().expect("ends").code(), Some(130));
    ctl(&home, &["stop"]);
    waiting.ended().json(7);
}
