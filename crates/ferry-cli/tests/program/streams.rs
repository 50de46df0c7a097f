//! Streams that end, that are full, that are no terminal, or a narrow one: of every command.

use std::fs::OpenOptions;
use std::io::Read;
use std::process::{Command, Stdio};

use crate::common::{Ended, ferry};
use crate::every::Place;

#[test]
fn a_reader_that_is_gone_ends_nothing_in_a_panic() {
    let place = Place::make();
    let help = [vec!["--help"], vec!["run", "--help"]].map(|words| (words, 0));
    let calls = place.calls();
    for (words, code) in calls.iter().map(|call| (call.words(), call.code)).chain(help) {
        let mut child = ferry(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        // Closed before the program can write.
        drop(child.stdout.take());
        let ended = Ended::from(child.wait_with_output().expect("ends"));
        assert_eq!(ended.code, code, "{words:?}: {}", ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{words:?} {}", ended.stderr);
        assert_eq!(ended.stderr.contains("error"), code != 0, "{words:?} {}", ended.stderr);
    }
}

#[test]
fn a_stderr_that_is_gone_takes_nothing_from_stdout() {
    let place = Place::make();
    for filter in ["warn", "trace"] {
        for call in place.calls() {
            let mut command = ferry(&call.words());
            command.env("FERRY_LOG", filter).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().expect("starts");
            drop(child.stderr.take());
            let ended = Ended::from(child.wait_with_output().expect("ends"));
            assert_eq!(ended.code, call.code, "{call:?}");
            assert_eq!(ended.stdout.is_empty(), call.code == 2, "{call:?}");
        }
    }
    // An error that nobody hears of is still an exit code.
    let mut child = ferry(&["status", "--home", "/nonexistent"]).stderr(Stdio::piped()).spawn().expect("starts");
    drop(child.stderr.take());
    assert_eq!(child.wait().expect("ends").code(), Some(2));
}

#[test]
fn a_full_disk_below_stdout_is_an_error() {
    let place = Place::make();
    for call in place.calls().into_iter().filter(|call| call.code == 0) {
        let full = OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
        let ended = Ended::from(ferry(&call.words()).stdout(full).output().expect("starts"));
        assert_eq!(ended.code, 6, "{call:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("No space left"), "{call:?}: {}", ended.stderr);
    }
}

#[test]
fn without_a_terminal_there_are_no_escapes_and_no_carriage_returns() {
    let place = Place::make();
    for call in place.calls() {
        let mut command = ferry(&call.words());
        let ended = Ended::from(command.env_remove("NO_COLOR").env("FERRY_LOG", "debug").output().expect("starts"));
        // The script for a shell has what it has.
        for stream in [&ended.stdout, &ended.stderr].into_iter().filter(|_| call.words[0] != "completions") {
            assert!(!stream.contains(['\u{1b}', '\r']), "{call:?}: {stream}");
        }
    }
}

/// What a command writes to a terminal of so many columns, its stderr left out if it is to be, and its exit code.
fn on_a_terminal(columns: u16, no_color: bool, stderr: bool, words: &[&str]) -> (String, Option<i32>) {
    let (line, program) = (words.join(" "), env!("CARGO_BIN_EXE_ferry"));
    let away = if stderr { "" } else { "2>/dev/null" };
    let script = format!("stty cols {columns} rows 24; exec {program} {line} {away}");
    // util-linux's `script` gives a terminal; its own log goes nowhere.
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &script, "/dev/null"]).env("TERM", "xterm-256color");
    for variable in ["FERRY_HOME", "FERRY_CONFIG", "FERRY_LOG", "NO_COLOR"] {
        command.env_remove(variable);
    }
    if no_color {
        command.env("NO_COLOR", "1");
    }
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("script runs");
    let mut text = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut text).expect("UTF-8");
    (text, child.wait().expect("ends").code())
}

/// Calls that end by themselves on a terminal: `top` would wait for its run.
fn on_terminals(place: &Place) -> Vec<crate::every::Call> {
    place.calls().into_iter().filter(|call| call.words[0] != "top").collect()
}

#[test]
fn a_narrow_terminal_has_narrow_tables() {
    let place = Place::make();
    for columns in [80, 40] {
        for call in on_terminals(&place).into_iter().filter(|call| call.is_arranged) {
            let (text, code) = on_a_terminal(columns, true, false, &call.words());
            assert_eq!(code, Some(call.code), "{columns}: {call:?}: {text}");
            let widest = text.lines().map(|line| line.trim_end().chars().count()).max();
            assert!(widest <= Some(usize::from(columns)), "{columns}: {widest:?} {call:?}:\n{text}");
        }
        let (text, _) = on_a_terminal(columns, true, false, &["run", "--help"]);
        let widest = text.lines().map(|line| line.trim_end().chars().count()).max();
        assert!(widest <= Some(usize::from(columns)), "{columns}: {text}");
    }
}

#[test]
fn no_color_means_none_on_a_terminal_too() {
    let place = Place::make();
    let colours = |text: &str| text.match_indices("\u{1b}[").any(|(at, _)| is_colour(&text[at + 2..]));
    for call in on_terminals(&place) {
        let (text, code) = on_a_terminal(80, true, true, &call.words());
        assert_eq!(code, Some(call.code), "{call:?}: {text:?}");
        assert!(!colours(&text), "{call:?}: {text:?}");
    }
    // Where it is not asked for there is some, so this looks at something.
    let (wrong, code) = on_a_terminal(80, false, true, &["status", "--nonsense"]);
    assert_eq!((code, colours(&wrong)), (Some(2), true), "{wrong:?}");
}

/// Found by looking at a terminal without NO_COLOR: each command began with a complaint of the logging library's.
#[test]
fn a_terminal_with_colours_gets_the_same_text() {
    let words = ["inspect", "constants"];
    let [plain, coloured] = [true, false].map(|no_color| on_a_terminal(80, no_color, true, &words));
    assert_eq!(plain, coloured);
}

/// Whether an escape sequence ends in `m`.
fn is_colour(rest: &str) -> bool {
    rest.find(|c: char| c.is_ascii_alphabetic()).is_some_and(|end| rest[end..].starts_with('m'))
}
