//! The way down to a key, as bits: a change follows them without comparing keys again.

use std::cmp::Ordering;

use crate::error::{Error, Result};
use crate::tree::node::{At, Base, Body, MemNode, NodeRef, Side};

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

/// Descends from `root` to the leaf where `key` belongs.
pub(crate) fn find<'n>(base: Base<'_>, root: &'n NodeRef, key: &[u8]) -> Result<Found<'n>> {
    let mut path = Path { turns: 0, depth: 0 };
    let mut at = root.at();
    loop {
        let (side, next) = match at {
            At::Leaf(id) => {
                let order = key.cmp(base.snapshot().key(id)?);
                return Ok(Found { path, leaf: at, order });
            }
            At::Mem(MemNode { body: Body::Leaf { key: leaf_key, .. }, .. }) => {
                return Ok(Found { path, leaf: at, order: key.cmp(leaf_key) });
            }
            At::Branch(id) => {
                let branch = base.snapshot().branch(id)?;
                let side = side_of(key, branch.key()?);
                (side, if side == Side::Left { branch.left.into() } else { branch.right.into() })
            }
            At::Mem(MemNode { body: Body::Branch(branch), .. }) => {
                let side = side_of(key, base.key(&branch.key)?);
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
