//! Setting a key: the leaf is replaced, or split into a branch of two.

use std::cmp::Ordering;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::tree::edit::Edit;
use crate::tree::find::{Path, find};
use crate::tree::node::{At, Body, BranchKey, MemNode, NodeRef};

/// The pair to set, and how its key compares with the leaf where it belongs.
struct Pair {
    key: Bytes,
    value: Bytes,
    order: Ordering,
}

impl Edit<'_> {
    /// Sets `key` in the tree at `root`. The leaf's version rises even when the value is the same.
    pub(crate) fn set(&mut self, root: &mut Option<NodeRef>, key: Bytes, value: Bytes) -> Result<()> {
        let Some(node) = root else {
            *root = Some(self.new_leaf(key, value));
            return Ok(());
        };
        let found = find(self.base, node, &key)?;
        let (path, order) = (found.path, found.order);
        self.put(node, path, Pair { key, value, order }).map(|_height_changed| ())
    }

    /// Puts the pair at the end of `path`; says whether the subtree's height changed. Replacing never rebalances.
    fn put(&mut self, node: &mut NodeRef, mut path: Path, pair: Pair) -> Result<bool> {
        let Some(side) = path.turn() else {
            return self.put_at_leaf(node, pair);
        };
        let is_insert = pair.order != Ordering::Equal;
        let branch = self.branch_mut(node)?;
        if is_insert {
            branch.size = branch.size.checked_add(1).ok_or(Error::TooManyLeaves)?;
        }
        let height = branch.height;
        let grown = self.put(branch.child_mut(side), path, pair)?;
        // Above a subtree whose height is what it was, all balances are what they were.
        if !grown {
            return Ok(false);
        }
        Ok(self.rebalance(node)? != height)
    }

    fn put_at_leaf(&mut self, leaf: &mut NodeRef, pair: Pair) -> Result<bool> {
        let Pair { key, value, order } = pair;
        if order == Ordering::Equal {
            self.replace_value(leaf, key, value);
            return Ok(false);
        }
        let old = leaf.clone();
        *leaf = if order == Ordering::Less {
            let branch_key = leaf_key(leaf)?;
            let new = self.new_leaf(key, value);
            self.new_branch(branch_key, new, old)
        } else {
            let new = self.new_leaf(key.clone(), value);
            self.new_branch(BranchKey::Mem(key), old, new)
        };
        Ok(true)
    }
}

/// A leaf's key, as a branch carries it.
fn leaf_key(leaf: &NodeRef) -> Result<BranchKey> {
    match leaf.at() {
        At::Leaf(id) => Ok(BranchKey::Mapped(id)),
        At::Mem(MemNode { body: Body::Leaf { key, .. }, .. }) => Ok(BranchKey::Mem(key.clone())),
        At::Branch(_) | At::Mem(_) => Err(Error::MisplacedBranch),
    }
}
