//! Where a node keeps its stores.
//!
//! ```text
//! data/state_commit/memiavl     older nodes: data/committer.db, used where it exists
//! data/state_commit/flatkv      older nodes: data/flatkv, used where it exists
//! data/state_commit/ferry.lock  held by the one process that has the home open for writing
//! data/state_commit/next/       stores being built, to replace present ones whole, see replace.rs
//! data/state_commit/restore/    a state being received, see restore/staging.rs
//! data/state_commit/SWITCH      they are whole and take the others' places
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use memiavl::{Lock, LockState};

use crate::error::Error;
use crate::reclaim;

/// A node's home directory and the places of its stores in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
    memiavl: PathBuf,
    flatkv: PathBuf,
    state_commit: PathBuf,
}

impl Home {
    /// Finds the stores' places below `root`; looks, and makes nothing.
    pub fn locate(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let place = |present: &str, older: &str| {
            let older = root.join(older);
            if older.exists() { older } else { root.join(present) }
        };
        let memiavl = place("data/state_commit/memiavl", "data/committer.db");
        let flatkv = place("data/state_commit/flatkv", "data/flatkv");
        let state_commit = root.join("data/state_commit");
        Self { root, memiavl, flatkv, state_commit }
    }

    /// The same home with its stores at other places.
    pub(crate) fn with_stores(&self, memiavl: PathBuf, flatkv: PathBuf) -> Self {
        Self { memiavl, flatkv, ..self.clone() }
    }

    /// The home itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// memiavl's directory.
    pub fn memiavl(&self) -> &Path {
        &self.memiavl
    }

    /// FlatKV's directory.
    pub fn flatkv(&self) -> &Path {
        &self.flatkv
    }

    /// Where stores are built that replace present ones.
    pub fn next(&self) -> PathBuf {
        self.state_commit.join("next")
    }

    /// Where a state is received that is to replace the present one.
    pub(crate) fn restore(&self) -> PathBuf {
        self.state_commit.join("restore")
    }

    /// Whether a replacement of stores has happened here that the next opening finishes: what stands in their places may be
    /// what was before.
    pub fn is_being_replaced(&self) -> bool {
        self.switch().exists()
    }

    /// The file that says that what was built takes its place.
    pub(crate) fn switch(&self) -> PathBuf {
        self.state_commit.join("SWITCH")
    }

    /// Fails unless there is something of a node here. Looks, and makes nothing.
    ///
    /// # Errors
    /// [`Error::NoNode`].
    pub(crate) fn check_present(&self) -> Result<(), Error> {
        let is_there = holds_something(&self.memiavl) || holds_something(&self.flatkv) || self.switch().exists();
        let no_node = || Error::NoNode { home: self.root.clone(), expected: self.memiavl.clone() };
        is_there.then_some(()).ok_or_else(no_node)
    }

    /// Whether a process has the home or its memiavl open for writing. Looks, and takes no lock.
    ///
    /// # Errors
    /// I/O.
    pub fn writer(&self) -> Result<LockState, Error> {
        for lock in [self.state_commit.join("ferry.lock"), self.memiavl.join("LOCK")] {
            let found = Lock::look(&lock)?;
            if found != LockState::Free {
                return Ok(found);
            }
        }
        Ok(LockState::Free)
    }

    /// Takes the lock on the whole home: over both stores, and over replacing one.
    ///
    /// # Errors
    /// A home that another process has open for writing, naming it where the system tells; I/O.
    pub(crate) fn lock(&self) -> Result<Lock, Error> {
        let io = |action, path: &Path, source| Error::Io { action, path: path.to_owned(), source };
        fs::create_dir_all(&self.state_commit).map_err(|source| io("create", &self.state_commit, source))?;
        // Also where they stood: a process that was killed may have made them and not come to syncing them.
        for dir in self.state_commit.ancestors().skip(1).take_while(|dir| dir.starts_with(&self.root)) {
            reclaim::sync_dir(dir).map_err(|source| io("sync", dir, source))?;
        }
        Ok(Lock::acquire(&self.state_commit.join("ferry.lock"))?)
    }
}

/// Whether there is a directory that is not empty. What it holds is found out when it is opened.
pub(crate) fn holds_something(dir: &Path) -> bool {
    fs::read_dir(dir).map_or(dir.exists(), |mut entries| entries.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_places_are_used_where_they_exist() {
        let dir = tempfile::tempdir().expect("a directory");
        let present = Home::locate(dir.path());
        assert_eq!(present.memiavl(), dir.path().join("data/state_commit/memiavl"));
        std::fs::create_dir_all(dir.path().join("data/committer.db")).expect("a directory");
        let older = Home::locate(dir.path());
        assert_eq!(older.memiavl(), dir.path().join("data/committer.db"));
        assert_eq!(older.flatkv(), dir.path().join("data/state_commit/flatkv"));
    }
}
