//! `cargo xtask planted`: the known faults of the field, each put into a copy of the checkout; whoever says at the head of
//! its patch that it finds the fault must do so.
//!
//! ```text
//! what the fault is, in a sentence or two
//! Known from: where it happened, or what it is a variant of
//! Found by: crash [words]      torture-crash; likewise faults, failed-syncs, damage, kill
//! Found by: test [words]       cargo test
//!
//! diff --git …
//! ```
//! The copy and what is built in it stay below the target directory, so that the next run compiles only what differs.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::run;

/// Where the patches and their table are.
const FOLDER: &str = "xtask/torture/planted";
/// A rig that has not found a fault by then has not found it.
const SECONDS_MAX: u64 = 300;
/// The kill rig's complaint that it has not met all kill points: a short campaign always has it.
const UNMET: &str = "out of reach";
/// Characters of what a rig says that are shown.
const SAID_MAX: usize = 240;
/// Directories of cargo's that hold what is not ours: copied, so that RocksDB is not compiled once more.
const BUILT: [&str; 3] = [".fingerprint", "build", "deps"];

/// What `cargo xtask planted` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only these faults: names of files in xtask/torture/planted, or how they begin.
    name: Vec<String>,
    /// Only these finders: crash, faults, failed-syncs, damage, kill, test.
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    by: Vec<String>,
}

/// A fault and who finds it.
struct Fault {
    name: String,
    patch: PathBuf,
    finders: Vec<Finder>,
}

/// A command that finds a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finder {
    kind: Kind,
    words: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Crash,
    Faults,
    FailedSyncs,
    Damage,
    Kill,
    Test,
}

/// Plants each fault and has it found; one that is not found is an error, after all have been tried.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let faults = chosen(faults(&run::root())?, &arguments.name)?;
    let copy = Copy::make(&run::target_dir().join("planted"))?;
    let mut table = Vec::new();
    let mut unfound = 0;
    for fault in &faults {
        copy.plant(&fault.patch)?;
        for finder in fault.finders.iter().filter(|finder| arguments.by.is_empty() || finder.is_of(&arguments.by)) {
            eprintln!("planted: {}: {finder}", fault.name);
            // A fault that does not compile proves nothing, so building is apart from finding.
            let built = copy.build(finder);
            let began = Instant::now();
            let said = if built.is_ok() { copy.find(finder)? } else { None };
            unfound += usize::from(said.is_none());
            let said = match (built, said) {
                (Err(error), _) => format!("DOES NOT BUILD: {error}"),
                (Ok(()), None) => "NOT FOUND".to_owned(),
                (Ok(()), Some(said)) => format!("found: {said}"),
            };
            table.push(format!("{} | {finder} | {} s | {said}", fault.name, began.elapsed().as_secs()));
            eprintln!("planted: {}", table.last().map_or("", String::as_str));
        }
    }
    copy.clear()?;
    println!("{}", table.join("\n"));
    if unfound > 0 {
        bail!("faults that were not found: {unfound}");
    }
    Ok(())
}

/// The patches below `root`, by name.
fn faults(root: &Path) -> Result<Vec<Fault>> {
    let folder = root.join(FOLDER);
    let mut faults = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let patch = entry?.path();
        if patch.extension().is_none_or(|extension| extension != "patch") {
            continue;
        }
        let name = patch.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&patch).with_context(|| format!("cannot read {}", patch.display()))?;
        let finders = finders(&text).with_context(|| format!("the head of {name}"))?;
        faults.push(Fault { name, patch, finders });
    }
    faults.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(faults)
}

fn chosen(faults: Vec<Fault>, names: &[String]) -> Result<Vec<Fault>> {
    if let Some(name) = names.iter().find(|name| !faults.iter().any(|fault| fault.name.starts_with(name.as_str()))) {
        bail!("there is no planted fault {name}");
    }
    let is_chosen = |fault: &Fault| names.is_empty() || names.iter().any(|name| fault.name.starts_with(name.as_str()));
    Ok(faults.into_iter().filter(is_chosen).collect())
}

/// Who finds a fault, as the head of its patch says.
fn finders(patch: &str) -> Result<Vec<Finder>> {
    let head = patch.split("\ndiff --git ").next().unwrap_or_default();
    let lines = head.lines().filter_map(|line| line.strip_prefix("Found by: "));
    let finders = lines.map(Finder::parse).collect::<Result<Vec<_>>>()?;
    if finders.is_empty() {
        bail!("nobody is named who finds the fault");
    }
    Ok(finders)
}

