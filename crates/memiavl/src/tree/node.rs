//! The nodes of a live tree. A node that stands as its snapshot has it is an id; a changed one is a line in memory.
//!
//! ```text
//! word 0-3   hash, once it is computed
//! word 4     version (low half); the epoch that wrote the line (high half)
//! word 5     key (low half), then a byte each: what kind of node it is, height or length of a short value, and kinds
//!            of both children
//! word 6-7   branch: left child, right child, size
//!            leaf: a value of up to 16 bytes, or the place of its string
//! ```
//! A key is a leaf of the snapshot or the place of a string. Each node has a string of its own, and hands it on to the line
//! that takes its place. A node with its hash is never changed, but by whom nobody else can see.

use std::cmp::Ordering;

use changeset::Hash;
use memiavl_iter::{Branch, Leaf, LeafId, NodeId, TreeSnapshot};

use crate::error::{Error, Result};
use crate::tree::arena::{Lines, Place, halves, joined};

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

/// Height and leaves of a subtree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) height: u8,
    pub(crate) size: u32,
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

/// Words of a line.
const HASH: usize = 0;
const VERSION: usize = 4;
const FORM: usize = 5;

/// What kind of node a line is: bits of its own byte in [`FORM`].
mod kind {
    /// Its hash stands in it.
    pub(super) const HASHED: u8 = 1;
    /// It is a branch, and no leaf.
    pub(super) const BRANCH: u8 = 2;
    /// Its key is a string.
    pub(super) const OWN_KEY: u8 = 4;
    /// Its value is a string.
    pub(super) const LONG_VALUE: u8 = 8;
}

/// What kind of node a child is: half of a byte each in [`FORM`].
mod child {
    pub(super) const LEAF: u8 = 0;
    pub(super) const BRANCH: u8 = 1;
    pub(super) const MEM: u8 = 2;
    pub(super) const BITS: u32 = 4;
}

/// The second half of [`FORM`].
#[derive(Clone, Copy)]
struct Form {
    kind: u8,
    /// A branch's height, or the length of a leaf's short value.
    height: u8,
    children: u8,
}

impl Form {
    fn word(self, key: u32) -> u64 {
        joined([key, u32::from_le_bytes([self.kind, self.height, self.children, 0])])
    }

    #[inline]
    fn of(word: u64) -> (u32, Self) {
        let [key, rest] = halves(word);
        let [kind, height, children, _] = rest.to_le_bytes();
        (key, Self { kind, height, children })
    }
}

impl NodeKey {
    fn parts(self) -> (u32, u8) {
        match self {
            Self::Mapped(leaf) => (leaf.index(), 0),
            Self::Mem(place) => (place.number(), kind::OWN_KEY),
        }
    }

    #[inline]
    fn of(number: u32, kind: u8) -> Self {
        match Place::numbered(number) {
            Some(place) if kind & kind::OWN_KEY != 0 => Self::Mem(place),
            _ => Self::Mapped(LeafId::at(number)),
        }
    }
}

impl NodeRef {
    fn parts(self) -> (u32, u8) {
        match self {
            Self::Leaf(leaf) => (leaf.index(), child::LEAF),
            Self::Branch(index) => (index, child::BRANCH),
            Self::Mem(place) => (place.number(), child::MEM),
        }
    }

    #[inline]
    fn of(number: u32, kind: u8) -> Self {
        match (Place::numbered(number), kind) {
            (Some(place), child::MEM) => Self::Mem(place),
            (_, child::BRANCH) => Self::Branch(number),
            _ => Self::Leaf(LeafId::at(number)),
        }
    }
}

