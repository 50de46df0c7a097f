//! The first signal ends a run between two blocks, with its own exit code and a node that goes on from there; any command
//! may get one at any moment, or two.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Home, Recording, ferry, run};
use crate::every::{Call, Place};
use crate::writes_nothing::tree;
use serde_json::Value;
use tempfile::TempDir;

/// Sends a signal; whether it found somebody.
fn send(signal: &str, child: &Child) -> bool {
    // The shell's own kill: the program of that name is in a package that a small Debian does not have.
    let id = child.id().to_string();
    Command::new("sh")
        .args(["-c", r#"kill "$0" "$1" 2>/dev/null"#, signal, &id])
        .status()
        .expect("a shell runs")
        .success()
}

/// A replay that has taken the first lines of a recording from a pipe, and waits for the next one.
struct Piped {
    home: Home,
    recording: Recording,
    child: Child,
    pipe: File,
    _directory: TempDir,
}

impl Piped {
    fn start() -> Self {
        let (home, recording) = (Home::recorded("small"), Recording::of("small"));
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("blocks");
        let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo runs");
        assert!(made.success());
        let blocks = path.to_str().expect("UTF-8");
        let arguments = ["replay", "--home", home.text(), "--output", "json", "--blocks", blocks];
        let child =
            ferry(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        // Opening waits for the reader, which takes the signals over before it opens anything.
        let mut pipe = OpenOptions::new().write(true).open(&path).expect("opens");
        for line in &recording.lines[..20] {
            writeln!(pipe, "{line}").expect("the program reads");
        }
        Self { home, recording, child, pipe, _directory: directory }
    }
}

/// Sends `signal` while a replay waits for its next line in a pipe, then lets it have that line.
fn stopped_by(signal: &str, code: i32) {
    let Piped { home, recording, child, mut pipe, _directory } = Piped::start();
    assert!(send(signal, &child));
    // The signal arrives before this line can, so the run ends with this block at the latest. It may be over already.
    writeln!(pipe, "{}", recording.lines[20]).ok();
    let ended = crate::common::Ended::from(child.wait_with_output().expect("ends"));
    drop(pipe);
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

/// How a child ends within some seconds, where one that has to be killed for it is a failure.
fn ended_soon(child: &mut Child) -> Option<i32> {
    let patience = Instant::now() + Duration::from_secs(8);
    while Instant::now() < patience {
        if let Some(ended) = child.try_wait().expect("asks") {
            return ended.code();
        }
        thread::sleep(Duration::from_millis(10));
    }
    child.kill().expect("kills");
    panic!("it did not end by itself");
}

#[test]
fn the_second_signal_ends_what_cannot_come_to_its_end() {
    for (second, code) in [("-INT", 130), ("-TERM", 143)] {
        let Piped { home, mut child, pipe, .. } = Piped::start();
        let height = || run(&["status", "--home", home.text(), "--output", "json"]).json(0)["height"].as_u64();
        let patience = Instant::now() + Duration::from_secs(60);
        while height() < Some(20) {
            assert!(Instant::now() < patience, "it does not take what is in the pipe");
        }
        assert!(send("-INT", &child));
        thread::sleep(Duration::from_millis(300));
        // It reads on for the rest of a block, which does not come.
        assert_eq!(child.try_wait().expect("asks"), None, "nothing was in the second signal's way");
        assert!(send(second, &child));
        assert_eq!(ended_soon(&mut child), Some(code));
        drop(pipe);
        assert_eq!(height(), Some(20));
    }
}

#[test]
fn the_first_signal_ends_a_command_that_only_looks() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("socket");
    // Nobody takes the call, so there is no answer for ten seconds.
    let _listener = UnixListener::bind(&socket).expect("binds");
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let words = ["ctl", "--socket", socket.to_str().expect("UTF-8"), "status"];
        let mut child = ferry(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
        thread::sleep(Duration::from_millis(300));
        assert!(send(signal, &child));
        assert_eq!(ended_soon(&mut child), Some(code));
    }
}

/// Starts a call, sends these signals some time later, one right behind the other, and waits for its end.
fn disturbed(call: &Call, after: Duration, signals: &[&str]) -> ExitStatus {
    let mut command = ferry(&call.words());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    thread::sleep(after);
    for signal in signals {
        send(signal, &child);
    }
    child.wait().expect("ends")
}

/// Disturbs every call, and looks at what it leaves; how many ended by their signal.
fn disturb_all(place: &Place, after: Duration, signals: &[&str], code: i32) -> usize {
    let looked_at = tree(place.home().path());
    let mut disturbed_calls = 0;
    for call in place.calls() {
        let ended = disturbed(&call, after, signals);
        // Before the program has taken its signals over they end it as any other program.
        let is_own = ended.code() == Some(call.code);
        let is_stopped = ended.code() == Some(code) || matches!(ended.signal(), Some(2 | 15));
        assert!(is_own || is_stopped, "{after:?} {signals:?} {call:?}: {ended:?}");
        assert_eq!(tree(place.home().path()), looked_at, "{after:?} {signals:?} {call:?} changed a home that it reads");
        if let Some(home) = &call.changes {
            let verified = run(&["verify", "--home", home]);
            // A node that died between the commits of its stores is to be opened once.
            assert!(matches!(verified.code, 0 | 7), "{after:?} {signals:?} {call:?}: {verified:?}");
        }
        if is_own {
            continue;
        }
        disturbed_calls += 1;
        // A checkpoint has its name once it is whole, and a signal that comes behind that is told as any other.
        let made = call.words.iter().position(|word| word == "--checkpoint").map(|at| call.words[at + 1].as_str());
        if let Some(made) = made.filter(|made| Path::new(made).exists()) {
            let verified = run(&["verify", "--home", made]);
            assert_eq!(verified.code, 0, "{after:?} {signals:?} {call:?}: {verified:?}");
            continue;
        }
        // What makes a home begins with none; everything else goes on, or begins again.
        if !matches!(call.words[0].as_str(), "gen" | "demo") {
            let again = run(&call.words());
            assert_eq!(again.code, call.code, "{after:?} {signals:?} {call:?}, again: {}", again.stderr);
        }
    }
    disturbed_calls
}

#[test]
fn an_interrupt_at_any_moment_of_any_command_leaves_what_can_be_gone_on_from() {
    let place = Place::make();
    let mut disturbed_calls = 0;
    for after_ms in [1, 5, 20, 60, 150] {
        disturbed_calls += disturb_all(&place, Duration::from_millis(after_ms), &["-INT"], 130);
    }
    assert!(disturbed_calls > 20, "only {disturbed_calls} were caught at work");
    disturb_all(&place, Duration::from_millis(20), &["-TERM"], 143);
}

#[test]
fn two_interrupts_at_any_moment_of_any_command_are_no_worse_than_a_crash() {
    let place = Place::make();
    let mut disturbed_calls = 0;
    for after_ms in [5, 20, 60] {
        disturbed_calls += disturb_all(&place, Duration::from_millis(after_ms), &["-INT", "-INT"], 130);
    }
    assert!(disturbed_calls > 10, "only {disturbed_calls} were caught at work");
}
