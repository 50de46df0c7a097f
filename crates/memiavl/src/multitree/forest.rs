//! The trees of one version, in name order.

use std::sync::Arc;

use changeset::{ChangelogEntry, Hash, NamedChangeSet};
use memiavl_iter::Snapshot;

use crate::beside::beside;
use crate::error::{Error, Result};
use crate::tree::{Tree, Unhashed, narrow, next_version};

/// Fewer changes than this are not worth a thread: starting one takes as long as some 30 of them.
const PAIRS_PER_THREAD_MIN: usize = 128;
/// Fewer parts than this are no more than the ways to a few leaves.
const PARTS_MIN: usize = 12;

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

    /// Whether both have the very same nodes at the same version.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        let is_same = |(a, b): (&NamedTree, &NamedTree)| a.name == b.name && a.tree.is_same_as(&b.tree);
        let mut trees = self.trees.iter().zip(&other.trees);
        self.version == other.version && self.trees.len() == other.trees.len() && trees.all(is_same)
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
        let of = |name: &str| -> Vec<_> { changes.iter().filter(|set| set.name == name).collect() };
        let changed = self.trees.iter_mut().map(|named| (of(&named.name), &mut named.tree));
        let mut changed: Vec<_> = changed.filter(|(sets, _)| !sets.is_empty()).collect();
        // The tree with most to do, and beside it all others. What becomes of a tree depends on no other one.
        let pairs = |sets: &[&NamedChangeSet]| sets.iter().map(|set| set.pairs().len()).sum::<usize>();
        changed.sort_by_key(|(sets, _)| std::cmp::Reverse(pairs(sets)));
        let (largest, others) = match changed.split_first_mut() {
            Some((largest, others)) => (std::slice::from_mut(largest), others),
            None => return Ok(()),
        };
        let beside_it = others.iter().map(|(sets, _)| pairs(sets)).sum::<usize>();
        let (largest, others) =
            beside(beside_it >= PAIRS_PER_THREAD_MIN, || apply_each(largest), || apply_each(others));
        largest.and(others)
    }

    /// The root hashes in name order; afterwards every node has its hash.
    pub(crate) fn roots(&mut self) -> Result<Vec<Hash>> {
        let mut parts: Vec<_> = self.trees.iter_mut().flat_map(|named| named.tree.unhashed_parts()).collect();
        if parts.len() >= PARTS_MIN {
            let half = parts.len() / 2;
            let (here, there) = parts.split_at_mut(half);
            let (here, there) = beside(true, || hash_each(here), || hash_each(there));
            here.and(there)?;
        }
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

fn apply_each(changed: &mut [(Vec<&NamedChangeSet>, &mut Tree)]) -> Result<()> {
    for (sets, tree) in changed {
        sets.iter().try_for_each(|set| tree.apply(set.pairs()))?;
    }
    Ok(())
}

fn hash_each(parts: &mut [Unhashed<'_>]) -> Result<()> {
    parts.iter_mut().try_for_each(Unhashed::hash)
}
