//! The homes that are damaged, each small and each of another kind.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use ferry::{Node, Options, View};

use crate::oracle::run_block;
use crate::script::Block;
use crate::{recorded, script};

/// A chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum World {
    /// That of [`script`].
    Script,
    /// That of [`recorded`].
    Recorded,
}

impl World {
    pub(crate) const ALL: [Self; 2] = [Self::Script, Self::Recorded];

    pub(crate) fn options(self) -> Options {
        match self {
            Self::Script => script::options(),
            Self::Recorded => recorded::options(),
        }
    }

    pub(crate) fn blocks(self) -> Result<Vec<Block>> {
        match self {
            Self::Script => Ok(script::blocks()),
            Self::Recorded => recorded::blocks(),
        }
    }

    /// Makes what the chain's first block starts from.
    pub(crate) fn begin(self, home: &Path) -> Result<()> {
        match self {
            Self::Script => Ok(()),
            Self::Recorded => recorded::begin(home).map(drop),
        }
    }

    pub(crate) fn compare_with_recording(self, block: &Block, view: &View) -> Result<()> {
        match self {
            Self::Script => Ok(()),
            Self::Recorded => recorded::compare(block, view),
        }
    }
}

/// A home.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Home {
    pub(crate) name: &'static str,
    pub(crate) world: World,
    /// Where it stands.
    pub(crate) height: u64,
    /// How many blocks are run on it once it is damaged.
    pub(crate) goes_on: u64,
    /// The heights at which it was closed and opened again on the way; what was in RocksDB's log is in tables then.
    reopened: &'static [u64],
}

/// All homes.
pub(crate) const HOMES: [Home; 6] = [
    // memiavl alone: its log is the truth, and each entry has a checksum.
    Home { name: "before", world: World::Script, height: 4, goes_on: 3, reopened: &[] },
    // In the middle of the first migration: tables and a log behind them.
    Home { name: "evm", world: World::Script, height: 9, goes_on: 3, reopened: &[8] },
    // In the middle of the second: a log alone.
    Home { name: "rest", world: World::Script, height: 12, goes_on: 3, reopened: &[] },
    // In the middle of the third: tables alone.
    Home { name: "bank", world: World::Script, height: 14, goes_on: 4, reopened: &[11, 14] },
    // memiavl rests.
    Home { name: "end", world: World::Script, height: 18, goes_on: 4, reopened: &[17] },
    // A reference node's memiavl: no entry has a checksum.
    Home { name: "reference", world: World::Recorded, height: 10, goes_on: 2, reopened: &[] },
];

/// The heights at which the script's homes take a snapshot: in the beginning, and where a migration has just ended.
const SNAPSHOTS: [u64; 4] = [2, 6, 11, 13];

impl Home {
    pub(crate) fn named(name: &str) -> Result<Self> {
        HOMES
            .into_iter()
            .find(|home| home.name == name)
            .with_context(|| format!("there is no home of this name: {name}"))
    }

    /// Builds the home in the empty directory `dir`.
    pub(crate) fn build(self, dir: &Path) -> Result<()> {
        if self.world == World::Recorded {
            return recorded::with_log(dir, self.height);
        }
        let mut node = Node::open(dir, self.world.options())?;
        for block in self.world.blocks()?.iter().take_while(|block| block.height <= self.height) {
            run_block(&mut node, block)?;
            if SNAPSHOTS.contains(&block.height) && block.height < self.height {
                node.snapshot_now()?;
            }
            if self.reopened.contains(&block.height) {
                node.close()?;
                node = Node::open(dir, self.world.options())?;
            }
        }
        node.close()?;
        remove_logs(&dir.join("data/state_commit/flatkv"))
    }
}

/// RocksDB's text logs are for people; nothing reads them, and copying them would double a case's time.
fn remove_logs(flatkv: &Path) -> Result<()> {
    if !flatkv.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(flatkv)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("LOG") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Files that are written once and never again: a copy can share them, as long as damage gets a file of its own.
fn is_shared(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_snapshots =
        path.parent().and_then(Path::parent).is_some_and(|dir| dir.to_string_lossy().contains("/snapshot-"));
    is_snapshots || name.ends_with(".sst") || name.starts_with("OPTIONS-")
}

/// Copies an undamaged home.
pub(crate) fn share(from: &Path, to: &Path) -> Result<()> {
    copy_with(from, to, |path, target| match is_shared(path) {
        true => Ok(fs::hard_link(path, target)?),
        false => copy_file(path, target),
    })
}

/// Copies a directory, its links as links.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    copy_with(from, to, copy_file)
}

/// The contents alone: a copy of a read-only file can be damaged.
fn copy_file(from: &Path, to: &Path) -> Result<()> {
    Ok(fs::write(to, fs::read(from)?)?)
}

fn copy_with(from: &Path, to: &Path, file: impl Fn(&Path, &Path) -> Result<()> + Copy) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, target, kind) = (entry.path(), to.join(entry.file_name()), entry.file_type()?);
        if kind.is_dir() {
            copy_with(&path, &target, file)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&path)?, &target)?;
        } else {
            file(&path, &target)?;
        }
    }
    Ok(())
}
