//! Leaves by their rank: how a tree is split into parts of known size that threads walk side by side.
//!
//! A subtree that stands as its snapshot has it is a run of records, so most of a walk reads files from front to back and
//! looks at no branch.

use std::borrow::Cow;
use std::ops::Range;

use memiavl_iter::Leaves;

use crate::error::{Error, Result};
use crate::tree::find::side_of;
use crate::tree::live::Tree;
use crate::tree::node::{MemNode, NodeRef, Side};

/// The leaves of a tree whose ranks lie in a range, in key order; each mapped one is checked against its hash, unless it was
/// made without that.
///
/// An error ends the iteration.
pub struct RankedLeaves<'t> {
    tree: &'t Tree,
    /// What is still to come, the next one last.
    ahead: Vec<NodeRef>,
    run: Option<Leaves<'t>>,
    is_checked: bool,
    /// Leaves to pass over before the first one, and leaves left to hand out.
    skip: u64,
    left: u64,
}

/// Key and value of a leaf: borrowed from the snapshot, or read out of memory.
pub type LeafPair<'t> = (Cow<'t, [u8]>, Cow<'t, [u8]>);

/// Whether a walk takes the snapshot's leaves as they are, or checks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// For who checks the files beside.
    Plain,
    /// Each leaf against its hash.
    Checked,
}

impl Tree {
    /// The leaves with the ranks in `ranks`, as far as there are any.
    pub(crate) fn ranked_leaves(&self, ranks: Range<u64>, reading: Reading) -> RankedLeaves<'_> {
        let ahead = self.root().into_iter().collect();
        let left = ranks.end.saturating_sub(ranks.start);
        let is_checked = reading == Reading::Checked;
        RankedLeaves { tree: self, ahead, run: None, is_checked, skip: ranks.start, left }
    }

    /// How many keys are less than `key`.
    pub(crate) fn rank(&self, key: &[u8]) -> Result<u64> {
        let (base, mut rank) = (self.base(), 0);
        let Some(mut at) = self.root() else { return Ok(0) };
        loop {
            at = match at {
                NodeRef::Leaf(id) => return Ok(rank + u64::from(base.snapshot().key(id)? < key)),
                NodeRef::Branch(index) => {
                    let id = base.snapshot().branch_id(index)?;
                    let (first, size) = (id.first_leaf().index(), id.size());
                    // The whole snapshot is searched; what lies outside the subtree counts as its end.
                    let bound = base.snapshot().lower_bound(key)?.saturating_sub(first).min(size);
                    return Ok(rank + u64::from(bound));
                }
                NodeRef::Mem(place) => match base.lines().node(place) {
                    MemNode::Leaf(leaf) => return Ok(rank + u64::from(base.order_to_key(key, leaf.key)?.is_gt())),
                    MemNode::Branch(branch) => match base.read_key(branch.key, |own| side_of(key, own))? {
                        Side::Left => branch.left,
                        Side::Right => {
                            rank += u64::from(base.shape(branch.left)?.size);
                            branch.right
                        }
                    },
                },
            };
        }
    }
}

impl<'t> RankedLeaves<'t> {
    fn advance(&mut self) -> Result<Option<LeafPair<'t>>> {
        let base = self.tree.base();
        loop {
            if let Some(leaf) = self.run.as_mut().and_then(Iterator::next) {
                let leaf = leaf?;
                if self.is_checked {
                    base.snapshot().verify_leaf_in_turn(&leaf)?;
                }
                return Ok(Some((leaf.key.into(), leaf.value.into())));
            }
            let Some(node) = self.ahead.pop() else { return Ok(None) };
            let size = u64::from(base.shape(node)?.size);
            if self.skip >= size {
                self.skip -= size;
                continue;
            }
            match node {
                NodeRef::Leaf(id) => self.run = Some(base.snapshot().leaves(id.index()..id.index().saturating_add(1))),
                NodeRef::Branch(index) => {
                    let id = base.snapshot().branch_id(index)?;
                    // UNWRAP: less than the subtree's size, which has 32 bits.
                    let skip = u32::try_from(self.skip).expect("less than a subtree's size");
                    self.skip = 0;
                    let end = id.last_leaf().index().saturating_add(1);
                    self.run = Some(base.snapshot().leaves(id.first_leaf().index() + skip..end));
                }
                NodeRef::Mem(place) => match base.lines().node(place) {
                    MemNode::Leaf(leaf) => {
                        let (key, value) = base.pair(&leaf)?;
                        return Ok(Some((key.into(), value.into())));
                    }
                    MemNode::Branch(branch) => {
                        self.ahead.push(branch.right);
                        self.ahead.push(branch.left);
                    }
                },
            }
        }
    }
}

impl<'t> Iterator for RankedLeaves<'t> {
    type Item = std::result::Result<LeafPair<'t>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let item = self.advance().transpose();
        if !matches!(item, Some(Ok(_))) {
            self.left = 0;
        }
        item
    }
}
