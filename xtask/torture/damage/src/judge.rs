//! What becomes of one case: the damaged home is opened, checked, read, and driven on.
//!
//! ```text
//! open      an error here, of whatever kind, and the damage has done nothing
//! check     all hashes and sums, by ferry's own means
//! read      every key and every scan, compared with an undisturbed node
//! go on     the next blocks; each app hash compared with that of an undisturbed node
//! ```
//! A damaged undo record is read by a rollback alone, so for those the home goes back before it goes on.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ferry::{Node, roll_back};
use serde::{Deserialize, Serialize};

use crate::case::{Case, Target};
use crate::check;
use crate::homes::{HOMES, Home, World, share};
use crate::oracle::{Expected, Oracle, run_block};
use crate::rows::Database;

/// What noticed a damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// The opening.
    AtOpen,
    /// The full check.
    ByCheck,
    /// A read, a block, or a rollback.
    OnUse,
    /// Nothing: the home is at an earlier block, and right there.
    Older,
    /// Nothing, and something is wrong.
    Unnoticed,
    /// Nothing, and nothing is wrong.
    Harmless,
    /// The process did not live to tell.
    Died,
}

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) stage: Stage,
    /// The kind of the error that noticed it.
    pub(crate) kind: Option<String>,
    /// What was said, or what is wrong.
    pub(crate) said: String,
    /// Whether a read answered wrongly.
    pub(crate) wrong_read: bool,
    /// Whether a later block's hash was wrong and no error said so.
    pub(crate) entered: bool,
}

impl Verdict {
    /// A case whose process died.
    pub(crate) fn died(said: String) -> Self {
        Self { stage: Stage::Died, kind: None, said, wrong_read: false, entered: false }
    }

    fn noticed(stage: Stage, error: &ferry::Error) -> Self {
        let kind = Some(error.kind().as_str().to_owned());
        Self { stage, kind, said: words(error), wrong_read: false, entered: false }
    }
}

/// An error with its causes.
pub(crate) fn words(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        next = cause.source();
    }
    words
}

/// Judges cases in a directory of its own.
pub(crate) struct Judge {
    homes: PathBuf,
    own: PathBuf,
    oracles: BTreeMap<World, Oracle>,
    databases: BTreeMap<&'static str, Database>,
    /// Unless it is to be shown that the rig says so when nothing is wrong for no reason that it knows.
    pub(crate) damages: bool,
}

impl Judge {
    /// A judge over the undamaged homes in `homes` that works in the empty directory `own`.
    pub(crate) fn new(homes: &Path, own: &Path) -> Result<Self> {
        let mut oracles = BTreeMap::new();
        for world in World::ALL {
            let dir = own.join("oracle");
            oracles.insert(world, Oracle::of(world, &dir)?);
            std::fs::remove_dir_all(&dir)?;
        }
        let mut databases = BTreeMap::new();
        for home in HOMES {
            if let Some(database) = Database::open(&homes.join(home.name))? {
                databases.insert(home.name, database);
            }
        }
        Ok(Self { homes: homes.to_owned(), own: own.to_owned(), oracles, databases, damages: true })
    }

    /// Damages a copy of the case's home and tells what becomes of it.
    pub(crate) fn judge(&self, case: &Case) -> Result<Verdict> {
        let home = Home::named(&case.home)?;
        let oracle = self.oracles.get(&home.world).context("an oracle for each world")?;
        let dir = self.own.join("case");
        if dir.exists() {
            std::fs::remove_dir_all(&dir)?;
        }
        share(&self.homes.join(home.name), &dir)?;
        if self.damages {
            self.damage(&dir, home, case)?;
        }
        let trial = Trial { dir: &dir, home, oracle };
        Ok(match &case.target {
            Target::Row { family, key } if family == "undo" => trial.back_and_on(height_of(key)),
            _ => trial.run(),
        })
    }

    fn damage(&self, dir: &Path, home: Home, case: &Case) -> Result<()> {
        let path = match &case.target {
            Target::File(path) => dir.join(path),
            Target::Row { family, key } => {
                let database = self.databases.get(home.name).context("the home has no rows")?;
                return database.damage(dir, family, key, case.change);
            }
        };
        if path.is_symlink() {
            use std::os::unix::ffi::{OsStrExt, OsStringExt};
            let target = std::fs::read_link(&path)?;
            std::fs::remove_file(&path)?;
            // A link cannot be empty, nor hold a zero byte: such damage leaves none.
            let damaged = case.change.of(target.as_os_str().as_bytes()).filter(|to| !to.is_empty() && !to.contains(&0));
            return match damaged {
                Some(to) => Ok(std::os::unix::fs::symlink(std::ffi::OsString::from_vec(to), &path)?),
                None => Ok(()),
            };
        }
        let damaged = case.change.of(&std::fs::read(&path)?);
        // Removed first: the file may be shared with the undamaged home.
        std::fs::remove_file(&path)?;
        match damaged {
            Some(bytes) => Ok(std::fs::write(&path, bytes)?),
            None => Ok(()),
        }
    }
}

