//! A committed version: what views read.

use changeset::{CommitInfo, Hash};

use crate::error::Result;
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
    /// `forest`, all hashed.
    pub(crate) fn hashed(forest: Forest) -> Result<Self> {
        let roots = forest.roots()?;
        forest.seal();
        Ok(Self { forest, roots })
    }

    pub(crate) fn version(&self) -> u64 {
        self.forest.version().into()
    }

    pub(crate) fn forest(&self) -> &Forest {
        &self.forest
    }

    /// Bytes of the snapshot that the trees stand on.
    pub(crate) fn snapshot_bytes(&self) -> u64 {
        self.forest.trees().iter().filter_map(|named| named.tree.mapped_base()).map(|base| base.bytes()).sum()
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
