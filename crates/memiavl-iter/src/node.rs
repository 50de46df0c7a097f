//! Nodes of a tree and the ids that lead to them.

use changeset::Hash;

use crate::error::Error;
use crate::records::Records;

/// A leaf: its place in key order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeafId(pub(crate) u32);

impl LeafId {
    /// The leaf at place `index` in key order. Whether a tree has it is told by whoever reads it.
    pub fn at(index: u32) -> Self {
        Self(index)
    }

    /// The leaf's place in key order, from 0.
    pub fn index(self) -> u32 {
        self.0
    }
}

/// A branch: its place in post order, and the leaves that it must cover.
///
/// INVARIANT: `first < last`, both are leaves of the tree, and `index < last`. A child's range is a proper part of its
/// parent's, so a way down ends, and two ways never meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BranchId {
    pub(crate) index: u32,
    pub(crate) first: u32,
    pub(crate) last: u32,
}

impl BranchId {
    /// The branch's place in post order, from 0.
    pub fn index(self) -> u32 {
        self.index
    }

    /// The leftmost leaf below the branch.
    pub fn first_leaf(self) -> LeafId {
        LeafId(self.first)
    }

    /// The rightmost leaf below the branch.
    pub fn last_leaf(self) -> LeafId {
        LeafId(self.last)
    }

    /// How many leaves stand below the branch.
    pub fn size(self) -> u32 {
        self.last - self.first + 1
    }
}

/// A node of one tree. Made only from numbers that were checked; of use only with the tree that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeId {
    /// A leaf.
    Leaf(LeafId),
    /// A branch.
    Branch(BranchId),
}

impl NodeId {
    /// The leftmost leaf of the node.
    pub fn first_leaf(self) -> LeafId {
        match self {
            Self::Leaf(leaf) => leaf,
            Self::Branch(branch) => branch.first_leaf(),
        }
    }

    /// How many leaves the node has.
    pub fn size(self) -> u32 {
        match self {
            Self::Leaf(_) => 1,
            Self::Branch(branch) => branch.size(),
        }
    }
}

/// A leaf that was read and whose lengths and offsets fit the files; its hash is as stored.
#[derive(Clone, Copy, Debug)]
pub struct Leaf<'a> {
    /// The leaf's place.
    pub id: LeafId,
    /// The version that wrote the leaf.
    pub version: u32,
    /// The key.
    pub key: &'a [u8],
    /// The value.
    pub value: &'a [u8],
    /// The stored hash.
    pub hash: &'a Hash,
}

/// A branch that was read and whose shape fits its range; its hash is as stored.
#[derive(Clone, Copy)]
pub struct Branch<'a> {
    /// The branch's place.
    pub id: BranchId,
    /// Its height, at least 1.
    pub height: u8,
    /// How many leaves stand below it.
    pub size: u32,
    /// The version that wrote the branch.
    pub version: u32,
    /// The leftmost leaf of the right subtree.
    pub key_leaf: LeafId,
    /// The stored hash.
    pub hash: &'a Hash,
    /// The left child.
    pub left: NodeId,
    /// The right child.
    pub right: NodeId,
    pub(crate) records: Records<'a>,
}

impl<'a> Branch<'a> {
    /// The branch's key: a key goes left when it is less.
    ///
    /// # Errors
    /// A damaged leaf.
    pub fn key(&self) -> Result<&'a [u8], Error> {
        self.records.key(self.key_leaf)
    }
}
