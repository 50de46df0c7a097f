//! Streams that end, that are full, that are no terminal.

use std::fs::OpenOptions;
use std::io::Read;
use std::process::{Command, Stdio};

use crate::common::{Ended, Home, ferry, run};

/// The commands that are over at once.
fn quick(home: &Home) -> Vec<Vec<&str>> {
    vec![
        vec!["status", "--home", home.text()],
        vec!["status", "--home", home.text(), "--output", "ndjson"],
        vec!["run", "--home", home.text(), "--empty", "--blocks", "1"],
        vec!["rollback", "--home", home.text(), "--to", "9"],
        vec!["--help"],
        vec!["run", "--help"],
    ]
}

#[test]
fn a_reader_that_is_gone_ends_nothing_in_a_panic() {
    let home = Home::recorded("small");
    for arguments in quick(&home) {
        let mut child = ferry(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        // Closed before the program can write.
        drop(child.stdout.take());
        let ended = Ended::from(child.wait_with_output().expect("ends"));
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.stderr);
        assert!(
            !ended.stderr.contains("panicked") && !ended.stderr.contains("error"),
            "{arguments:?} {}",
            ended.stderr
        );
    }
}

#[test]
fn a_stderr_that_is_gone_takes_nothing_from_stdout() {
    let home = Home::recorded("small");
    let arguments = ["run", "--home", home.text(), "--empty", "--blocks", "1", "--output", "json"];
    for filter in ["warn", "trace"] {
        let mut command = ferry(&arguments);
        let mut child =
            command.env("FERRY_LOG", filter).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        drop(child.stderr.take());
        Ended::from(child.wait_with_output().expect("ends")).json(0);
    }
    // An error that nobody hears of is still an exit code.
    let mut child = ferry(&["status", "--home", "/nonexistent"]).stderr(Stdio::piped()).spawn().expect("starts");
    drop(child.stderr.take());
    assert_eq!(child.wait().expect("ends").code(), Some(2));
}

#[test]
fn a_full_disk_below_stdout_is_an_error() {
    let home = Home::recorded("small");
    for arguments in quick(&home).into_iter().filter(|arguments| !arguments.contains(&"--help")) {
        let full = OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
        let ended = Ended::from(ferry(&arguments).stdout(full).output().expect("starts"));
        assert_eq!(ended.code, 6, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("No space left"), "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn without_a_terminal_there_are_no_escapes_and_no_carriage_returns() {
    let home = Home::recorded("small");
    for arguments in quick(&home) {
        let mut command = ferry(&arguments);
        let ended = Ended::from(command.env_remove("NO_COLOR").env("FERRY_LOG", "debug").output().expect("starts"));
        for stream in [&ended.stdout, &ended.stderr] {
            assert!(!stream.contains(['\u{1b}', '\r']), "{arguments:?}: {stream}");
        }
    }
}

/// What a command writes to a terminal of so many columns.
fn on_a_terminal(columns: u16, no_color: bool, arguments: &[&str]) -> String {
    let line = arguments.join(" ");
    let program = env!("CARGO_BIN_EXE_ferry");
    let script = format!("stty cols {columns} rows 24; exec {program} {line}");
    // util-linux's `script` gives a terminal; its own log goes nowhere.
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &script, "/dev/null"]).env("TERM", "xterm-256color");
    command.env_remove("FERRY_HOME").env_remove("FERRY_LOG").env_remove("NO_COLOR").stdin(Stdio::null());
    if no_color {
        command.env("NO_COLOR", "1");
    }
    let mut child = command.stdout(Stdio::piped()).spawn().expect("script runs");
    let mut text = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut text).expect("UTF-8");
    assert!(child.wait().expect("ends").success(), "{text}");
    text
}

#[test]
fn a_narrow_terminal_has_narrow_tables() {
    let home = Home::recorded("small");
    for columns in [40, 60] {
        let text = on_a_terminal(columns, true, &["status", "--home", home.text()]);
        let widest = text.lines().map(|line| line.trim_end().chars().count()).max();
        assert!(widest <= Some(usize::from(columns)), "{columns}: {text}");
        assert!(text.contains("memiavl_only"), "{text}");
    }
}

#[test]
fn no_color_means_none_on_a_terminal_too() {
    let home = Home::recorded("small");
    let colours = |text: &str| text.match_indices("\u{1b}[").any(|(at, _)| is_colour(&text[at + 2..]));
    for arguments in quick(&home) {
        let text = on_a_terminal(80, true, &arguments);
        assert!(!colours(&text), "{arguments:?}: {text:?}");
    }
    assert!(run(&["--help"]).code == 0 && colours("\u{1b}[1m") && !colours("\u{1b}[2K"));
}

/// Whether an escape sequence ends in `m` and is more than a reset or a change of weight.
fn is_colour(rest: &str) -> bool {
    rest.find(|c: char| c.is_ascii_alphabetic()).is_some_and(|end| rest[end..].starts_with('m'))
}
