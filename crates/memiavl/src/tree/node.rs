//! The nodes of a live tree. A node that stands as its snapshot has it is an id; a changed one is in memory.

use bytes::Bytes;
use changeset::Hash;
use memiavl_iter::{Branch, BranchId, Leaf, LeafId, NodeId, TreeSnapshot};
use triomphe::Arc;

use crate::error::Result;

/// A node of a tree. Ids mean nothing without the tree's own snapshot; keeping it in the tree and not in each node saves
/// two atomic counts per touched node.
#[derive(Clone, Debug)]
pub(crate) enum NodeRef {
    /// A leaf of the snapshot.
    Leaf(LeafId),
    /// A branch of the snapshot.
    Branch(BranchId),
    /// A changed node. INVARIANT: changed only through unique access, so whoever else holds it never sees a change.
    Mem(Arc<MemNode>),
}

/// A node in memory.
#[derive(Clone, Debug)]
pub(crate) struct MemNode {
    /// The version that the node was made with; part of its hash.
    pub(crate) version: u32,
    /// INVARIANT: computed through unique access alone, and there in all that a published view can reach.
    pub(crate) hash: Option<Hash>,
    /// What kind of node it is.
    pub(crate) body: Body,
}

/// A leaf or a branch.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// A key and its value.
    Leaf { key: NodeKey, value: LeafValue },
    /// Two subtrees.
    Branch(MemBranch),
}

/// A branch in memory.
#[derive(Clone, Debug)]
pub(crate) struct MemBranch {
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
#[derive(Clone, Debug)]
pub(crate) enum NodeKey {
    /// The key of this leaf.
    Mapped(LeafId),
    /// These bytes.
    Mem(std::sync::Arc<[u8]>),
}

/// A leaf's value. Most of a chain's are short.
#[derive(Clone, Debug)]
pub(crate) enum LeafValue {
    /// One that lies in the node itself.
    Short { length: u8, bytes: [u8; SHORT_BYTES_MAX] },
    /// One of its own, shared.
    Long(Bytes),
}

/// What makes a leaf as large as a branch: a slot's 32 bytes and a few more.
const SHORT_BYTES_MAX: usize = 38;

/// The side of a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Keys below the branch's.
    Left,
    /// The branch's key and those after it.
    Right,
}

/// What a node in memory takes: the node with its count. Keys and values of their own come to it.
const NODE_BYTES: u64 = (size_of::<MemNode>() + size_of::<usize>()) as u64;

impl MemNode {
    /// Memory that the node takes. A branch's key is shared with a leaf and not counted again.
    pub(crate) fn bytes(&self) -> u64 {
        match &self.body {
            Body::Leaf { key, value } => NODE_BYTES + (key.own_bytes() + value.own_bytes()) as u64,
            Body::Branch(_) => NODE_BYTES,
        }
    }
}

impl NodeKey {
    /// A copy of `key`, as [`LeafValue::copied`].
    pub(crate) fn copied(key: &[u8]) -> Self {
        Self::Mem(key.into())
    }

    /// Bytes beside the node.
    fn own_bytes(&self) -> usize {
        match self {
            Self::Mapped(_) => 0,
            Self::Mem(bytes) => bytes.len(),
        }
    }
}

impl LeafValue {
    /// The value's bytes.
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Short { length, bytes } => &bytes[..usize::from(*length)],
            Self::Long(bytes) => bytes,
        }
    }

    /// The value, shared if it has bytes of its own.
    pub(crate) fn to_bytes(&self) -> Bytes {
        match self {
            Self::Short { .. } => Bytes::copy_from_slice(self.as_slice()),
            Self::Long(bytes) => bytes.clone(),
        }
    }

    /// Bytes beside the node.
    fn own_bytes(&self) -> usize {
        match self {
            Self::Short { .. } => 0,
            Self::Long(bytes) => bytes.len(),
        }
    }
}

impl LeafValue {
    /// A copy of `value`. A leaf that held a slice of a block's bytes would hold all of them.
    pub(crate) fn copied(value: &[u8]) -> Self {
        match u8::try_from(value.len()) {
            Ok(length) if value.len() <= SHORT_BYTES_MAX => {
                let mut bytes = [0; SHORT_BYTES_MAX];
                bytes[..value.len()].copy_from_slice(value);
                Self::Short { length, bytes }
            }
            _ => Self::Long(Bytes::copy_from_slice(value)),
        }
    }
}