impl Lines {
    /// The node at `place`.
    #[inline]
    pub(crate) fn node(&self, place: Place) -> MemNode {
        let [version, form, first, second] = self.words(place, VERSION);
        let [version, _] = halves(version);
        let (key, form) = Form::of(form);
        let key = NodeKey::of(key, form.kind);
        if form.kind & kind::BRANCH != 0 {
            let ([left, right], [size, _]) = (halves(first), halves(second));
            let left = NodeRef::of(left, form.children & ((1 << child::BITS) - 1));
            let right = NodeRef::of(right, form.children >> child::BITS);
            return MemNode::Branch(MemBranch { version, height: form.height, size, key, left, right });
        }
        let [place, _] = halves(first);
        let value = match Place::numbered(place) {
            Some(place) if form.kind & kind::LONG_VALUE != 0 => LeafValue::Long(place),
            _ => {
                let mut bytes = [0; SHORT_BYTES_MAX];
                let (low, high) = bytes.split_at_mut(SHORT_BYTES_MAX / 2);
                low.copy_from_slice(&first.to_le_bytes());
                high.copy_from_slice(&second.to_le_bytes());
                LeafValue::Short { length: form.height, bytes }
            }
        };
        MemNode::Leaf(MemLeaf { version, key, value })
    }

    /// The epoch that wrote the node at `place`.
    #[inline]
    pub(crate) fn born(&self, place: Place) -> u32 {
        let [_, born] = halves(self.word(place, VERSION));
        born
    }

    /// Writes a branch, without a hash.
    pub(crate) fn set_branch(&self, place: Place, branch: &MemBranch, born: u32) {
        let ((key, key_kind), (left, left_kind), (right, right_kind)) =
            (branch.key.parts(), branch.left.parts(), branch.right.parts());
        let children = left_kind | right_kind << child::BITS;
        let form = Form { kind: kind::BRANCH | key_kind, height: branch.height, children };
        let body = [joined([left, right]), branch.size.into()];
        self.set_node(place, [branch.version, born], form.word(key), body);
    }

    /// Writes a leaf, without a hash.
    pub(crate) fn set_leaf(&self, place: Place, leaf: &MemLeaf, born: u32) {
        let (key, key_kind) = leaf.key.parts();
        let (value_kind, length, body) = match leaf.value {
            LeafValue::Long(place) => (kind::LONG_VALUE, 0, [place.number().into(), 0]),
            LeafValue::Short { length, bytes } => {
                let (words, _) = bytes.as_chunks();
                (0, length, std::array::from_fn(|at| words.get(at).map_or(0, |word| u64::from_le_bytes(*word))))
            }
        };
        let form = Form { kind: key_kind | value_kind, height: length, children: 0 };
        self.set_node(place, [leaf.version, born], form.word(key), body);
    }

    fn set_node(&self, place: Place, version: [u32; 2], form: u64, [first, second]: [u64; 2]) {
        self.set_words(place, VERSION, [joined(version), form, first, second]);
    }

    /// The hash of the node at `place`, once it is computed.
    #[inline]
    pub(crate) fn hash(&self, place: Place) -> Option<Hash> {
        let (_, form) = Form::of(self.word(place, FORM));
        if form.kind & kind::HASHED == 0 {
            return None;
        }
        let words: [u64; 4] = self.words(place, HASH);
        let mut hash = Hash::default();
        for (bytes, word) in hash.chunks_exact_mut(size_of::<u64>()).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Some(hash)
    }

    /// Notes the hash of the node at `place`. It follows from the node, so whoever else computes it writes the same.
    pub(crate) fn set_hash(&self, place: Place, hash: &Hash) {
        let (words, _) = hash.as_chunks();
        self.set_words::<4>(
            place,
            HASH,
            std::array::from_fn(|at| words.get(at).map_or(0, |word| u64::from_le_bytes(*word))),
        );
        let (key, form) = Form::of(self.word(place, FORM));
        self.set_word(place, FORM, Form { kind: form.kind | kind::HASHED, ..form }.word(key));
    }
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

impl MemNode {
    /// The node's key.
    pub(crate) fn key(&self) -> NodeKey {
        match self {
            Self::Leaf(leaf) => leaf.key,
            Self::Branch(branch) => branch.key,
        }
    }
}
