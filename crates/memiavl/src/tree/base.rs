//! Reading the nodes of a tree, wherever they lie.

use std::cmp::Ordering;

use memiavl_iter::{Branch, Leaf, LeafId, TreeSnapshot};

use crate::error::{Error, Result};
use crate::tree::arena::{Lines, Place};
use crate::tree::node::{LeafValue, MemBranch, MemLeaf, MemNode, NodeKey, NodeRef, SHORT_BYTES_MAX};

/// Height and leaves of a subtree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) height: u8,
    pub(crate) size: u32,
}

/// Where the nodes of a tree are read: its snapshot, none while the tree has only nodes in memory, and its lines.
#[derive(Clone, Copy)]
pub(crate) struct Base<'a> {
    snapshot: Option<&'a TreeSnapshot>,
    lines: &'a Lines,
}

impl<'a> Base<'a> {
    pub(crate) fn new(snapshot: Option<&'a TreeSnapshot>, lines: &'a Lines) -> Self {
        Self { snapshot, lines }
    }

    /// The snapshot.
    pub(crate) fn snapshot(self) -> &'a TreeSnapshot {
        // UNWRAP: an id can only have come from the tree's snapshot, which stays as long as the tree.
        self.snapshot.expect("a mapped node has its snapshot")
    }

    /// The changed nodes.
    pub(crate) fn lines(self) -> &'a Lines {
        self.lines
    }

    /// The branch of the snapshot at place `index`.
    pub(crate) fn branch(self, index: u32) -> Result<Branch<'a>> {
        Ok(self.snapshot().branch_at(index)?)
    }

    /// The leaf of the snapshot, checked against its hash.
    pub(crate) fn verified_leaf(self, id: LeafId) -> Result<Leaf<'a>> {
        let leaf = self.snapshot().leaf(id)?;
        self.snapshot().verify_leaf(&leaf)?;
        Ok(leaf)
    }

    /// The branch of the snapshot, checked against its hash.
    ///
    /// A change checks each mapped branch that it takes into memory so, from the root down: no damaged hash or height enters a
    /// new one. A hash costs what the new node's own costs, once per branch and snapshot. The leaf whose key the branch
    /// carries is not checked here: which way a key goes is decided by its place among the leaves, and those that a place
    /// rests on are. That the children cover the leaves that they must is part of it, as a node in memory names them by nothing
    /// but their places.
    pub(crate) fn verified_branch(self, index: u32) -> Result<Branch<'a>> {
        let branch = self.branch(index)?;
        self.snapshot().verify_branch(&branch)?;
        Ok(branch)
    }

    /// Height and leaves of a subtree; a leaf has height 0.
    pub(crate) fn shape(self, node: NodeRef) -> Result<Shape> {
        const LEAF: Shape = Shape { height: 0, size: 1 };
        match node {
            NodeRef::Leaf(_) => Ok(LEAF),
            NodeRef::Branch(index) => {
                let branch = self.branch(index)?;
                Ok(Shape { height: branch.height, size: branch.size })
            }
            NodeRef::Mem(place) => match self.lines.node(place) {
                MemNode::Leaf(_) => Ok(LEAF),
                MemNode::Branch(MemBranch { height, size, .. }) => Ok(Shape { height, size }),
            },
        }
    }

    /// Both subtrees of a branch; none of a leaf.
    pub(crate) fn children(self, node: NodeRef) -> Result<Option<(NodeRef, NodeRef)>> {
        match node {
            NodeRef::Leaf(_) => Ok(None),
            NodeRef::Branch(index) => {
                let branch = self.branch(index)?;
                Ok(Some((branch.left.into(), branch.right.into())))
            }
            NodeRef::Mem(place) => match self.lines.node(place) {
                MemNode::Leaf(_) => Ok(None),
                MemNode::Branch(branch) => Ok(Some((branch.left, branch.right))),
            },
        }
    }

    /// Hands the bytes of a node's key to `read`.
    pub(crate) fn read_key<T>(self, key: NodeKey, read: impl FnOnce(&[u8]) -> T) -> Result<T> {
        match key {
            NodeKey::Mapped(leaf) => Ok(read(self.snapshot().key(leaf)?)),
            NodeKey::Mem(place) => Ok(self.lines.read_string(place, read)),
        }
    }

    /// How `wanted` compares with a node's key.
    pub(crate) fn order_to_key(self, wanted: &[u8], key: NodeKey) -> Result<Ordering> {
        self.read_key(key, |key| wanted.cmp(key))
    }

    /// Hands a leaf's value to `read`.
    pub(crate) fn read_value<T>(self, value: &LeafValue, read: impl FnOnce(&[u8]) -> T) -> T {
        match value {
            LeafValue::Short { length, bytes } => read(&bytes[..usize::from(*length).min(SHORT_BYTES_MAX)]),
            LeafValue::Long(place) => self.lines.read_string(*place, read),
        }
    }

    /// Key and value of a leaf in memory.
    pub(crate) fn pair(self, leaf: &MemLeaf) -> Result<(Vec<u8>, Vec<u8>)> {
        let key = self.read_key(leaf.key, <[u8]>::to_vec)?;
        Ok((key, self.read_value(&leaf.value, <[u8]>::to_vec)))
    }

    /// The leaf in memory at `place`.
    pub(crate) fn mem_leaf(self, place: Place) -> Result<MemLeaf> {
        match self.lines.node(place) {
            MemNode::Leaf(leaf) => Ok(leaf),
            MemNode::Branch(_) => Err(Error::MisplacedBranch),
        }
    }
}
