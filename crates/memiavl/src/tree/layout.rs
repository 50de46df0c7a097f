//! A changed node as its line has it.
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

use changeset::Hash;
use memiavl_iter::LeafId;

use crate::tree::arena::{Lines, Place, halves, joined};
use crate::tree::node::{LeafValue, MemBranch, MemLeaf, MemNode, NodeKey, NodeRef, SHORT_BYTES_MAX};

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
