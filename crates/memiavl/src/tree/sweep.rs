//! Applying changes in key order without going back to the root between them.
//!
//! The tree that comes out must be the one that single changes from the root would have made, to the bit. A change reaches
//! above a subtree by three things alone: its size, its height, and the key that an ancestor carries when the leftmost leaf
//! goes. So as long as a subtree's height stays, the next change can be made in it at once, if its key belongs there; sizes
//! are summed up on the way back, and a key that an ancestor has yet to take counts as the subtree's lower bound.

use std::cmp::Ordering;
use std::mem;
use std::ops::ControlFlow;

use changeset::KvPair;

use crate::error::{Error, Result};
use crate::tree::edit::Edit;
use crate::tree::find::{Path, Wanted, find};
use crate::tree::many::{One, Put};
use crate::tree::node::{NodeKey, NodeRef, Side};
use crate::tree::rank::Rank;

/// Changes still to make, keys strictly ascending, and the way to the leaf of the first one from where the sweep stands.
struct Sweep<'p> {
    ahead: &'p [&'p KvPair],
    path: Path,
    order: Ordering,
    /// Where the first change's key stands among the snapshot's leaves, if that was asked for.
    rank: Option<Rank>,
    /// The same of the last change made.
    last: Option<Rank>,
}

impl<'p> Sweep<'p> {
    /// The first change is made, or changes nothing: the next one is to be found.
    fn pass(&mut self) -> Option<&'p KvPair> {
        let (first, rest) = self.ahead.split_first()?;
        (self.ahead, self.last, self.rank) = (rest, self.rank, None);
        Some(first)
    }
}

/// What the changes made in a subtree mean for the nodes above.
struct Swept {
    /// Whether its height changed; nothing more was changed then.
    height_changed: bool,
    /// By how much its size changed.
    growth: i64,
    /// The smallest key, when the leftmost leaf went and no ancestor below has taken its key yet.
    low: Option<NodeKey>,
}

