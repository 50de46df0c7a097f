//! The way down to a key, as bits: a change follows them without comparing keys again.

use std::cmp::Ordering;

use memiavl_iter::LeafId;

use crate::error::{Error, Result};
use crate::tree::node::{At, Base, Body, MemNode, NodeKey, NodeRef, Side};
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
pub(crate) struct Found<'n> {
    /// The way there.
    pub(crate) path: Path,
    /// The leaf.
    pub(crate) leaf: At<'n>,
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
    pub(crate) fn is_below(&mut self, base: Base<'_>, at: At<'_>) -> Result<bool> {
        match at {
            At::Leaf(id) => Ok(self.order(base, id)?.is_eq()),
            At::Branch(id) => Ok(self.place(base)?.leaf_below(id, base.snapshot())?.is_some()),
            At::Mem(_) => Ok(false),
        }
    }

    /// How the key compares with that of `leaf`.
    fn order(&mut self, base: Base<'_>, leaf: LeafId) -> Result<Ordering> {
        Ok(self.place(base)?.cmp(leaf))
    }

    /// How the key compares with that of a node.
    pub(crate) fn order_to(&mut self, base: Base<'_>, key: &NodeKey) -> Result<Ordering> {
        match key {
            NodeKey::Mapped(leaf) => self.order(base, *leaf),
            NodeKey::Mem(bytes) => Ok(self.key.cmp(bytes)),
        }
    }
}

/// The side of a branch where a key lies that compares so with the branch's.
fn side(order: Ordering) -> Side {
    if order.is_lt() { Side::Left } else { Side::Right }
}

/// Descends from `root` to the leaf where the key belongs. The mapped leaves that decide about it are checked.
pub(crate) fn find<'n>(base: Base<'_>, root: &'n NodeRef, wanted: &mut Wanted<'_>) -> Result<Found<'n>> {
    let mut path = Path { turns: 0, depth: 0 };
    let mut at = root.at();
    loop {
        let (side, next) = match at {
            At::Leaf(id) => {
                base.verified_leaf(id)?;
                return Ok(Found { path, leaf: at, order: wanted.order(base, id)? });
            }
            At::Mem(MemNode { body: Body::Leaf { key, .. }, .. }) => {
                return Ok(Found { path, leaf: at, order: wanted.order_to(base, key)? });
            }
            At::Branch(id) => {
                let branch = base.snapshot().branch(id)?;
                let side = side(wanted.order(base, branch.key_leaf)?);
                (side, if side == Side::Left { branch.left.into() } else { branch.right.into() })
            }
            At::Mem(MemNode { body: Body::Branch(branch), .. }) => {
                let side = side(wanted.order_to(base, &branch.key)?);
                (side, branch.child(side).at())
            }
        };
        path.push(side)?;
        at = next;
    }
}

/// The leaf of `key` for a reader, who takes the snapshot's bytes as they are: without the way there, and a mapped subtree is
/// not entered, its leaves are searched.
pub(crate) fn find_leaf<'n>(base: Base<'_>, root: &'n NodeRef, key: &[u8]) -> Result<Option<At<'n>>> {
    let mut at = root.at();
    loop {
        at = match at {
            At::Leaf(id) => return Ok((base.snapshot().key(id)? == key).then_some(at)),
            At::Branch(id) => {
                let rank = Rank::find(base.snapshot(), key)?;
                return Ok(rank.leaf_below(id, base.snapshot())?.map(At::Leaf));
            }
            At::Mem(MemNode { body: Body::Leaf { key: leaf_key, .. }, .. }) => {
                return Ok((base.key(leaf_key)? == key).then_some(at));
            }
            At::Mem(MemNode { body: Body::Branch(branch), .. }) => {
                branch.child(side_of(key, base.key(&branch.key)?)).at()
            }
        };
    }
}

/// Whether the tree has the key. The leaves that the answer rests on are checked.
pub(crate) fn contains(base: Base<'_>, root: &NodeRef, key: &[u8]) -> Result<bool> {
    let (mut at, mut wanted) = (root.at(), Wanted::key(key));
    loop {
        at = match at {
            At::Leaf(_) | At::Branch(_) => return wanted.is_below(base, at),
            At::Mem(MemNode { body: Body::Leaf { key, .. }, .. }) => return Ok(wanted.order_to(base, key)?.is_eq()),
            At::Mem(MemNode { body: Body::Branch(branch), .. }) => {
                branch.child(side(wanted.order_to(base, &branch.key)?)).at()
            }
        };
    }
}

/// Keys below the branch's lie left.
pub(crate) fn side_of(key: &[u8], branch_key: &[u8]) -> Side {
    if key < branch_key { Side::Left } else { Side::Right }
}
