//! The fuzzing layer: libFuzzer over everything that reads bytes from outside, one target after the other.
//!
//! A nightly compiler builds the fuzzers, in a folder of their own below the build's. What they come upon is kept there; the
//! corpora in the repository are only read.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use crate::run;

/// What libFuzzer needs of the compiler.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Coverflow-checks -Ccodegen-units=1 --cfg fuzzing";
const TRIPLE: &str = "x86_64-unknown-linux-gnu";
/// Bytes of the largest input.
const LONGEST: u32 = 4096;
const PERIOD: Duration = Duration::from_secs(10);

/// Runs each target for `seconds`; the layer's report.
///
/// # Errors
/// No nightly compiler, a build that fails, I/O. An input that makes a target panic is no error but a violation.
pub(super) fn run(seed: u64, seconds: u64) -> Result<Value> {
    let folder = run::release_dir().join("torture/fuzz");
    let programs = build(&folder)?;
    let began = Instant::now();
    let (mut figures, mut targets, mut violations) = (Map::new(), Vec::new(), Vec::new());
    let (mut executions, mut least) = (0, u64::MAX);
    let names = names()?;
    for (done, name) in names.iter().enumerate() {
        eprintln!("torture: fuzz: {name}, {} of {}, {seconds} s each", done + 1, names.len());
        let target = Target { name, program: programs.join(name), folder: folder.join(name) };
        let found = target.run(seed, seconds)?;
        executions += found.executions;
        least = least.min(found.seconds);
        targets.push(json!({
            "target": name, "executions": found.executions, "seconds": found.seconds, "edges": found.edges,
        }));
        violations.extend(found.violation);
    }
    figures.insert("targets".to_owned(), json!(names.len()));
    figures.insert("executions".to_owned(), json!(executions));
    figures.insert("shortest_target_seconds".to_owned(), json!(least));
    Ok(json!({
        "schema_version": 1, "layer": "fuzz", "seed": seed, "seconds": began.elapsed().as_secs_f64(),
        "figures": figures, "targets": targets, "violations": violations,
    }))
}

/// The targets, in order: the programs of the fuzzers' package.
fn names() -> Result<Vec<String>> {
    let folder = run::root().join("xtask/fuzz/src");
    let entries = std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
        names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort_unstable();
    Ok(names)
}

/// Builds the fuzzers below `folder`; where their programs are.
fn build(folder: &Path) -> Result<PathBuf> {
    let nightly = Command::new("rustup").args(["run", "nightly", "rustc", "--version"]).output();
    if !nightly.is_ok_and(|output| output.status.success()) {
        bail!("fuzzing needs a nightly compiler; run `rustup toolchain install nightly --profile minimal`");
    }
    let build = folder.join("build");
    let mut command = Command::new("rustup");
    command.current_dir(run::root().join("xtask/fuzz"));
    command.args(["run", "nightly", "cargo", "build", "--release", "--locked", "--target", TRIPLE]);
    command.env("RUSTFLAGS", FLAGS).env("CARGO_TARGET_DIR", &build).env_remove("CARGO");
    run::check(&mut command)?;
    Ok(build.join(TRIPLE).join("release"))
}

/// One fuzzer.
struct Target<'a> {
    name: &'a str,
    program: PathBuf,
    /// What it finds is kept here.
    folder: PathBuf,
}

/// What a fuzzer did.
#[derive(Debug)]
struct Found {
    executions: u64,
    seconds: u64,
    /// Edges of the program that some input took.
    edges: u64,
    violation: Option<Value>,
}

impl Target<'_> {
    fn run(&self, seed: u64, seconds: u64) -> Result<Found> {
        let corpus = self.folder.join("corpus");
        std::fs::create_dir_all(&corpus).with_context(|| format!("cannot make {}", corpus.display()))?;
        let log = self.folder.join("log");
        let said = std::fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = Command::new(&self.program);
        command.arg(&corpus).arg(run::root().join("xtask/fuzz/corpus").join(self.name));
        command.args([
            format!("-seed={seed}"),
            format!("-max_total_time={seconds}"),
            format!("-max_len={LONGEST}"),
            "-timeout=10".to_owned(),
            "-rss_limit_mb=2048".to_owned(),
            "-print_final_stats=1".to_owned(),
            format!("-artifact_prefix={}/", self.folder.display()),
        ]);
        // Targets that need files make them there.
        if Path::new("/dev/shm").is_dir() {
            command.env("TMPDIR", "/dev/shm");
        }
        let began = Instant::now();
        let mut child = command
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .with_context(|| format!("cannot start {}", run::line(&command)))?;
        let mut told = began;
        let status = loop {
            if let Some(status) = child.try_wait().context("cannot wait for a fuzzer")? {
                break status;
            }
            if told.elapsed() >= PERIOD {
                told = Instant::now();
                eprintln!("torture: fuzz: {}: {} s left", self.name, seconds.saturating_sub(began.elapsed().as_secs()));
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        let said = std::fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
        let said = String::from_utf8_lossy(&said);
        let mut found = read(&said).with_context(|| format!("what {} did: {}", self.name, log.display()))?;
        found.seconds = began.elapsed().as_secs();
        found.violation = self.violation(status, &said);
        Ok(found)
    }

    /// The input that the fuzzer ended of, if it did not come to its end.
    fn violation(&self, status: ExitStatus, said: &str) -> Option<Value> {
        if status.success() {
            return None;
        }
        let input = said.lines().find_map(|line| line.split_once("Test unit written to ")).map(|(_, path)| path);
        let replay = format!("{} {}", self.program.display(), input.unwrap_or("(no input was kept)"));
        Some(json!({"replay": replay, "phase": self.name, "what": format!("{status}")}))
    }
}

/// Takes the figures from what a fuzzer said.
fn read(said: &str) -> Result<Found> {
    let executions = said.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    let executions = executions.context("it ended without its figures")?.trim().parse()?;
    let edges = said.lines().rev().find_map(|line| line.split_once(" cov: ")?.1.split(' ').next()?.parse().ok());
    Ok(Found { executions, seconds: 0, edges: edges.unwrap_or(0), violation: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_what_libfuzzer_says() {
        let said = "#12\tNEW    cov: 120 ft: 300 corp: 4/9b\n#4096\tDONE   cov: 245 ft: 990 corp: 30/2Kb\n\
                    stat::number_of_executed_units: 4096\nstat::average_exec_per_sec:     409\n";
        let found = read(said).expect("figures");
        assert_eq!((found.executions, found.edges), (4096, 245));
        assert!(read("it died\n").is_err());
    }

    #[test]
    fn an_input_that_a_target_dies_of_is_a_violation() {
        let target = Target { name: "canary", program: PathBuf::from("/build/canary"), folder: PathBuf::new() };
        let ended = |program: &str| Command::new(program).status().expect("it starts");
        let said = "panicked at canary\nartifact_prefix='/k/'; Test unit written to /k/crash-1\n";
        let violation = target.violation(ended("false"), said).expect("it died");
        assert_eq!(
            (violation["replay"].as_str(), violation["phase"].as_str()),
            (Some("/build/canary /k/crash-1"), Some("canary"))
        );
        assert_eq!(target.violation(ended("true"), said), None);
    }

    #[test]
    fn every_target_has_a_corpus() {
        let names = names().expect("names");
        assert!(names.len() >= 13, "{names:?}");
        for name in names {
            let corpus = run::root().join("xtask/fuzz/corpus").join(&name);
            assert!(std::fs::read_dir(&corpus).is_ok_and(|mut entries| entries.next().is_some()), "{name}");
        }
    }
}
