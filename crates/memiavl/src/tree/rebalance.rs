//! Rotations: what keeps both sides of a branch within one level of each other.

use crate::error::{Error, Result};
use crate::tree::edit::Edit;
use crate::tree::node::{MemBranch, NodeRef, Side};

impl Side {
    fn opposite(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

impl Edit<'_> {
    /// Brings the branch at `node`, which the change has touched already, into balance after a child's height changed.
    /// Returns the height of what then stands there.
    pub(crate) fn rebalance(&mut self, node: &mut NodeRef) -> Result<u8> {
        let mut branch = self.branch(*node)?;
        let (left, right) = (self.height(branch.left)?, self.height(branch.right)?);
        let heavy = match i32::from(left) - i32::from(right) {
            2.. => Side::Left,
            ..=-2 => Side::Right,
            _ => {
                branch.height = left.max(right) + 1;
                self.put_branch(node, &branch)?;
                return Ok(branch.height);
            }
        };
        if self.leans_inward(branch.child(heavy), heavy)? {
            self.rotate(branch.child_mut(heavy), heavy)?;
            self.put_branch(node, &branch)?;
        }
        self.rotate(node, heavy.opposite())
    }

    /// Whether the `heavy` child of an unbalanced branch is itself heavier on its inner side. An even one is not.
    fn leans_inward(&self, child: NodeRef, heavy: Side) -> Result<bool> {
        let (left, right) = self.base.children(child)?.ok_or(Error::MisplacedLeaf)?;
        let (left, right) = (self.height(left)?, self.height(right)?);
        Ok(match heavy {
            Side::Left => left < right,
            Side::Right => left > right,
        })
    }

    /// Turns the subtree at `node` towards `side`: the child of the other side comes up and takes the node as its child.
    /// Returns its height.
    fn rotate(&mut self, node: &mut NodeRef, side: Side) -> Result<u8> {
        let up = side.opposite();
        let (mut sunk, mut sinks) = (*node, self.branch(*node)?);
        let (mut raised, mut rises) = (sinks.child(up), self.branch(sinks.child(up))?);
        *sinks.child_mut(up) = rises.child(side);
        self.measure(&mut sinks)?;
        self.put_branch(&mut sunk, &sinks)?;
        *rises.child_mut(side) = sunk;
        self.measure(&mut rises)?;
        self.put_branch(&mut raised, &rises)?;
        *node = raised;
        Ok(rises.height)
    }

    /// Takes height and size of a branch from its children; the change has touched it.
    fn measure(&self, branch: &mut MemBranch) -> Result<()> {
        let (left, right) = (self.base.shape(branch.left)?, self.base.shape(branch.right)?);
        branch.height = left.height.max(right.height) + 1;
        branch.size = left.size.checked_add(right.size).ok_or(Error::TooManyLeaves)?;
        branch.version = self.version();
        Ok(())
    }

    /// The height of a subtree. What is turned depends on it, and a mapped one need not be taken into memory for that.
    fn height(&self, node: NodeRef) -> Result<u8> {
        match node {
            NodeRef::Branch(index) => {
                let branch = self.base.branch(index)?;
                self.base.snapshot().verify_branch(&branch)?;
                Ok(branch.height)
            }
            NodeRef::Leaf(_) | NodeRef::Mem(_) => Ok(self.base.shape(node)?.height),
        }
    }
}
