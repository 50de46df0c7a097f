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
        let branch = self.branch_mut(node)?;
        let heavy = match self.balance(branch)? {
            2.. => Side::Left,
            ..=-2 => Side::Right,
            _ => {
                self.measure(branch)?;
                return Ok(branch.height);
            }
        };
        if self.leans_inward(branch.child(heavy), heavy)? {
            self.rotate(branch.child_mut(heavy), heavy)?;
        }
        self.rotate(node, heavy.opposite())?;
        Ok(self.branch_mut(node)?.height)
    }

    /// Whether the `heavy` child of an unbalanced branch is itself heavier on its inner side. An even one is not.
    fn leans_inward(&self, child: &NodeRef, heavy: Side) -> Result<bool> {
        let (left, right) = self.base.children(child.at())?.ok_or(Error::MisplacedLeaf)?;
        let (left, right) = (self.base.shape(left)?.height, self.base.shape(right)?.height);
        Ok(match heavy {
            Side::Left => left < right,
            Side::Right => left > right,
        })
    }

    /// Turns the subtree at `node` towards `side`: the child of the other side comes up and takes the node as its child.
    fn rotate(&mut self, node: &mut NodeRef, side: Side) -> Result<()> {
        let up = side.opposite();
        let branch = self.branch_mut(node)?;
        let inner = self.branch_mut(branch.child_mut(up))?.child(side).clone();
        let pivot = std::mem::replace(branch.child_mut(up), inner);
        self.measure(branch)?;
        let sunk = std::mem::replace(node, pivot);
        let raised = self.branch_mut(node)?;
        *raised.child_mut(side) = sunk;
        self.measure(raised)
    }

    fn balance(&self, branch: &MemBranch) -> Result<i32> {
        Ok(i32::from(self.shape(&branch.left)?.height) - i32::from(self.shape(&branch.right)?.height))
    }

    /// Takes height and size of a branch from its children.
    fn measure(&self, branch: &mut MemBranch) -> Result<()> {
        let (left, right) = (self.shape(&branch.left)?, self.shape(&branch.right)?);
        branch.height = left.height.max(right.height).checked_add(1).ok_or(Error::TooManyLeaves)?;
        branch.size = left.size.checked_add(right.size).ok_or(Error::TooManyLeaves)?;
        Ok(())
    }
}
