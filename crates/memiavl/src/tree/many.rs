//! Many keys of one tree at once: each branch on the way to any of them is met once for all of them.

use beside::beside;
use changeset::KvPair;

use crate::error::Result;
use crate::tree::base::Base;
use crate::tree::edit::Edit;
use crate::tree::find::Wanted;
use crate::tree::node::{MemNode, NodeKey, NodeRef};

/// Fewer lookups than this are not worth a thread: starting one took as long as some 50 of them, before there was a pool.
const KEYS_PER_THREAD_MIN: usize = 128;
/// Fewer new values than this stay on one thread. So that the 250 that a block of the benches has in a tree part; no finer
/// measured.
const SETS_PER_THREAD_MIN: usize = 96;

/// A key among others, which ascend.
pub(crate) struct One<'k, T> {
    wanted: Wanted<'k>,
    /// What is asked about it.
    about: T,
}

impl<'k, T> One<'k, T> {
    pub(crate) fn new(key: &'k [u8], about: T) -> Self {
        Self { wanted: Wanted::key(key), about }
    }

    /// What is asked about it.
    pub(crate) fn about(&self) -> &T {
        &self.about
    }

    /// The same key, with what is known of its place.
    pub(crate) fn map<U>(self, about: impl FnOnce(T) -> U) -> One<'k, U> {
        One { wanted: self.wanted, about: about(self.about) }
    }
}

/// Keys on both sides of a branch's.
type Halves<'s, 'k, T> = (&'s mut [One<'k, T>], &'s mut [One<'k, T>]);

/// The keys below a branch's, and the others.
fn split<'s, 'k, T>(base: Base<'_>, keys: &'s mut [One<'k, T>], branch: NodeKey) -> Result<Halves<'s, 'k, T>> {
    let (mut low, mut high) = (0, keys.len());
    while low < high {
        let middle = low + (high - low) / 2;
        if keys[middle].wanted.order_to(base, branch)?.is_lt() {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(keys.split_at_mut(low))
}

/// Tells of each of `keys`, which ascend, whether the tree at `root` has it. The leaves that the answers rest on are checked.
pub(crate) fn contains_all(base: Base<'_>, root: Option<NodeRef>, keys: &mut [One<'_, &mut bool>]) -> Result<()> {
    let Some(root) = root else {
        keys.iter_mut().for_each(|one| *one.about = false);
        return Ok(());
    };
    let half = keys.len() / 2;
    let (low, high) = keys.split_at_mut(half);
    // A lookup waits for memory most of its time, so two threads take half of it.
    let (low, high) =
        beside(half >= KEYS_PER_THREAD_MIN, || contains_many(base, root, low), || contains_many(base, root, high));
    low.and(high)
}

/// Tells of each of `keys` whether the subtree at `at` has it. The leaves that the answers rest on are checked.
fn contains_many(base: Base<'_>, at: NodeRef, keys: &mut [One<'_, &mut bool>]) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let NodeRef::Mem(place) = at else {
        return keys.iter_mut().try_for_each(|one| {
            *one.about = one.wanted.is_below(base, at)?;
            Ok(())
        });
    };
    match base.lines().node(place) {
        MemNode::Leaf(leaf) => keys.iter_mut().try_for_each(|one| {
            *one.about = one.wanted.order_to(base, leaf.key)?.is_eq();
            Ok(())
        }),
        MemNode::Branch(branch) => {
            let (below, others) = split(base, keys, branch.key)?;
            contains_many(base, branch.left, below)?;
            contains_many(base, branch.right, others)
        }
    }
}

/// A new value, and the version that it comes with.
#[derive(Clone, Copy)]
pub(crate) struct Put<'p> {
    pub(crate) version: u32,
    pub(crate) pair: &'p KvPair,
}

impl Edit<'_> {
    /// Sets the values of those of `sets`, whose keys ascend, that are there; the others are appended to `absent`. Returns the
    /// newest version of all of them.
    ///
    /// INVARIANT: whoever calls this sets the absent ones too. A branch on the way to one of them has its version afterwards,
    /// as it would from that.
    pub(crate) fn set_many<'p>(
        &mut self,
        node: &mut NodeRef,
        sets: &mut [One<'p, Put<'p>>],
        absent: &mut Vec<&'p KvPair>,
    ) -> Result<u32> {
        if sets.is_empty() {
            return Ok(0);
        }
        if let Some(mut branch) = self.branch_if_any(*node)? {
            let (below, others) = split(self.base, sets, branch.key)?;
            let (left, right) = (&mut branch.left, &mut branch.right);
            let smaller = below.len().min(others.len());
            let is_worth_it = smaller >= SETS_PER_THREAD_MIN && smaller >= (below.len() + others.len()) / 4;
            let (low, high) = if is_worth_it {
                let mut behind = Vec::new();
                let newest = self
                    .part(|edit| edit.set_many(left, below, absent), |edit| edit.set_many(right, others, &mut behind));
                absent.append(&mut behind);
                newest
            } else {
                (self.set_many(left, below, absent), self.set_many(right, others, absent))
            };
            let newest = low?.max(high?);
            branch.version = newest.max(branch.version);
            self.put_branch(node, &branch)?;
            return Ok(newest);
        }
        let mut newest = 0;
        for one in sets {
            let Put { version, pair } = one.about;
            let is_its = match *node {
                NodeRef::Mem(place) => one.wanted.order_to(self.base, self.base.mem_leaf(place)?.key)?.is_eq(),
                at => one.wanted.is_below(self.base, at)?,
            };
            if is_its {
                self.replace_value(node, version, &pair.value)?;
            } else {
                absent.push(pair);
            }
            newest = newest.max(version);
        }
        Ok(newest)
    }
}
