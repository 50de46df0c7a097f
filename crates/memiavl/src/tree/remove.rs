//! Removing a key: the sibling takes the parent's place, and the ancestor that carries the key takes the next one.

use std::cmp::Ordering;

use crate::error::{Error, Result};
use crate::tree::edit::Edit;
use crate::tree::find::{Path, find};
use crate::tree::node::{At, Body, BranchKey, MemNode, NodeRef, Side};

/// What a removal below means for the nodes above.
struct Removed {
    height_changed: bool,
    /// The next key, when the leftmost leaf went and no ancestor below has taken it yet.
    next_key: Option<BranchKey>,
}

impl Edit<'_> {
    /// Removes `key` from the tree at `root`; an absent key changes nothing. Says whether it was there.
    pub(crate) fn remove(&mut self, root: &mut Option<NodeRef>, key: &[u8]) -> Result<bool> {
        let Some(node) = root else {
            return Ok(false);
        };
        let found = find(self.base, node, key)?;
        if found.order != Ordering::Equal {
            return Ok(false);
        }
        let path = found.path;
        self.forget(found.leaf);
        if path.is_at_leaf() {
            *root = None;
        } else {
            self.take(node, path)?;
        }
        Ok(true)
    }

    /// Takes away the leaf at the end of `path`, which is not `node` itself.
    fn take(&mut self, node: &mut NodeRef, mut path: Path) -> Result<Removed> {
        let side = path.turn().ok_or(Error::MisplacedLeaf)?;
        if path.is_at_leaf() {
            return self.take_sibling(node, side);
        }
        let branch = self.branch_mut(node)?;
        branch.size -= 1;
        let height = branch.height;
        let mut removed = self.take(branch.child_mut(side), path)?;
        if side == Side::Right
            && let Some(key) = removed.next_key.take()
        {
            branch.key = key;
        }
        if removed.height_changed {
            removed.height_changed = self.rebalance(node)? != height;
        }
        Ok(removed)
    }

    /// The leaf on `side` of the branch at `node` goes; the other child stands in the branch's place as it is.
    fn take_sibling(&mut self, node: &mut NodeRef, side: Side) -> Result<Removed> {
        self.forget(node.at());
        let (left, right, key) = match node.at() {
            At::Branch(id) => {
                let branch = self.base.snapshot().branch(id)?;
                (branch.left.into(), branch.right.into(), BranchKey::Mapped(branch.key_leaf))
            }
            At::Mem(MemNode { body: Body::Branch(branch), .. }) => {
                (branch.left.clone(), branch.right.clone(), branch.key.clone())
            }
            At::Leaf(_) | At::Mem(_) => return Err(Error::MisplacedLeaf),
        };
        let next_key = match side {
            Side::Left => Some(key),
            Side::Right => None,
        };
        *node = if side == Side::Left { right } else { left };
        Ok(Removed { height_changed: true, next_key })
    }
}
