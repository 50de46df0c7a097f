//! `cargo xtask test`: everything that must hold before a change lands. CI runs this and nothing else.
//!
//! The tests come last, so that the last lines are the test runner's, and under them one line that sums them up.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{chain, generate, one_rocksdb, run, setup, tidy, torture};

/// Packages of tests that are workspaces of their own, so that what they need does not reach RocksDB's build.
const CHECKS: [(&str, &str); 2] = [
    ("proofs under the ICS-23 verifier", "xtask/checks/ics23/Cargo.toml"),
    ("models of the protocol and of its threads", "xtask/checks/models/Cargo.toml"),
];

/// What `cargo xtask test` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Passed on to `cargo test`: `-p boundary` tests one crate, `-- NAME` the tests with that name.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    passed_on: Vec<String>,
}

/// Runs every check; the first that fails ends the run.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    setup::run()?;
    // All that is to be downloaded, tests' dependencies too: nothing after this needs the network.
    run::check(&mut run::cargo(["fetch", "--locked"]))?;
    for (_, manifest) in CHECKS {
        run::check(&mut run::cargo(["fetch", "--locked", "--manifest-path", manifest]))?;
    }
    // Asked for what it downloads; whoever has no Go is told so below.
    chain::obstacle();
    step("format");
    run::check(&mut run::cargo(["fmt", "--all", "--check"]))?;
    step("tidy");
    tidy::run()?;
    one_rocksdb::check()?;
    step("lints");
    run::check(&mut run::cargo([
        "clippy",
        "--release",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ]))?;
    step("documentation");
    let documentation = ["doc", "--release", "--locked", "--workspace", "--lib", "--no-deps"];
    run::check(run::cargo(documentation).env("RUSTDOCFLAGS", "--deny warnings"))?;
    step("generated pages");
    generate::run(&generate::Arguments { check: true })?;
    step("benches");
    run::check(&mut run::cargo(["test", "--release", "--locked", "--workspace", "--benches", "--no-run"]))?;
    for (name, manifest) in CHECKS {
        step(name);
        run::check(&mut own_workspace(manifest))?;
    }
    step("torture, the short run without the long lives");
    torture::in_tests()?;
    step("chain, a kill and a node that joins");
    chain::smoke()?;
    step("tests");
    let counts = tests(&mut run::cargo(test_words(&arguments.passed_on)))?;
    println!("{counts}");
    if counts.failed > 0 || counts.passed == 0 {
        bail!("not all tests passed");
    }
    Ok(())
}

fn step(name: &str) {
    eprintln!("== {name}");
}

/// The tests of a package that is a workspace of its own; its build stands with the others.
fn own_workspace(manifest: &str) -> Command {
    let mut command = run::cargo(["test", "--release", "--locked", "--quiet", "--manifest-path", manifest]);
    if std::env::var_os("CARGO_TARGET_DIR").is_none() {
        command.env("CARGO_TARGET_DIR", run::root().join("target"));
    }
    command
}

/// The words of `cargo test`: the whole workspace, unless a package is named.
fn test_words(passed_on: &[String]) -> Vec<&str> {
    let mut words = vec!["test", "--release", "--locked", "--no-fail-fast"];
    if !passed_on.iter().any(|word| word == "-p" || word.starts_with("--package")) {
        words.push("--workspace");
    }
    words.extend(passed_on.iter().map(String::as_str));
    words
}

/// The sums over all test binaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Runs `command`, passes its output on line by line, and adds up what it reports.
fn tests(command: &mut Command) -> Result<Counts> {
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {}", run::line(command)))?;
    let output = child.stdout.take().context("the tests have no output")?;
    let mut counts = Counts::default();
    let mut stdout = std::io::stdout().lock();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("cannot read the tests' output")?;
        stdout.write_all(&line).and_then(|()| stdout.write_all(b"\n")).context("cannot write the tests' output")?;
        add(&mut counts, &String::from_utf8_lossy(&line));
    }
    let status = child.wait().context("cannot wait for the tests")?;
    // A binary that died reports nothing, and one that does not compile neither.
    if !status.success() && counts.failed == 0 {
        bail!("{} failed: {status}", run::line(command));
    }
    Ok(counts)
}

/// Adds a closing line of a test binary, `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
fn add(counts: &mut Counts, line: &str) {
    let Some(result) = line.strip_prefix("test result: ") else { return };
    let Some((_, numbers)) = result.split_once(". ") else { return };
    for part in numbers.split("; ") {
        let Some((number, what)) = part.split_once(' ') else { continue };
        let Ok(number) = number.parse::<u64>() else { continue };
        match what {
            "passed" => counts.passed += number,
            "failed" => counts.failed += number,
            "ignored" => counts.skipped += number,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn closing_lines_add_up() {
        let mut counts = Counts::default();
        for line in [
            "running 4 tests",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 2 passed; 5 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.20s",
        ] {
            add(&mut counts, line);
        }
        assert_eq!(counts, Counts { passed: 5, failed: 5, skipped: 1 });
        assert_eq!(counts.to_string(), "5 passed, 5 failed, 1 skipped");
    }

    #[test]
    fn a_named_package_replaces_the_workspace() {
        let words = |passed_on: &[&str]| {
            let passed_on: Vec<String> = passed_on.iter().map(|word| (*word).to_owned()).collect();
            test_words(&passed_on).join(" ")
        };
        assert_eq!(words(&[]), "test --release --locked --no-fail-fast --workspace");
        assert_eq!(words(&["-p", "boundary"]), "test --release --locked --no-fail-fast -p boundary");
        assert_eq!(words(&["--", "scan"]), "test --release --locked --no-fail-fast --workspace -- scan");
    }

    #[test]
    fn what_is_for_cargo_reaches_it_as_it_was_written() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            arguments: Arguments,
        }
        let line = |words: &[&str]| Line::parse_from([&["test"], words].concat()).arguments.passed_on;
        assert_eq!(line(&["-p", "boundary", "--test", "golden"]), ["-p", "boundary", "--test", "golden"]);
        assert_eq!(line(&["--", "scan"]).last().map(String::as_str), Some("scan"));
    }

    #[test]
    fn a_run_that_dies_without_a_closing_line_is_an_error() {
        let error = tests(&mut Command::new("false")).expect_err("false fails");
        assert!(error.to_string().starts_with("false failed"), "{error}");
    }
}
