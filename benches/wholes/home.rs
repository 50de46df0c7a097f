//! The homes that are run: one is made, each run gets a copy of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use ferry::{Mode, ModeSetting, Node, Options, ScanOrder, ScanRange};

use crate::Arguments;

/// Slots of an account.
const SLOTS: u64 = 10;

/// A made home, and room for copies.
pub(crate) struct Homes {
    made: PathBuf,
    copy: PathBuf,
}

impl Homes {
    /// Makes the home with the program's own generator, unless it is there from an earlier run.
    pub(crate) fn make(arguments: &Arguments) -> Result<Self> {
        let Arguments { accounts, seed, .. } = arguments;
        let made = arguments.scratch.join(format!("home-{accounts}-{seed}"));
        if !made.exists() {
            let mut command = Command::new(&arguments.ferry);
            command.arg("gen").arg("--home").arg(&made).args(["--accounts", &accounts.to_string()]);
            command.args(["--slots", &(accounts * SLOTS).to_string(), "--bank", &(2 * accounts).to_string()]);
            command.args(["--wasm", &accounts.to_string(), "--seed", &seed.to_string()]);
            let status = command.status().with_context(|| format!("cannot start {}", arguments.ferry.display()))?;
            if !status.success() {
                bail!("the generator failed: {status}");
            }
        }
        Ok(Self { made, copy: arguments.scratch.join("run") })
    }

    /// A fresh copy, which takes the place of the last one.
    pub(crate) fn copy(&self) -> Result<&Path> {
        if self.copy.exists() {
            fs::remove_dir_all(&self.copy).context("removing the last copy")?;
        }
        copy(&self.made, &self.copy).context("copying the home")?;
        Ok(&self.copy)
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, to) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copy(&entry.path(), &to)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path())?, to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// Opens a node that begins, or goes on with, the first migration.
pub(crate) fn open(home: &Path, batch: u64) -> Result<Node> {
    let mode = ModeSetting::Auto;
    let mut node = Node::open(home, Options { mode, ..Options::default() })?;
    node.set_batch_size(batch)?;
    if node.mode() == Mode::MemiavlOnly {
        node.set_mode(Mode::MigrateEvm)?;
    }
    Ok(node)
}

/// Every `step`-th key of a module that begins with `prefix`, with its value's length.
pub(crate) fn keys(node: &Node, module: &str, prefix: &[u8], step: usize) -> Result<Vec<(Bytes, usize)>> {
    let view = node.view()?;
    let range = ScanRange { start: Some(Bytes::copy_from_slice(prefix)), end: None };
    let mut keys = Vec::new();
    for (at, pair) in view.scan(module, &range, ScanOrder::Ascending)?.enumerate() {
        let (key, value) = pair?;
        if !key.starts_with(prefix) {
            break;
        }
        if at % step == 0 {
            keys.push((Bytes::copy_from_slice(&key), value.len()));
        }
    }
    Ok(keys)
}
