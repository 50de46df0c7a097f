//! The trees of one version, in name order.

use std::sync::Arc;

use changeset::{ChangelogEntry, Hash, NamedChangeSet};
use memiavl_iter::Snapshot;

use crate::error::{Error, Result};
use crate::tree::{Tree, narrow, next_version};

/// A tree and its name.
#[derive(Clone, Debug)]
pub(crate) struct NamedTree {
    pub(crate) name: Arc<str>,
    pub(crate) tree: Tree,
}

/// The trees of one version. A clone shares all nodes and never changes with the original.
#[derive(Clone, Debug)]
pub(crate) struct Forest {
    version: u32,
    initial_version: u32,
    /// In byte order of the names, no name twice.
    pub(super) trees: Vec<NamedTree>,
}

impl Forest {
    /// The trees as a snapshot has them.
    pub(crate) fn mapped(snapshot: &Snapshot) -> Result<Self> {
        let (version, initial_version) = (narrow(snapshot.version())?, snapshot.initial_version());
        let trees = snapshot.trees().iter().map(|(name, tree)| NamedTree {
            name: name.as_str().into(),
            tree: Tree::mapped(Arc::clone(tree), initial_version),
        });
        Ok(Self { version, initial_version, trees: trees.collect() })
    }

    /// No trees, nothing committed.
    #[cfg(test)]
    pub(crate) fn empty(initial_version: u32) -> Self {
        Self { version: 0, initial_version, trees: Vec::new() }
    }

    /// The version of the last commit; 0 before the first.
    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    /// The version of the first commit.
    pub(crate) fn initial_version(&self) -> u32 {
        self.initial_version
    }

    /// The version that the next commit will have.
    pub(crate) fn next_version(&self) -> u64 {
        next_version(self.version, self.initial_version)
    }

    /// The trees, in name order.
    pub(crate) fn trees(&self) -> &[NamedTree] {
        &self.trees
    }

    /// The same trees, those named by `emptied` with no leaf in them.
    pub(crate) fn emptied(&self, emptied: &[&str]) -> Self {
        let tree = |named: &NamedTree| match emptied.contains(&&*named.name) {
            true => NamedTree { name: Arc::clone(&named.name), tree: named.tree.emptied() },
            false => named.clone(),
        };
        Self { trees: self.trees.iter().map(tree).collect(), ..*self }
    }

    /// The tree `name`.
    pub(crate) fn tree(&self, name: &str) -> Option<&Tree> {
        self.position(name).map(|at| &self.trees[at].tree)
    }

    /// Memory that changed nodes take.
    pub(crate) fn mem_bytes(&self) -> u64 {
        self.trees.iter().map(|named| named.tree.mem_bytes()).sum()
    }

    /// Applies changes in their order. A store that does not exist is refused before anything changes.
    pub(crate) fn apply(&mut self, changes: &[NamedChangeSet]) -> Result<()> {
        if let Some(unknown) = changes.iter().find(|set| self.position(&set.name).is_none()) {
            return Err(Error::UnknownTree { name: unknown.name.clone(), version: self.next_version() });
        }
        for set in changes {
            if let Some(at) = self.position(&set.name) {
                self.trees[at].tree.apply(set.pairs())?;
            }
        }
        Ok(())
    }

    /// The root hashes in name order; afterwards every node has its hash.
    pub(crate) fn roots(&mut self) -> Result<Vec<Hash>> {
        self.trees.iter_mut().map(|named| named.tree.root_hash()).collect()
    }

    /// Every tree's version rises, changed or not.
    pub(crate) fn advance(&mut self) -> Result<()> {
        self.version = narrow(self.next_version())?;
        self.trees.iter_mut().try_for_each(|named| named.tree.advance())
    }

    /// Replays the changelog's entry of the next version: upgrades, changes, the version.
    pub(crate) fn replay(&mut self, entry: &ChangelogEntry) -> Result<()> {
        let expected = self.next_version();
        let got = entry.version.cast_unsigned();
        if got != expected {
            return Err(Error::EntryVersion { expected, got });
        }
        self.upgrade(&entry.upgrades)?;
        self.apply(&entry.changesets)?;
        self.advance()
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.trees.binary_search_by(|named| (*named.name).cmp(name)).ok()
    }
}
