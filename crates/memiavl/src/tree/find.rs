//! The way down to a key, as bits: a change follows them without comparing keys again.

use std::cmp::Ordering;

use memiavl_iter::LeafId;

use crate::error::{Error, Result};
use crate::tree::base::Base;
use crate::tree::node::{MemNode, NodeKey, NodeRef, Side};
use crate::tree::rank::Rank;

/// More levels than a balanced tree of 2^32 leaves can have (46); a deeper one is damaged.
const DEPTH_MAX: u32 = u64::BITS;

/// The turns from the root to a leaf.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    /// A bit per level, the root's the lowest; 1 turns right.
    turns: u64,
    depth: u32,
}

impl Path {
    /// The next turn; none at the leaf.
    pub(crate) fn turn(&mut self) -> Option<Side> {
        self.depth = self.depth.checked_sub(1)?;
        let side = if self.turns & 1 == 0 { Side::Left } else { Side::Right };
        self.turns >>= 1;
        Some(side)
    }

    /// Whether the leaf is reached.
    pub(crate) fn is_at_leaf(self) -> bool {
        self.depth == 0
    }

    fn push(&mut self, side: Side) -> Result<()> {
        if self.depth == DEPTH_MAX {
            return Err(Error::TreeTooDeep { levels_max: DEPTH_MAX });
        }
        if side == Side::Right {
            self.turns |= 1 << self.depth;
        }
        self.depth += 1;
        Ok(())
    }
}

/// The leaf where a key belongs.
pub(crate) struct Found {
    /// The way there.
    pub(crate) path: Path,
    /// The leaf.
    pub(crate) leaf: NodeRef,
    /// How the key compares with the leaf's.
    pub(crate) order: Ordering,
}

/// A key to find, and where it stands among the snapshot's leaves once that was asked for.
///
/// Every mapped leaf and every branch that carries the key of one is passed by comparing places. Bytes are read for the one
/// search that finds the place, and not again at each level: of a tree that was written to, the upper levels are in memory
/// and their keys lie all over the snapshot.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'k> {
    key: &'k [u8],
    rank: Option<Rank>,
}

impl<'k> Wanted<'k> {
    /// A key of which no more is known.
    pub(crate) fn key(key: &'k [u8]) -> Self {
        Self { key, rank: None }
    }

    /// A key whose place may be known.
    pub(crate) fn ranked(key: &'k [u8], rank: Option<Rank>) -> Self {
        Self { key, rank }
    }

    /// The key's place, if it was asked for.
    pub(crate) fn rank(self) -> Option<Rank> {
        self.rank
    }

    /// The key's place. The leaves that it rests on are checked.
    fn place(&mut self, base: Base<'_>) -> Result<Rank> {
        match self.rank {
            Some(rank) => Ok(rank),
            None => Ok(*self.rank.insert(Rank::verified(base, self.key)?)),
        }
    }

    /// Whether the mapped subtree at `at` has the key. The leaves that the answer rests on are checked.
    pub(crate) fn is_below(&mut self, base: Base<'_>, at: NodeRef) -> Result<bool> {
        match at {
            NodeRef::Leaf(id) => Ok(self.order(base, id)?.is_eq()),
            NodeRef::Branch(index) => Ok(self.place(base)?.leaf_below(index, base.snapshot())?.is_some()),
            NodeRef::Mem(_) => Ok(false),
        }
    }

    /// How the key compares with that of `leaf`.
    fn order(&mut self, base: Base<'_>, leaf: LeafId) -> Result<Ordering> {
        Ok(self.place(base)?.cmp(leaf))
    }

    /// How the key compares with that of a node.
    pub(crate) fn order_to(&mut self, base: Base<'_>, key: NodeKey) -> Result<Ordering> {
        match key {
            NodeKey::Mapped(leaf) => self.order(base, leaf),
            NodeKey::Mem(_) => base.order_to_key(self.key, key),
        }
    }
}

/// The side of a branch where a key lies that compares so with the branch's.
fn side(order: Ordering) -> Side {
    if order.is_lt() { Side::Left } else { Side::Right }
}

/// Descends from `root` to the leaf where the key belongs. The mapped leaves that decide about it are checked.
pub(crate) fn find(base: Base<'_>, root: NodeRef, wanted: &mut Wanted<'_>) -> Result<Found> {
    let mut path = Path { turns: 0, depth: 0 };
    let mut at = root;
    loop {
        let (key, left, right) = match at {
            NodeRef::Leaf(id) => {
                base.verified_leaf(id)?;
                return Ok(Found { path, leaf: at, order: wanted.order(base, id)? });
            }
            NodeRef::Branch(index) => {
                let branch = base.branch(index)?;
                (NodeKey::Mapped(branch.key_leaf), branch.left.into(), branch.right.into())
            }
            NodeRef::Mem(place) => match base.lines().node(place) {
                MemNode::Leaf(leaf) => return Ok(Found { path, leaf: at, order: wanted.order_to(base, leaf.key)? }),
                MemNode::Branch(branch) => (branch.key, branch.left, branch.right),
            },
        };
        let side = side(wanted.order_to(base, key)?);
        path.push(side)?;
        at = if side == Side::Left { left } else { right };
    }
}

/// The leaf of `key` for a reader, who takes the snapshot's bytes as they are: without the way there, and a mapped subtree is
/// not entered, its leaves are searched.
pub(crate) fn find_leaf(base: Base<'_>, root: NodeRef, key: &[u8]) -> Result<Option<NodeRef>> {
    let mut at = root;
    loop {
        at = match at {
            NodeRef::Leaf(id) => return Ok((base.snapshot().key(id)? == key).then_some(at)),
            NodeRef::Branch(index) => {
                let rank = Rank::find(base.snapshot(), key)?;
                return Ok(rank.leaf_below(index, base.snapshot())?.map(NodeRef::Leaf));
            }
            NodeRef::Mem(place) => match base.lines().node(place) {
                MemNode::Leaf(leaf) => return Ok(base.order_to_key(key, leaf.key)?.is_eq().then_some(at)),
                MemNode::Branch(branch) => branch.child(side(base.order_to_key(key, branch.key)?)),
            },
        };
    }
}

/// Whether the tree has the key. The leaves that the answer rests on are checked.
pub(crate) fn contains(base: Base<'_>, root: NodeRef, key: &[u8]) -> Result<bool> {
    let (mut at, mut wanted) = (root, Wanted::key(key));
    loop {
        at = match at {
            NodeRef::Leaf(_) | NodeRef::Branch(_) => return wanted.is_below(base, at),
            NodeRef::Mem(place) => match base.lines().node(place) {
                MemNode::Leaf(leaf) => return Ok(wanted.order_to(base, leaf.key)?.is_eq()),
                MemNode::Branch(branch) => branch.child(side(wanted.order_to(base, branch.key)?)),
            },
        };
    }
}

/// Keys below the branch's lie left.
pub(crate) fn side_of(key: &[u8], branch_key: &[u8]) -> Side {
    side(key.cmp(branch_key))
}
