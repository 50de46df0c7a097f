//! The block in work: what was written since the last commit, and the ways back.

use std::mem;
use std::sync::Arc;

use changeset::{AppHash, ChangelogEntry, Handoff, Hash, NamedChangeSet, TreeNameUpgrade, append_in_order, seal_entry};

use crate::error::{Error, Result};
use crate::multitree::committed::Committed;
use crate::multitree::forest::Forest;

/// The trees as committed and as the block in work leaves them.
pub(crate) struct MultiTree {
    committed: Arc<Committed>,
    working: Forest,
    /// The entry that the block will append: its version, upgrades and changes so far.
    pending: ChangelogEntry,
    /// Whether a change failed half-way; only going back to a savepoint or dropping the block clears it.
    is_torn: bool,
}

/// The block in work at one moment.
pub struct Savepoint {
    working: Forest,
    /// Pairs that each pending changeset had.
    pairs: Vec<usize>,
    upgrades: usize,
    is_torn: bool,
}

impl MultiTree {
    /// A block on top of `forest`.
    pub(crate) fn new(forest: Forest) -> Result<Self> {
        let committed = Arc::new(Committed::hashed(forest)?);
        let working = committed.forest().clone();
        let pending = new_entry(&working);
        Ok(Self { committed, working, pending, is_torn: false })
    }

    /// The last committed version.
    pub(crate) fn committed(&self) -> &Arc<Committed> {
        &self.committed
    }

    /// The trees as the block in work leaves them.
    pub(crate) fn working(&self) -> &Forest {
        &self.working
    }

    /// The version that the block in work will have.
    pub(crate) fn next_version(&self) -> u64 {
        self.pending.version.cast_unsigned()
    }

    /// Applies changes in their order.
    pub(crate) fn apply(&mut self, changes: &[NamedChangeSet]) -> Result<()> {
        self.whole()?;
        let applied = self.working.apply(changes);
        self.is_torn = !matches!(applied, Ok(()) | Err(Error::UnknownTree { .. }));
        applied?;
        append_in_order(&mut self.pending.changesets, changes.iter().cloned());
        Ok(())
    }

    /// Puts `trees`, which have what `changes` begin with, in the place of the working ones, and applies the `rest` of them.
    pub(super) fn apply_onto(
        &mut self,
        trees: Forest,
        rest: &[NamedChangeSet],
        changes: Vec<NamedChangeSet>,
    ) -> Result<()> {
        self.working = trees;
        let applied = self.working.apply(rest);
        self.is_torn = applied.is_err();
        applied?;
        append_in_order(&mut self.pending.changesets, changes);
        Ok(())
    }

    /// Adds, renames and deletes trees. Only before the block's first changes: a replay applies upgrades first.
    pub(crate) fn upgrade(&mut self, upgrades: &[TreeNameUpgrade]) -> Result<()> {
        self.whole()?;
        if !self.pending.changesets.is_empty() {
            return Err(Error::UpgradeAfterChanges { version: self.next_version() });
        }
        self.working.upgrade(upgrades)?;
        self.pending.upgrades.extend_from_slice(upgrades);
        Ok(())
    }

    /// Names and root hashes as the block in work leaves them, in name order.
    pub(crate) fn working_roots(&mut self) -> Result<Vec<(String, Hash)>> {
        self.whole()?;
        let roots = self.working.roots()?;
        Ok(self.working.trees().iter().zip(roots).map(|(named, root)| (named.name.to_string(), root)).collect())
    }

    /// The changelog entry of the block in work.
    pub(crate) fn handoff(&self, app_hash: AppHash) -> Handoff {
        Handoff { version: self.next_version(), entry: seal_entry(&self.pending, app_hash) }
    }

    /// Computes all hashes and the state that [`publish`](Self::publish) will put in place.
    pub(crate) fn prepare(&mut self) -> Result<Arc<Committed>> {
        self.whole()?;
        // Hashed before it is shared, so that the block can go on if the version does not fit.
        self.working.roots()?;
        let mut forest = self.working.clone();
        forest.advance()?;
        Ok(Arc::new(Committed::hashed(forest)?))
    }

    /// The working state becomes the committed one.
    pub(crate) fn publish(&mut self, prepared: Arc<Committed>) {
        self.committed = prepared;
        self.discard();
    }

    /// Drops the block in work.
    pub(crate) fn discard(&mut self) {
        self.working = self.committed.forest().clone();
        self.pending = new_entry(&self.working);
        self.is_torn = false;
    }

    /// Puts other nodes under the same state: those of a newer snapshot. The block in work must be empty.
    pub(crate) fn rebase(&mut self, committed: Arc<Committed>) -> Arc<Committed> {
        let old = mem::replace(&mut self.committed, committed);
        self.discard();
        old
    }

    /// Whether nothing was written since the last commit.
    pub(crate) fn is_between_blocks(&self) -> bool {
        self.pending.changesets.is_empty() && self.pending.upgrades.is_empty() && !self.is_torn
    }

    /// The state now.
    pub(crate) fn savepoint(&self) -> Savepoint {
        Savepoint {
            working: self.working.clone(),
            pairs: self.pending.changesets.iter().map(|set| set.pairs().len()).collect(),
            upgrades: self.pending.upgrades.len(),
            is_torn: self.is_torn,
        }
    }

    /// Back to a savepoint of the same block.
    pub(crate) fn restore(&mut self, savepoint: Savepoint) {
        let Savepoint { working, pairs, upgrades, is_torn } = savepoint;
        self.working = working;
        self.pending.changesets.truncate(pairs.len());
        for (set, count) in self.pending.changesets.iter_mut().zip(pairs) {
            set.changeset.pairs.truncate(count);
        }
        self.pending.upgrades.truncate(upgrades);
        self.is_torn = is_torn;
    }

    pub(super) fn whole(&self) -> Result<()> {
        if self.is_torn { Err(Error::TornBlock { version: self.next_version() }) } else { Ok(()) }
    }
}

/// An entry for the block after `forest`, without changes.
fn new_entry(forest: &Forest) -> ChangelogEntry {
    let version = forest.next_version().cast_signed();
    ChangelogEntry { version, changesets: Vec::new(), upgrades: Vec::new() }
}