impl Finder {
    fn parse(line: &str) -> Result<Self> {
        let mut words = line.split_whitespace().map(str::to_owned);
        let kind = match words.next().as_deref() {
            Some("crash") => Kind::Crash,
            Some("faults") => Kind::Faults,
            Some("failed-syncs") => Kind::FailedSyncs,
            Some("damage") => Kind::Damage,
            Some("kill") => Kind::Kill,
            Some("test") => Kind::Test,
            other => bail!("nobody finds faults by that name: {other:?}"),
        };
        Ok(Self { kind, words: words.collect() })
    }

    fn is_of(&self, kinds: &[String]) -> bool {
        kinds.iter().any(|kind| kind == self.kind.word())
    }
}

impl fmt::Display for Finder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind.word())?;
        self.words.iter().try_for_each(|word| write!(f, " {word}"))
    }
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Faults => "faults",
            Self::FailedSyncs => "failed-syncs",
            Self::Damage => "damage",
            Self::Kill => "kill",
            Self::Test => "test",
        }
    }

    /// The packages of a rig, its program first, and the words that it always gets; none for tests.
    const fn rig(self) -> Option<(&'static [&'static str], &'static [&'static str])> {
        match self {
            Self::Crash => {
                Some((&["torture-crash", "torture-recorder"], &["--seed", "1", "--layer", "crash", "--first"]))
            }
            Self::Faults => {
                Some((&["torture-crash", "torture-recorder"], &["--seed", "1", "--layer", "faults", "--first"]))
            }
            Self::FailedSyncs => {
                Some((&["torture-crash", "torture-recorder"], &["--seed", "1", "--layer", "failed-syncs", "--first"]))
            }
            Self::Damage => Some((&["torture-damage"], &["--seed", "1", "--first"])),
            Self::Kill => Some((&["torture-kill", "ferry-cli"], &["--seed", "1"])),
            Self::Test => None,
        }
    }

    /// What stands in the line where something was found, and not where it could not be looked for.
    const fn verdict(self) -> &'static str {
        match self {
            Self::Crash | Self::Faults | Self::FailedSyncs => "violation (",
            Self::Damage => "VIOLATION ",
            Self::Kill => "\"what\": \"",
            Self::Test => "test result: FAILED",
        }
    }
}

/// A copy of the checkout's last commit, and where it is built.
struct Copy {
    checkout: PathBuf,
    target: PathBuf,
}

impl Copy {
    /// Makes the copy, or brings the one that is there to the last commit.
    fn make(dir: &Path) -> Result<Self> {
        let copy = Self { checkout: dir.join("copy"), target: dir.join("target") };
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        if !copy.checkout.exists() {
            run::check(Command::new("git").args(["clone", "--quiet"]).arg(run::root()).arg(&copy.checkout))?;
        }
        copy.clear()?;
        run::check(&mut copy.git(&["fetch", "--quiet", "origin", "HEAD"]))?;
        run::check(&mut copy.git(&["checkout", "--quiet", "--detach", "FETCH_HEAD"]))?;
        copy.take_over_what_is_built()?;
        Ok(copy)
    }

    fn take_over_what_is_built(&self) -> Result<()> {
        let (built, own) = (run::target_dir().join("release"), self.target.join("release"));
        if own.exists() || !built.join("build").exists() {
            return Ok(());
        }
        eprintln!("planted: copying what is built from {}", built.display());
        fs::create_dir_all(&own)?;
        let folders = BUILT.map(|folder| built.join(folder));
        run::check(Command::new("cp").args(["-a", "--reflink=auto"]).args(folders).arg(&own))
    }

    fn git(&self, words: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.current_dir(&self.checkout).args(words);
        command
    }

    /// Takes a fault out again.
    fn clear(&self) -> Result<()> {
        run::check(&mut self.git(&["reset", "--quiet", "--hard"]))
    }

    fn plant(&self, patch: &Path) -> Result<()> {
        self.clear()?;
        run::check(self.git(&["apply"]).arg(patch))
    }

    fn cargo(&self, words: &[&str]) -> Command {
        let mut command = run::cargo(words);
        command.current_dir(&self.checkout).env("CARGO_TARGET_DIR", &self.target);
        command
    }

    fn tests(&self, finder: &Finder, run: bool) -> Command {
        let mut command = self.cargo(&["test", "--release", "--locked", "--quiet"]);
        if !run {
            command.arg("--no-run");
        }
        command.args(&finder.words);
        command
    }

