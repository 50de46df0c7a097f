//! `ferry completions`: a shell takes the script, and completes with it.

use std::process::Command;

use crate::common::run;

/// What bash offers behind these words, the last of which is being written.
fn offered(words: &[&str]) -> Vec<String> {
    let script = run(&["completions", "bash"]);
    assert_eq!(script.code, 0, "{}", script.stderr);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ferry.bash");
    std::fs::write(&path, script.stdout).expect("writes");
    // As bash calls it: the command, the word being written, the one before it.
    let ask = r#"source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _ferry ferry "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"; printf '%s\n' "${COMPREPLY[@]}""#;
    let mut command = Command::new("bash");
    command.args(["--norc", "-c", ask, "bash"]).arg(&path).args(words);
    let ended = command.output().expect("bash is there");
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
    String::from_utf8(ended.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    assert_eq!(offered(&["ferry", "stat"]), ["status"]);
    assert_eq!(offered(&["ferry", "status", "--ho"]), ["--home"]);
    assert_eq!(offered(&["ferry", "status", "--output", "nd"]), ["ndjson"]);
    assert_eq!(offered(&["ferry", "ctl", "pa"]), ["pause"]);
    assert_eq!(offered(&["ferry", "journal", "di"]), ["diff"]);
    let commands = offered(&["ferry", ""]);
    for line in run(&["--help"]).stdout.lines().skip_while(|line| *line != "Commands:").skip(1) {
        if line.is_empty() {
            break;
        }
        // What is indented further goes on with the line before.
        let Some(name) =
            line.strip_prefix("  ").and_then(|line| line.split(' ').next()).filter(|name| !name.is_empty())
        else {
            continue;
        };
        assert!(commands.iter().any(|offered| offered == name), "{name}: {commands:?}");
    }
}

#[test]
fn a_shell_that_is_not_known_is_refused_with_those_that_are() {
    run(&["completions", "csh"]).refused(2, "bash, zsh, fish");
}
