//! What the program does while it is killed, and what it must come to.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::child::{self, End, Event, Ran};
use crate::kill::Kill;

/// A chain that is led from its first block to its last.
pub(crate) struct Workload {
    pub(crate) name: String,
    /// How long a run takes to open its home and to make a block.
    pub(crate) opening: Duration,
    pub(crate) block: Duration,
    pub(crate) last: u64,
    /// Blocks from the first run's opening to the end.
    pub(crate) blocks: u64,
    kind: Kind,
    /// The undisturbed run: app hashes by height where it tells them, and its report.
    hashes: Vec<(u64, String)>,
    report: Value,
}

enum Kind {
    /// `ferry replay` of a recorded life, from the recorded directory or from nothing.
    Recorded { program: PathBuf, blocks: PathBuf, rows: PathBuf, memiavl: Option<PathBuf> },
    /// The rig's own load.
    Load { seed: u64, blocks: u64 },
}

impl Workload {
    /// A recorded life: a directory with the blocks, the final rows and, unless it is to begin with nothing, memiavl.
    pub(crate) fn recorded(program: &Path, directory: &Path, from_genesis: bool) -> Result<Self> {
        let life = directory.file_name().context("a life has a directory")?.to_string_lossy();
        let memiavl = directory.join("memiavl");
        let from_genesis = from_genesis || !memiavl.is_dir();
        let kind = Kind::Recorded {
            program: program.to_owned(),
            blocks: directory.join("blocks.jsonl.gz"),
            rows: directory.join("final_rows.tsv.gz"),
            memiavl: (!from_genesis).then_some(memiavl),
        };
        let name = if from_genesis { format!("{life} from genesis") } else { life.into_owned() };
        Self::undisturbed(name, kind)
    }

    /// The rig's own load over `blocks` blocks.
    pub(crate) fn load(seed: u64, blocks: u64) -> Result<Self> {
        Self::undisturbed(format!("load of {blocks} blocks"), Kind::Load { seed, blocks })
    }

    /// Lets it run once without a kill.
    fn undisturbed(name: String, kind: Kind) -> Result<Self> {
        let (opening, block) = (Duration::ZERO, Duration::ZERO);
        let mut workload =
            Self { name, opening, block, last: 0, blocks: 0, kind, hashes: Vec::new(), report: Value::Null };
        let home = directory(None).context("a home for the undisturbed run")?;
        workload.prepare(home.path())?;
        let ran = child::run(&mut workload.command(home.path(), None)?, None)?;
        ensure!(ran.end == End::Exited(0), "{} does not run undisturbed: {ran:?}", workload.name);
        workload.report = serde_json::from_str(&ran.stdout).context("the undisturbed run's report")?;
        workload.opening = ran.opening.context("the undisturbed run opened its home")?;
        let blocks = ran.events.len().saturating_sub(1).max(1);
        workload.blocks = blocks as u64;
        workload.block = (ran.elapsed - workload.opening) / u32::try_from(blocks)?;
        workload.last = ran.acknowledged().context("the undisturbed run made blocks")?;
        workload.hashes = hashes(&ran);
        Ok(workload)
    }

    /// Makes `home` what the first run finds.
    pub(crate) fn prepare(&self, home: &Path) -> Result<()> {
        fs::create_dir_all(home).context("creating the home")?;
        if let Kind::Recorded { memiavl: Some(memiavl), .. } = &self.kind {
            copy(memiavl, &home.join("data/state_commit/memiavl"))?;
        }
        Ok(())
    }