impl MemBranch {
    pub(crate) fn child(&self, side: Side) -> &NodeRef {
        match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        }
    }

    pub(crate) fn child_mut(&mut self, side: Side) -> &mut NodeRef {
        match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        }
    }
}

/// A borrowed node: what a reader holds on its way down.
#[derive(Clone, Copy, Debug)]
pub(crate) enum At<'n> {
    /// A leaf of the snapshot.
    Leaf(LeafId),
    /// A branch of the snapshot.
    Branch(BranchId),
    /// A node in memory.
    Mem(&'n MemNode),
}

impl NodeRef {
    /// The node, borrowed.
    pub(crate) fn at(&self) -> At<'_> {
        match self {
            Self::Leaf(id) => At::Leaf(*id),
            Self::Branch(id) => At::Branch(*id),
            Self::Mem(node) => At::Mem(node),
        }
    }
}

impl From<NodeId> for At<'_> {
    fn from(id: NodeId) -> Self {
        match id {
            NodeId::Leaf(id) => Self::Leaf(id),
            NodeId::Branch(id) => Self::Branch(id),
        }
    }
}

impl From<NodeId> for NodeRef {
    fn from(id: NodeId) -> Self {
        match id {
            NodeId::Leaf(id) => Self::Leaf(id),
            NodeId::Branch(id) => Self::Branch(id),
        }
    }
}

/// Height and leaves of a subtree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) height: u8,
    pub(crate) size: u32,
}

/// The snapshot that a tree's mapped nodes live in; none while the tree has only nodes in memory.
#[derive(Clone, Copy)]
pub(crate) struct Base<'a>(Option<&'a TreeSnapshot>);

impl<'a> Base<'a> {
    pub(crate) fn new(snapshot: Option<&'a TreeSnapshot>) -> Self {
        Self(snapshot)
    }

    /// The snapshot.
    pub(crate) fn snapshot(self) -> &'a TreeSnapshot {
        // UNWRAP: an id can only have come from the tree's snapshot, which stays as long as the tree.
        self.0.expect("a mapped node has its snapshot")
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
    /// rests on are.
    pub(crate) fn verified_branch(self, id: BranchId) -> Result<Branch<'a>> {
        let branch = self.snapshot().branch(id)?;
        self.snapshot().verify_branch(&branch)?;
        Ok(branch)
    }

    /// Height and leaves of a subtree; a leaf has height 0.
    pub(crate) fn shape(self, node: At<'_>) -> Result<Shape> {
        match node {
            At::Leaf(_) | At::Mem(MemNode { body: Body::Leaf { .. }, .. }) => Ok(Shape { height: 0, size: 1 }),
            At::Branch(id) => Ok(Shape { height: self.snapshot().branch(id)?.height, size: id.size() }),
            At::Mem(MemNode { body: Body::Branch(branch), .. }) => {
                Ok(Shape { height: branch.height, size: branch.size })
            }
        }
    }

    /// Both subtrees of a branch; none of a leaf.
    pub(crate) fn children(self, node: At<'a>) -> Result<Option<(At<'a>, At<'a>)>> {
        match node {
            At::Leaf(_) | At::Mem(MemNode { body: Body::Leaf { .. }, .. }) => Ok(None),
            At::Branch(id) => {
                let branch = self.snapshot().branch(id)?;
                Ok(Some((branch.left.into(), branch.right.into())))
            }
            At::Mem(MemNode { body: Body::Branch(branch), .. }) => Ok(Some((branch.left.at(), branch.right.at()))),
        }
    }

    /// The bytes of a node's key.
    pub(crate) fn key<'k>(self, key: &'k NodeKey) -> Result<&'k [u8]>
    where
        'a: 'k,
    {
        match key {
            NodeKey::Mapped(leaf) => Ok(self.snapshot().key(*leaf)?),
            NodeKey::Mem(bytes) => Ok(bytes),
        }
    }
}