    fn build(&self, finder: &Finder) -> Result<()> {
        let Some((packages, _)) = finder.kind.rig() else {
            return run::check(&mut self.tests(finder, false));
        };
        let mut command = self.cargo(&["build", "--release", "--locked", "--quiet"]);
        for package in packages {
            command.args(["--package", package]);
        }
        run::check(&mut command)
    }

    /// What `finder` says of the fault that is planted; none if it does not find it.
    fn find(&self, finder: &Finder) -> Result<Option<String>> {
        let Some((packages, words)) = finder.kind.rig() else {
            let output = self.tests(finder, true).output().context("cannot start the tests")?;
            return Ok(said(finder.kind, output.status.success(), &text(&output)));
        };
        let mut command = Command::new("timeout");
        command.current_dir(&self.checkout).env("CARGO_TARGET_DIR", &self.target).stdin(Stdio::null());
        command.arg(SECONDS_MAX.to_string()).arg(self.target.join("release").join(packages[0]));
        let output = command.args(words).args(&finder.words).output().context("cannot start the rig")?;
        Ok(said(finder.kind, output.status.code() != Some(1), &text(&output)))
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// The line that tells of the fault, or the names of the tests that failed. A test binary or a rig that ended for another
/// reason has found nothing.
fn said(kind: Kind, is_fine: bool, text: &str) -> Option<String> {
    let mut told = text.lines().filter(|line| line.contains(kind.verdict()) && !line.contains(UNMET)).map(str::trim);
    let line = told.next().filter(|_| !is_fine)?;
    if kind != Kind::Test {
        return Some(line.chars().take(SAID_MAX).collect());
    }
    let failed = text.lines().filter_map(|line| line.strip_prefix("---- ")?.strip_suffix(" stdout ----"));
    Some(failed.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_patch_applies_says_who_finds_it_and_is_in_the_table() {
        let table = fs::read_to_string(run::root().join(FOLDER).join("README.md")).expect("the table");
        let faults = faults(&run::root()).expect("heads that can be read");
        assert!(faults.len() >= 20, "{}", faults.len());
        for fault in faults {
            let mut git = Command::new("git");
            let checked = git.current_dir(run::root()).args(["apply", "--check"]).arg(&fault.patch).output();
            let checked = checked.expect("git starts");
            assert!(checked.status.success(), "{}: {}", fault.name, String::from_utf8_lossy(&checked.stderr));
            assert!(table.contains(&format!("| `{}` |", fault.name)), "{} is not in the table", fault.name);
        }
    }

    #[test]
    fn a_head_names_its_finders_and_who_is_unknown_is_refused() {
        let text =
            "A fault.\nFound by: crash --life bare\nFound by: test -p ferry a1\n\ndiff --git a/x b/x\nFound by: no\n";
        let found = finders(text).expect("two");
        assert_eq!(found.iter().map(Finder::to_string).collect::<Vec<_>>(), ["crash --life bare", "test -p ferry a1"]);
        assert!(finders("A fault.\n\ndiff --git a/x b/x\n").is_err());
        assert!(finders("Found by: chance\n\ndiff --git a/x b/x\n").is_err());
    }

    #[test]
    fn what_ended_for_another_reason_has_found_nothing() {
        let tests = "running 2 tests\n---- a::b stdout ----\npanicked\ntest result: FAILED. 1 passed; 1 failed\n";
        assert_eq!(said(Kind::Test, false, tests).as_deref(), Some("a::b"));
        assert_eq!(said(Kind::Test, false, "error: no such test\n"), None);
        let rig = "crash: 3/9\nviolation (birth): a block is gone\n  torture-crash replay\n";
        assert_eq!(said(Kind::Crash, false, rig).as_deref(), Some("violation (birth): a block is gone"));
        assert_eq!(said(Kind::Crash, true, rig), None);
        assert_eq!(said(Kind::Crash, false, "error: no scratch directory\n"), None);
    }

    #[test]
    fn faults_are_chosen_by_how_their_names_begin() {
        let fault = |name: &str| Fault { name: name.to_owned(), patch: PathBuf::new(), finders: Vec::new() };
        let names = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
            let chosen = chosen(vec![fault("a1_x"), fault("a2_y"), fault("b1_z")], &words);
            chosen.map(|faults| faults.into_iter().map(|fault| fault.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).expect("all"), ["a1_x", "a2_y", "b1_z"]);
        assert_eq!(names(&["a", "b1"]).expect("all"), ["a1_x", "a2_y", "b1_z"]);
        assert_eq!(names(&["a2"]).expect("one"), ["a2_y"]);
        assert_eq!(names(&["c"]).expect_err("none").to_string(), "there is no planted fault c");
    }
}
