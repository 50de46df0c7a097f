//! The processes that run below the recorder: this program once more, with a hidden command.
//!
//! They talk to the recorder through its control file, and so put markers among the operations: `begin STEP` before a step
//! (what it commits is submitted from here on), `done STEP` behind it (acknowledged), `opened STATE` behind a recovery.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use anyhow::{Context, Result, bail};

use crate::life::Kind;
use crate::node::{Actor, Script};
use crate::trace::Goal;

/// Steps behind a recovery that are recorded with it.
const STEPS_BEHIND: usize = 2;

/// Where a child works.
pub(crate) struct Scene {
    pub(crate) home: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) control: PathBuf,
}

impl Scene {
    /// A scene in `dir`: an empty home, no log.
    pub(crate) fn new(dir: &Path) -> Result<Self> {
        let home = dir.join("home");
        crate::image::clear(&home)?;
        // The recorder compares paths as the system tells them.
        let dir = dir.canonicalize().with_context(|| format!("no directory {}", dir.display()))?;
        let scene = Self { home: dir.join("home"), log: dir.join("log"), control: dir.join("control") };
        fs::write(&scene.control, "")?;
        if scene.log.exists() {
            fs::remove_file(&scene.log)?;
        }
        Ok(scene)
    }

    /// This program with `words`, below the recorder; its operations are recorded if `records`.
    pub(crate) fn command(&self, words: &[String], records: bool) -> Result<Command> {
        let program = std::env::current_exe().context("where this program is")?;
        let recorder = recorder(&program)?;
        let mut command = Command::new(program);
        // A group of its own: a signal from the terminal is for this program, which ends its children itself.
        command.process_group(0).args(words).env("LD_PRELOAD", recorder).env("TORTURE_HOME", &self.home);
        command.env("TORTURE_CONTROL", &self.control).stdin(Stdio::null()).stdout(Stdio::piped());
        if records {
            command.env("TORTURE_LOG", &self.log).env_remove("TORTURE_NO_ALLOCATION");
        }
        Ok(command)
    }
}

/// The recorder, which stands beside this program.
pub(crate) fn recorder(program: &Path) -> Result<PathBuf> {
    let recorder = program.with_file_name("libtorture_recorder.so");
    if recorder.is_file() {
        return Ok(recorder);
    }
    let build = "cargo build --release -p torture-crash -p torture-recorder";
    bail!("the recorder is not built; run `{build}`: expected={}", recorder.display())
}

/// A child holds all that is open here until it becomes another program, a home's lock too.
static STARTS: RwLock<()> = RwLock::new(());

/// No child starts while the guard lives: for whoever closes a home and opens it again.
pub(crate) fn no_starts() -> RwLockReadGuard<'static, ()> {
    STARTS.read().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a child to its end; what it printed.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let start = STARTS.write().unwrap_or_else(PoisonError::into_inner);
    let child = command.stderr(Stdio::piped()).spawn().context("cannot start a child")?;
    drop(start);
    let output = child.wait_with_output().context("waiting for a child")?;
    let error = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("a child failed: {}: {}", output.status, error.trim_end());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The recorder's control file, from a child's side.
pub(crate) struct Control {
    file: File,
    path: PathBuf,
}

impl Control {
    pub(crate) fn open() -> Result<Self> {
        let path = PathBuf::from(std::env::var_os("TORTURE_CONTROL").context("not below the recorder")?);
        let file = File::options().write(true).open(&path).context("the control file")?;
        Ok(Self { file, path })
    }

    pub(crate) fn order(&mut self, order: &str) -> Result<()> {
        self.file.write_all(order.as_bytes()).context("the recorder takes no order")
    }

    pub(crate) fn mark(&mut self, text: &str) -> Result<()> {
        self.order(&format!("mark {text}"))
    }

    /// The recorder's answer to the last order.
    pub(crate) fn answer(&self) -> Result<String> {
        let mut path = self.path.as_os_str().to_owned();
        path.push(".answer");
        fs::read_to_string(path).context("the recorder's answer")
    }
}

/// Leads a life in `home`, a marker before and behind each step.
pub(crate) fn live(home: &Path, kind: Kind, seed: u64) -> Result<()> {
    let life = kind.life(seed);
    let mut control = Control::open()?;
    let saved = home.with_file_name("saved");
    crate::image::clear(&saved)?;
    let mut actor = Actor::open(home, &saved, &life)?;
    actor.waits = true;
    for (index, step) in life.steps.iter().enumerate() {
        control.mark(&format!("begin {index}"))?;
        actor.act(&step.action).with_context(|| format!("step {index} ({})", step.phase))?;
        control.mark(&format!("done {index}"))?;
    }
    actor.close()
}

/// Opens the home that a crash has left, says at which of `allowed` it stands, and goes on for a moment.
pub(crate) fn recover(home: &Path, script: &Script, allowed: &[Goal]) -> Result<()> {
    let mut control = Control::open()?;
    let mut actor = Actor::open(home, &script.saved, &script.life)?;
    let states: Vec<usize> = allowed.iter().map(|goal| goal.state).collect();
    let state = script.recognise(actor.node()?, &states)?;
    control.mark(&format!("opened {state}"))?;
    let goal = allowed.iter().find(|goal| goal.state == state).context("no goal of this state")?;
    // What is acknowledged after the recovery counts too.
    for index in goal.step..(goal.step + STEPS_BEHIND).min(script.life.steps.len()) {
        control.mark(&format!("begin {index}"))?;
        actor.act(&script.life.steps[index].action)?;
        control.mark(&format!("done {index}"))?;
    }
    actor.close()
}
