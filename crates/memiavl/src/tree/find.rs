//! The way down to a key, as bits: a change follows them without comparing keys again.

use std::cmp::Ordering;

use memiavl_iter::LeafId;

use crate::error::{Error, Result};
use crate::tree::node::{At, Base, Body, BranchKey, MemNode, NodeRef, Side};

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

impl Found<'_> {
    /// The leaf of the snapshot that has the key.
    pub(crate) fn place(&self) -> Option<LeafId> {
        match self.leaf {
            At::Leaf(id) if self.order == Ordering::Equal => Some(id),
            _ => None,
        }
    }
}

/// A key to find.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'k> {
    /// The key.
    pub(crate) key: &'k [u8],
    /// The leaf of the snapshot that has this key, if that is known: leaves stand in key order, so comparing places is as
    /// good as comparing keys, and spares the reading of every key on the way.
    pub(crate) place: Option<LeafId>,
}

impl<'k> Wanted<'k> {
    /// A key of which no more is known.
    pub(crate) fn key(key: &'k [u8]) -> Self {
        Self { key, place: None }
    }

    fn order(self, base: Base<'_>, leaf: LeafId) -> Result<Ordering> {
        match self.place {
            Some(place) => Ok(place.cmp(&leaf)),
            None => Ok(self.key.cmp(base.snapshot().key(leaf)?)),
        }
    }

    fn side(self, base: Base<'_>, leaf: LeafId) -> Result<Side> {
        Ok(if self.order(base, leaf)?.is_lt() { Side::Left } else { Side::Right })
    }
}

/// Descends from `root` to the leaf where the key belongs.
pub(crate) fn find<'n>(base: Base<'_>, root: &'n NodeRef, wanted: Wanted<'_>) -> Result<Found<'n>> {
    let mut path = Path { turns: 0, depth: 0 };
    let mut at = root.at();
    loop {
        let (side, next) = match at {
            At::Leaf(id) => return Ok(Found { path, leaf: at, order: wanted.order(base, id)? }),
            At::Mem(MemNode { body: Body::Leaf { key, .. }, .. }) => {
                return Ok(Found { path, leaf: at, order: wanted.key.cmp(key) });
            }
            At::Branch(id) => {
                let branch = base.snapshot().branch(id)?;
                let side = wanted.side(base, branch.key_leaf)?;
                (side, if side == Side::Left { branch.left.into() } else { branch.right.into() })
            }
            At::Mem(MemNode { body: Body::Branch(branch), .. }) => {
                let side = match &branch.key {
                    BranchKey::Mapped(leaf) => wanted.side(base, *leaf)?,
                    BranchKey::Mem(key) => side_of(wanted.key, key),
                };
                (side, branch.child(side).at())
            }
        };
        path.push(side)?;
        at = next;
    }
}

/// Keys below the branch's lie left.
pub(crate) fn side_of(key: &[u8], branch_key: &[u8]) -> Side {
    if key < branch_key { Side::Left } else { Side::Right }
}
