//! The trees of the next block, worked on beside the commit of the present one.

use changeset::{KvPair, NamedChangeSet};

use crate::error::Result;
use crate::multitree::{Forest, MultiTree};

/// A copy of the trees as the block in work leaves them, and what was written to it as of the next block.
pub struct Ahead {
    /// The trees as they were, which the next block must begin with.
    from: Forest,
    trees: Forest,
    written: Vec<NamedChangeSet>,
    /// Whether a write failed half-way.
    is_torn: bool,
}

impl Ahead {
    /// The trees with what was written.
    pub(crate) fn trees(&self) -> &Forest {
        &self.trees
    }

    /// Applies changes in their order.
    pub(crate) fn apply(&mut self, changes: &[NamedChangeSet]) -> Result<()> {
        let applied = self.trees.apply(changes);
        self.is_torn |= applied.is_err();
        self.written.extend_from_slice(changes);
        applied
    }
}

impl MultiTree {
    /// The trees of the block after this one, as this one leaves them.
    pub(crate) fn ahead(&self) -> Result<Ahead> {
        self.whole()?;
        let mut from = self.working().clone();
        from.advance()?;
        Ok(Ahead { trees: from.clone(), from, written: Vec::new(), is_torn: false })
    }

    /// Whether the block in work begins with the very nodes that `ahead` began with, and has no change yet.
    pub(crate) fn is_begun_by(&self, ahead: &Ahead) -> bool {
        self.is_between_blocks() && !ahead.is_torn && self.working().is_same_as(&ahead.from)
    }

    /// Applies changes; those that they begin with are taken from `ahead`, if it has them.
    pub(crate) fn apply_from(&mut self, ahead: Ahead, changes: Vec<NamedChangeSet>) -> Result<()> {
        match behind(&ahead.written, &changes).filter(|_| self.is_begun_by(&ahead)) {
            Some(rest) => self.apply_onto(ahead.trees, &rest, changes),
            None => self.apply(&changes),
        }
    }
}

/// What `changes` have behind `written`: none unless each module of that has one changeset in either, and there the same pairs
/// come first.
fn behind(written: &[NamedChangeSet], changes: &[NamedChangeSet]) -> Option<Vec<NamedChangeSet>> {
    let of = |sets: &[NamedChangeSet], name: &str| sets.iter().filter(|set| set.name == name).count();
    if written.iter().any(|done| of(written, &done.name) != 1 || of(changes, &done.name) != 1) {
        return None;
    }
    let rest = changes.iter().map(|set| {
        let done = written.iter().find(|done| done.name == set.name).map_or(&[][..], NamedChangeSet::pairs);
        let (begun, rest) = set.pairs().split_at_checked(done.len())?;
        let is_same = begun.iter().zip(done).all(|(pair, done)| is_same(pair, done));
        is_same.then(|| NamedChangeSet::new(set.name.clone(), rest.to_vec()))
    });
    rest.collect()
}

/// Whether both are the same change.
fn is_same(a: &KvPair, b: &KvPair) -> bool {
    // Nearly always they share their bytes, which then need not be read.
    let bytes = |a: &[u8], b: &[u8]| std::ptr::eq(a, b) || a == b;
    a.delete == b.delete && bytes(&a.key, &b.key) && bytes(&a.value, &b.value)
}
