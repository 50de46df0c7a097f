//! The nodes of a live tree. A node that stands as its snapshot has it is an id; a changed one is a line in memory.

use memiavl_iter::{LeafId, NodeId};

use crate::tree::arena::Place;

/// A node of a tree. It means nothing without the tree's snapshot and lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeRef {
    /// A leaf of the snapshot.
    Leaf(LeafId),
    /// A branch of the snapshot, by its place in post order.
    Branch(u32),
    /// A changed node.
    Mem(Place),
}

/// A changed node as it was read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum MemNode {
    Leaf(MemLeaf),
    Branch(MemBranch),
}

/// A leaf in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemLeaf {
    /// The version that the leaf was made with; part of its hash.
    pub(crate) version: u32,
    pub(crate) key: NodeKey,
    pub(crate) value: LeafValue,
}

/// A branch in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemBranch {
    /// The version that the branch was made with; part of its hash.
    pub(crate) version: u32,
    /// 1 above two leaves.
    pub(crate) height: u8,
    /// Leaves below.
    pub(crate) size: u32,
    /// The smallest key of the right subtree at the time the branch was made.
    pub(crate) key: NodeKey,
    /// Keys below `key`.
    pub(crate) left: NodeRef,
    /// Keys from `key` on.
    pub(crate) right: NodeRef,
}

/// A node's key: that of a leaf of the snapshot, or one in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeKey {
    /// The key of this leaf.
    Mapped(LeafId),
    /// The string that lies there.
    Mem(Place),
}

/// A leaf's value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LeafValue {
    /// One that lies in the node itself.
    Short { length: u8, bytes: [u8; SHORT_BYTES_MAX] },
    /// The string that lies there.
    Long(Place),
}

/// What a leaf's line has room for.
pub(crate) const SHORT_BYTES_MAX: usize = 16;

/// The side of a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Keys below the branch's.
    Left,
    /// The branch's key and those after it.
    Right,
}

impl MemBranch {
    pub(crate) fn child(&self, side: Side) -> NodeRef {
        match side {
            Side::Left => self.left,
            Side::Right => self.right,
        }
    }

    pub(crate) fn child_mut(&mut self, side: Side) -> &mut NodeRef {
        match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        }
    }
}

impl From<NodeId> for NodeRef {
    fn from(id: NodeId) -> Self {
        match id {
            NodeId::Leaf(id) => Self::Leaf(id),
            NodeId::Branch(id) => Self::Branch(id.index()),
        }
    }
}

impl MemNode {
    /// The node's key.
    pub(crate) fn key(&self) -> NodeKey {
        match self {
            Self::Leaf(leaf) => leaf.key,
            Self::Branch(branch) => branch.key,
        }
    }
}