    /// The command of the next run on `home`.
    pub(crate) fn command(&self, home: &Path, kill: Option<Kill>) -> Result<Command> {
        let mut command = match &self.kind {
            Kind::Recorded { program, blocks, rows, .. } => {
                let mut command = Command::new(program);
                command.args(["replay", "--output", "json", "--home"]).arg(home);
                command.arg("--blocks").arg(blocks).arg("--final-rows").arg(rows);
                if !home.join("data").exists() {
                    command.arg("--from-genesis");
                }
                command
            }
            Kind::Load { seed, blocks } => {
                let mut command = Command::new(std::env::current_exe().context("the rig's own path")?);
                command
                    .args(["load", "--seed", &seed.to_string(), "--blocks", &blocks.to_string(), "--home"])
                    .arg(home);
                command
            }
        };
        if let Some(argument) = kill.and_then(Kill::argument) {
            command.args(["--kill-at", &argument]);
        }
        command.env_remove("FERRY_HOME").env("FERRY_LOG", "warn,ferry::replay=debug").env("NO_COLOR", "1");
        Ok(command)
    }

    /// What a read-only look at `home` says of its height; none for a workload without such a program.
    pub(crate) fn height_read_only(&self, home: &Path) -> Result<Option<u64>> {
        let Kind::Recorded { program, .. } = &self.kind else { return Ok(None) };
        let mut command = Command::new(program);
        let ran = child::run(command.args(["status", "--output", "json", "--home"]).arg(home), None)?;
        ensure!(ran.end == End::Exited(0), "status of a killed home: {ran:?}");
        let status: Value = serde_json::from_str(&ran.stdout).context("the status report")?;
        Ok(status["height"].as_u64())
    }

    /// Whether a killed run's blocks are those of the undisturbed one.
    pub(crate) fn check_blocks(&self, ran: &Ran) -> Result<(), String> {
        match hashes(ran).into_iter().find(|block| !self.hashes.contains(block)) {
            Some((height, hash)) => Err(format!("another app hash than undisturbed: height={height} app_hash={hash}")),
            None => Ok(()),
        }
    }

    /// Whether the last run's report is the undisturbed one's, but for how many blocks were left for it.
    pub(crate) fn check_end(&self, ran: &Ran) -> Result<(), String> {
        let report: Value = serde_json::from_str(&ran.stdout).map_err(|error| format!("no report: {error}"))?;
        let differs = |what: &str, expected: &Value, got: &Value| {
            if expected == got {
                Ok(())
            } else {
                Err(format!("the end differs in {what}: expected={expected} got={got}"))
            }
        };
        match &self.kind {
            Kind::Load { .. } => differs("the report", &self.report, &report),
            Kind::Recorded { .. } => {
                for field in ["outcome", "last_height", "write_mode", "final_rows_checked", "difference"] {
                    differs(field, &self.report[field], &report[field])?;
                }
                let heights = |report: &Value| {
                    report["heights_checked"].as_u64().unwrap_or(0) + report["heights_skipped"].as_u64().unwrap_or(0)
                };
                differs("heights", &heights(&self.report).into(), &heights(&report).into())?;
                differs("head_checked", &(ran.opened() > Some(0)).into(), &report["head_checked"])
            }
        }
    }
}

fn hashes(ran: &Ran) -> Vec<(u64, String)> {
    let hash = |event: &Event| match event {
        Event::Committed(height, Some(hash)) => Some((*height, hash.clone())),
        _ => None,
    };
    ran.events.iter().filter_map(hash).collect()
}

/// A temporary directory below `dir`, or where it is fast.
pub(crate) fn directory(dir: Option<&Path>) -> std::io::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    match dir {
        Some(dir) => tempfile::tempdir_in(dir),
        None if memory.is_dir() => tempfile::tempdir_in(memory),
        None => tempfile::tempdir(),
    }
}

/// Copies a directory, symbolic links as they are, and makes the copy writable.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    let context = || format!("copying {} to {}", from.display(), to.display());
    fs::create_dir_all(to).with_context(context)?;
    for entry in fs::read_dir(from).with_context(context)? {
        let entry = entry.with_context(context)?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().with_context(context)?;
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&path).with_context(context)?, &target).with_context(context)?;
        } else if kind.is_dir() {
            copy(&path, &target)?;
        } else {
            let bytes = fs::read(&path).with_context(context)?;
            fs::write(&target, bytes).with_context(context)?;
        }
    }
    Ok(())
}
