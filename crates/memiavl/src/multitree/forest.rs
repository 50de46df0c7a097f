//! The trees of one version, in name order.

use std::sync::Arc;

use beside::{beside, each};
use changeset::{ChangelogEntry, Hash, KvPair, NamedChangeSet};
use memiavl_iter::Snapshot;

use crate::error::{Error, Result};
use crate::tree::{FailedAt, Tree, Unhashed, narrow, next_version};

/// Fewer changes than this are not worth a thread: starting one took as long as some 30 of them, before
/// there was a pool.
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
    pub(crate) fn roots(&self) -> Result<Vec<Hash>> {
        let parts: Vec<_> = self.trees.iter().flat_map(|named| named.tree.unhashed_parts()).collect();
        if parts.len() >= PARTS_MIN {
            each(parts.iter(), Unhashed::hash).into_iter().collect::<Result<()>>()?;
        }
        self.trees.iter().map(|named| named.tree.root_hash()).collect()
    }

    /// Every tree's version rises, changed or not.
    pub(crate) fn advance(&mut self) -> Result<()> {
        self.version = narrow(self.next_version())?;
        self.trees.iter_mut().try_for_each(|named| named.tree.advance())
    }

    /// Replays the changelog's entry of the next version: upgrades, changes, the version.
    pub(crate) fn replay(&mut self, entry: &ChangelogEntry) -> Result<()> {
        self.replay_together(std::slice::from_ref(entry)).map_err(|(_, error)| error)
    }

    /// Replays the changelog's entries of the next versions. From one upgrade to the next, each tree goes on by itself.
    pub(crate) fn replay_all(&mut self, mut entries: &[ChangelogEntry]) -> Result<()> {
        while let Some((_, rest)) = entries.split_first() {
            let count = 1 + rest.iter().take_while(|entry| entry.upgrades.is_empty()).count();
            let (together, behind) = entries.split_at(count);
            let first = self.next_version();
            let error = |(at, source)| Error::Replay { version: first + at as u64, source: Box::new(source) };
            self.replay_together(together).map_err(error)?;
            entries = behind;
        }
        Ok(())
    }

    /// Replays entries of which the first alone may have upgrades. An error comes with the place of the first entry that has
    /// one.
    fn replay_together(&mut self, entries: &[ChangelogEntry]) -> std::result::Result<(), FailedAt> {
        let fits = |(entry, version): &(&ChangelogEntry, u64)| entry.version.cast_unsigned() == *version;
        let in_turn = entries.iter().zip(self.next_version()..).take_while(fits).count();
        let (in_turn, others) = entries.split_at(in_turn);
        if let Some(first) = in_turn.first() {
            self.upgrade(&first.upgrades).map_err(|error| (0, error))?;
        }
        let unknown = |entry: &ChangelogEntry| {
            entry.changesets.iter().find(|set| self.position(&set.name).is_none()).map(|set| set.name.clone())
        };
        let known = in_turn.iter().take_while(|entry| unknown(entry).is_none()).count();
        let unknown = in_turn.get(known).and_then(unknown);
        self.replay_trees(&in_turn[..known])?;
        match (unknown, others.first()) {
            (Some(name), _) => Err((known, Error::UnknownTree { name, version: self.next_version() })),
            (None, Some(other)) => {
                let (expected, got) = (self.next_version(), other.version.cast_unsigned());
                Err((known, Error::EntryVersion { expected, got }))
            }
            (None, None) => Ok(()),
        }
    }

    /// Takes every tree through the changes of `entries`, and the version with them.
    fn replay_trees(&mut self, entries: &[ChangelogEntry]) -> std::result::Result<(), FailedAt> {
        let pairs =
            |name: &str| -> usize { entries.iter().flat_map(|entry| changes_of(entry, name)).map(<[_]>::len).sum() };
        let mut trees: Vec<_> = self.trees.iter_mut().map(|named| (pairs(&named.name), named)).collect();
        trees.sort_by_key(|(pairs, _)| std::cmp::Reverse(*pairs));
        // The largest first, each to whom has less to do.
        let (mut here, mut there) = ((0, Vec::new()), (0, Vec::new()));
        for (pairs, named) in trees {
            let whose = if there.0 < here.0 { &mut there } else { &mut here };
            whose.0 += pairs;
            whose.1.push(named);
        }
        let is_worth_it = there.0 >= PAIRS_PER_THREAD_MIN;
        let (here, there) = beside(is_worth_it, || replay_each(here.1, entries), || replay_each(there.1, entries));
        let first = [here, there].into_iter().filter_map(|replayed| replayed.err()).min_by_key(|(at, _)| *at);
        first.map_or(Ok(()), Err)?;
        for at in 0..entries.len() {
            self.version = narrow(self.next_version()).map_err(|error| (at, error))?;
        }
        Ok(())
    }

    /// The trees follow those that were sealed before.
    pub(super) fn seal(&self) {
        self.trees.iter().for_each(|named| named.tree.seal());
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

fn replay_each(trees: Vec<&mut NamedTree>, entries: &[ChangelogEntry]) -> std::result::Result<(), FailedAt> {
    let one = |named: &mut NamedTree| {
        let sets = |entry| changes_of(entry, &named.name).collect();
        named.tree.replay(&entries.iter().map(sets).collect::<Vec<_>>())
    };
    // All of them, whatever one says: the first entry that does not fit may be another tree's.
    let failed = trees.into_iter().filter_map(|named| one(named).err()).min_by_key(|(at, _)| *at);
    failed.map_or(Ok(()), Err)
}

/// The entry's changes to the tree `name`.
fn changes_of<'e>(entry: &'e ChangelogEntry, name: &str) -> impl Iterator<Item = &'e [KvPair]> {
    entry.changesets.iter().filter(move |set| set.name == name).map(NamedChangeSet::pairs)
}
