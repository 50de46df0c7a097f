//! The way down to a key, as bits: a change follows them without comparing keys again.

use std::cmp::Ordering;

use memiavl_iter::{BranchId, LeafId};

use crate::error::{Error, Result};
use crate::tree::node::{At, Base, Body, BranchKey, MemNode, NodeRef, Side};
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
    /// Where it stands among the snapshot's leaves, if that is known.
    pub(crate) rank: Option<Rank>,
}

impl<'k> Wanted<'k> {
    /// A key of which no more is known.
    pub(crate) fn key(key: &'k [u8]) -> Self {
        Self { key, rank: None }
    }

    /// How the key compares with that of `leaf`.
    fn order(self, base: Base<'_>, leaf: LeafId) -> Result<Ordering> {
        match self.rank {
            Some(rank) => Ok(rank.cmp(leaf)),
            None => Ok(self.key.cmp(base.snapshot().key(leaf)?)),
        }
    }

    fn side(self, base: Base<'_>, leaf: LeafId) -> Result<Side> {
        Ok(if self.order(base, leaf)?.is_lt() { Side::Left } else { Side::Right })
    }

    /// Finds the key's rank among the leaves of a mapped subtree, if it is not known.
    fn rank_in(&mut self, base: Base<'_>, branch: BranchId) -> Result<()> {
        if self.rank.is_none() {
            let rank = Rank::find(base.snapshot(), branch.first_leaf(), branch.last_leaf(), self.key)?;
            rank.verify(base, branch.first_leaf(), branch.last_leaf())?;
            self.rank = Some(rank);
        }
        Ok(())
    }
}

/// Descends from `root` to the leaf where the key belongs. The mapped leaves that decide about it are checked.
pub(crate) fn find<'n>(base: Base<'_>, root: &'n NodeRef, mut wanted: Wanted<'_>) -> Result<Found<'n>> {
    let mut path = Path { turns: 0, depth: 0 };
    let mut at = root.at();
    loop {
        let (side, next) = match at {
            At::Leaf(id) => {
                base.verified_leaf(id)?;
                return Ok(Found { path, leaf: at, order: wanted.order(base, id)? });
            }
            At::Mem(MemNode { body: Body::Leaf { key, .. }, .. }) => {
                return Ok(Found { path, leaf: at, order: wanted.key.cmp(key) });
            }
            At::Branch(id) => {
                wanted.rank_in(base, id)?;
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

/// Whether a lookup takes the snapshot's bytes as they are, or checks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// A reader's: as fast as it can be.
    Plain,
    /// One that decides where a write goes: the leaves that it rests on are checked.
    Verified,
}

/// The leaf of `key`, without the way there: a mapped subtree is not entered, its leaves are searched.
pub(crate) fn find_leaf<'n>(base: Base<'_>, root: &'n NodeRef, key: &[u8], lookup: Lookup) -> Result<Option<At<'n>>> {
    let mut at = root.at();
    loop {
        at = match at {
            At::Leaf(id) => {
                if lookup == Lookup::Verified {
                    base.verified_leaf(id)?;
                }
                return Ok((base.snapshot().key(id)? == key).then_some(at));
            }
            At::Branch(id) => {
                let rank = Rank::find(base.snapshot(), id.first_leaf(), id.last_leaf(), key)?;
                if lookup == Lookup::Verified {
                    rank.verify(base, id.first_leaf(), id.last_leaf())?;
                }
                return Ok(rank.leaf(base.snapshot())?.map(At::Leaf));
            }
            At::Mem(MemNode { body: Body::Leaf { key: leaf_key, .. }, .. }) => {
                return Ok((leaf_key == key).then_some(at));
            }
            At::Mem(MemNode { body: Body::Branch(branch), .. }) => {
                branch.child(side_of(key, base.key(&branch.key)?)).at()
            }
        };
    }
}

/// Keys below the branch's lie left.
pub(crate) fn side_of(key: &[u8], branch_key: &[u8]) -> Side {
    if key < branch_key { Side::Left } else { Side::Right }
}