impl Edit<'_> {
    /// Makes the changes of `pairs`, in their order.
    pub(crate) fn apply(&mut self, root: &mut Option<NodeRef>, pairs: &[KvPair]) -> Result<()> {
        for ascending in pairs.chunk_by(|a, b| a.key < b.key) {
            let reshaping = self.set_present(root, ascending)?;
            self.sweep_all(root, &reshaping)?;
        }
        Ok(())
    }

    /// Makes the changes of `pairs`, whose keys ascend.
    pub(crate) fn sweep_all(&mut self, root: &mut Option<NodeRef>, pairs: &[&KvPair]) -> Result<()> {
        let mut ahead = pairs;
        while !ahead.is_empty() {
            ahead = self.sweep_root(root, ahead)?;
        }
        Ok(())
    }

    /// Sets the values of keys that are there, and returns the other changes.
    ///
    /// New values first, whatever stands between them: they change no shape. Which nodes have the working version in the end
    /// does not depend on it either. What puts a node on a key's way, or takes it off, touches the node.
    fn set_present<'p>(&mut self, root: &mut Option<NodeRef>, pairs: &'p [KvPair]) -> Result<Vec<&'p KvPair>> {
        let version = self.version();
        let sets = pairs.iter().filter(|pair| !pair.delete);
        let mut sets: Vec<_> = sets.map(|pair| One::new(&pair.key, Put { version, pair })).collect();
        let Some(root) = root.as_mut().filter(|_| !sets.is_empty()) else {
            return Ok(pairs.iter().collect());
        };
        let mut absent = Vec::new();
        self.set_many(root, &mut sets, &mut absent)?;
        Ok(reshaping(pairs, absent))
    }

    /// Makes one change or more, and returns those that are left.
    fn sweep_root<'p>(&mut self, root: &mut Option<NodeRef>, pairs: &'p [&'p KvPair]) -> Result<&'p [&'p KvPair]> {
        let Some((first, rest)) = pairs.split_first() else {
            return Ok(pairs);
        };
        let Some(node) = root else {
            if !first.delete {
                *root = Some(self.new_leaf(&first.key, &first.value)?);
            }
            return Ok(rest);
        };
        let mut wanted = Wanted::key(&first.key);
        let found = find(self.base, *node, &mut wanted)?;
        let mut sweep = Sweep { ahead: pairs, path: found.path, order: found.order, rank: wanted.rank(), last: None };
        if first.delete && found.order != Ordering::Equal {
            return Ok(rest);
        }
        if first.delete && found.path.is_at_leaf() {
            self.leave(found.leaf);
            *root = None;
            return Ok(rest);
        }
        // No ancestor has carried the key of the smallest leaf.
        let low = self.sweep(node, &mut sweep, None)?.low;
        low.into_iter().for_each(|low| self.leave_key(low));
        Ok(sweep.ahead)
    }

    /// Makes the first change, which belongs into the subtree at `node`, and then others as long as they belong there too and
    /// its height stays. `high` is the first key that does not belong there.
    fn sweep(&mut self, node: &mut NodeRef, sweep: &mut Sweep<'_>, high: Option<NodeKey>) -> Result<Swept> {
        let mut all = Swept { height_changed: false, growth: 0, low: None };
        loop {
            let once = self.sweep_once(node, sweep, high)?;
            all.height_changed = once.height_changed;
            all.growth += once.growth;
            if let Some(low) = once.low
                && let Some(passed) = all.low.replace(low)
            {
                self.leave_key(passed);
            }
            if all.height_changed || self.advance(*node, sweep, &all, high)?.is_break() {
                return Ok(all);
            }
        }
    }

    /// Makes the changes that belong into one child of the branch at `node`, or the change at the leaf at `node`.
    fn sweep_once(&mut self, node: &mut NodeRef, sweep: &mut Sweep<'_>, high: Option<NodeKey>) -> Result<Swept> {
        let Some(side) = sweep.path.turn() else {
            return self.put(node, sweep);
        };
        if sweep.path.is_at_leaf() && sweep.ahead.first().is_some_and(|pair| pair.delete) {
            sweep.pass();
            return self.take(node, side);
        }
        let mut branch = self.branch(*node)?;
        let height = branch.height;
        let mut swept = match side {
            Side::Left => self.sweep(&mut branch.left, sweep, Some(branch.key))?,
            Side::Right => self.sweep(&mut branch.right, sweep, high)?,
        };
        let size = i64::from(branch.size) + swept.growth;
        branch.size = u32::try_from(size).map_err(|_| Error::TooManyLeaves)?;
        branch.version = self.version();
        if side == Side::Right
            && let Some(low) = swept.low.take()
        {
            self.leave_key(mem::replace(&mut branch.key, low));
        }
        self.put_branch(node, &branch)?;
        // Above a subtree whose height is what it was, all balances are what they were.
        swept.height_changed = swept.height_changed && self.rebalance(node)? != height;
        Ok(swept)
    }

    /// Finds the next change that changes something, if it belongs into the subtree at `node`.
    fn advance(
        &self,
        node: NodeRef,
        sweep: &mut Sweep<'_>,
        all: &Swept,
        high: Option<NodeKey>,
    ) -> Result<ControlFlow<()>> {
        while let Some(next) = sweep.ahead.first() {
            if let Some(last) = sweep.last.take().filter(|_| next.delete) {
                // A migration takes one key after the other.
                sweep.rank = last.next(self.base, &next.key)?;
            }
            let mut wanted = Wanted::ranked(&next.key, sweep.rank);
            let mut order_to = |key: Option<NodeKey>| key.map(|key| wanted.order_to(self.base, key)).transpose();
            let is_above = order_to(high)?.is_some_and(Ordering::is_ge);
            if is_above || order_to(all.low)?.is_some_and(Ordering::is_lt) {
                sweep.rank = wanted.rank();
                return Ok(ControlFlow::Break(()));
            }
            let found = find(self.base, node, &mut wanted)?;
            sweep.rank = wanted.rank();
            if !next.delete || found.order == Ordering::Equal {
                (sweep.path, sweep.order) = (found.path, found.order);
                return Ok(ControlFlow::Continue(()));
            }
            // An absent key changes nothing, not even a version.
            sweep.pass();
        }
        Ok(ControlFlow::Break(()))
    }

    /// Sets the pair at the leaf where it belongs: replaces the leaf, whose version rises even when the value is the same, or
    /// splits it into a branch of two, where the old leaf keeps its version and hash.
    fn put(&mut self, leaf: &mut NodeRef, sweep: &mut Sweep<'_>) -> Result<Swept> {
        let pair = sweep.pass().ok_or(Error::MisplacedLeaf)?;
        if sweep.order == Ordering::Equal {
            self.replace_value(leaf, self.version(), &pair.value)?;
            return Ok(Swept { height_changed: false, growth: 0, low: None });
        }
        let (old, new) = (*leaf, self.new_leaf(&pair.key, &pair.value)?);
        *leaf = if sweep.order == Ordering::Less {
            let key = self.leaf_key(old)?;
            let key = self.copied_key(key)?;
            self.new_branch(key, new, old)?
        } else {
            let key = self.new_key(&pair.key)?;
            self.new_branch(key, old, new)?
        };
        Ok(Swept { height_changed: true, growth: 1, low: None })
    }

    /// The leaf on `side` of the branch at `node` goes; the other child stands in the branch's place as it is. If the left
    /// one went, the ancestor that carried its key takes the next one.
    fn take(&mut self, node: &mut NodeRef, side: Side) -> Result<Swept> {
        let branch = self.branch(*node)?;
        let (stays, goes, low) = match side {
            Side::Left => (branch.right, branch.left, Some(branch.key)),
            Side::Right => (branch.left, branch.right, None),
        };
        if low.is_none() {
            self.leave_key(branch.key);
        }
        self.leave(goes);
        self.leave_branch(*node);
        *node = stays;
        Ok(Swept { height_changed: true, growth: -1, low })
    }

    /// A leaf's key.
    fn leaf_key(&self, leaf: NodeRef) -> Result<NodeKey> {
        match leaf {
            NodeRef::Leaf(id) => Ok(NodeKey::Mapped(id)),
            NodeRef::Mem(place) => Ok(self.base.mem_leaf(place)?.key),
            NodeRef::Branch(_) => Err(Error::MisplacedBranch),
        }
    }
}

/// The removals among `pairs`, and `added`, which are some of them in their order.
pub(crate) fn reshaping<'p>(pairs: &'p [KvPair], added: Vec<&'p KvPair>) -> Vec<&'p KvPair> {
    let mut added = added.into_iter().peekable();
    let is_one = |pair: &&KvPair| pair.delete || added.next_if(|other| std::ptr::eq(*other, *pair)).is_some();
    pairs.iter().filter(is_one).collect()
}