/// The height that an undo record is of; the first one for a damaged key.
fn height_of(key: &[u8]) -> u64 {
    key.try_into().map_or(0, u64::from_be_bytes)
}

/// A damaged home.
struct Trial<'a> {
    dir: &'a Path,
    home: Home,
    oracle: &'a Oracle,
}

impl Trial<'_> {
    fn open(&self) -> Result<Node, ferry::Error> {
        Node::open(self.dir, ferry::Options { create: false, ..self.oracle.options.clone() })
    }

    fn run(&self) -> Verdict {
        let mut node = match self.open() {
            Ok(node) => node,
            Err(error) => return Verdict::noticed(Stage::AtOpen, &error),
        };
        let height = node.height();
        let found = check::full(&node);
        let read = self.read(&node);
        let drive = self.go_on(&mut node);
        let closed = node.close();
        let mut verdict = match (found, read.error, drive.error, closed) {
            (Some(found), ..) => Verdict {
                stage: Stage::ByCheck,
                kind: Some(found.kind.to_owned()),
                said: found.said,
                wrong_read: false,
                entered: false,
            },
            (None, Some(error), ..) | (None, None, Some(error), _) | (None, None, None, Err(error)) => {
                Verdict::noticed(Stage::OnUse, &error)
            }
            (None, None, None, Ok(())) => self.unnoticed(height, read.wrong.as_deref(), drive.wrong.as_deref()),
        };
        verdict.wrong_read = read.wrong.is_some();
        verdict.entered = drive.wrong_hash;
        verdict
    }

    fn unnoticed(&self, height: u64, read: Option<&str>, drive: Option<&str>) -> Verdict {
        let (stage, said) = match read.or(drive) {
            Some(wrong) => (Stage::Unnoticed, wrong.to_owned()),
            None if height < self.home.height => (Stage::Older, format!("the home is at height {height}")),
            None => (Stage::Harmless, String::new()),
        };
        Verdict { stage, kind: None, said, wrong_read: false, entered: false }
    }

    /// Rolls the home back to the block before `height`, then drives it on.
    fn back_and_on(&self, height: u64) -> Verdict {
        match self.open().and_then(Node::close) {
            Ok(()) => {}
            Err(error) => return Verdict::noticed(Stage::AtOpen, &error),
        }
        if let Err(error) = roll_back(self.dir, height.saturating_sub(1), &self.oracle.options) {
            return Verdict::noticed(Stage::OnUse, &error);
        }
        let verdict = self.run();
        match verdict.stage {
            // Everything behind a rollback is a use; at an earlier block is where it should be.
            Stage::AtOpen => Verdict { stage: Stage::OnUse, ..verdict },
            Stage::Older => Verdict { stage: Stage::Harmless, ..verdict },
            _ => verdict,
        }
    }

    /// Compares everything that can be read with what an undisturbed node has at the node's height.
    fn read(&self, node: &Node) -> Answer {
        let height = node.height();
        let Some(expected) = self.oracle.heights.get(&height) else {
            return Answer::wrong(format!("the home is at height {height}, where it never was"));
        };
        match node.view().and_then(|view| self.oracle.seen(&view)) {
            Ok(seen) if seen == *expected => Answer::default(),
            Ok(seen) => Answer::wrong(format!("height {height}: {}", self.difference(&seen, expected))),
            Err(error) => Answer::error(error),
        }
    }

    fn difference(&self, seen: &Expected, expected: &Expected) -> String {
        if (seen.app_hash, seen.root) != (expected.app_hash, expected.root) {
            return "the app hash is another".to_owned();
        }
        let read = (0..expected.reads.len()).find(|at| seen.reads.get(*at) != expected.reads.get(*at));
        let key = read.and_then(|at| self.oracle.keys.get(at));
        key.map_or("a scan is another".to_owned(), |(module, key)| {
            format!("a read is another: module={module} key={}", hex::encode(key))
        })
    }

    /// Runs the blocks behind the node's height, and compares each hash and at last everything.
    fn go_on(&self, node: &mut Node) -> Answer {
        let last = self.home.height + self.home.goes_on;
        for height in node.height() + 1..=last {
            let Some((block, expected)) = self.oracle.blocks.get(&height).zip(self.oracle.heights.get(&height)) else {
                return Answer::wrong(format!("there is no block {height} to go on with"));
            };
            match run_block(node, block) {
                Ok(hash) if hash == expected.app_hash => {}
                Ok(_) => {
                    let wrong = Answer::wrong(format!("height {height}: the app hash is another"));
                    return Answer { wrong_hash: true, ..wrong };
                }
                Err(error) => return Answer::error(error),
            }
        }
        self.read(node)
    }
}

/// What a use of the node has shown.
#[derive(Default)]
struct Answer {
    wrong: Option<String>,
    /// Whether what is wrong is a hash.
    wrong_hash: bool,
    error: Option<ferry::Error>,
}

impl Answer {
    fn wrong(said: String) -> Self {
        Self { wrong: Some(said), ..Self::default() }
    }

    fn error(error: ferry::Error) -> Self {
        Self { error: Some(error), ..Self::default() }
    }
}
