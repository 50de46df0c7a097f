//! A committed version: what views read.

use changeset::{CommitInfo, Hash};

use crate::multitree::forest::Forest;

/// A committed version and its root hashes.
///
/// INVARIANT: every node in it has its hash, and none of them will change again.
#[derive(Debug)]
pub(crate) struct Committed {
    forest: Forest,
    roots: Vec<Hash>,
}

impl Committed {
    /// `forest` with the root hashes that it was just asked for.
    pub(super) fn new(forest: Forest, roots: Vec<Hash>) -> Self {
        Self { forest, roots }
    }

    pub(crate) fn version(&self) -> u64 {
        self.forest.version().into()
    }

    pub(crate) fn forest(&self) -> &Forest {
        &self.forest
    }

    /// Names and root hashes, in name order.
    pub(crate) fn roots(&self) -> impl Iterator<Item = (&str, Hash)> {
        self.forest.trees().iter().zip(&self.roots).map(|(named, root)| (&*named.name, *root))
    }

    /// The commit info of memiavl's trees alone.
    pub(crate) fn commit_info(&self) -> CommitInfo {
        CommitInfo::new(self.version(), self.roots())
    }
}
