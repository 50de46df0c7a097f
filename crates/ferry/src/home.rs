//! Where a node keeps its stores.
//!
//! ```text
//! data/state_commit/memiavl     older nodes: data/committer.db, used where it exists
//! data/state_commit/flatkv      older nodes: data/flatkv, used where it exists
//! ```

use std::path::{Path, PathBuf};

/// A node's home directory and the places of its stores in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
    memiavl: PathBuf,
    flatkv: PathBuf,
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
        Self { root, memiavl, flatkv }
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
