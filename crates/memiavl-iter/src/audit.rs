//! The check of a tree in ranges: threads take ranges side by side, and everything that is wrong is told, not the first
//! thing alone.
//!
//! What [`TreeSnapshot::verify`] finds in one pass in post order is found here record by record. A branch's own numbers say
//! which leaves it covers; those must be what its parent asks of it, so with the root over all leaves every branch is
//! reached from it, and there are no others: branches = leaves - 1.

use std::ops::{ControlFlow, Range};

use crate::error::{Error, Field};
use crate::hash::branch_hash;
use crate::layout::{FILE_KVS, FILE_LEAVES, FILE_NODES, branch_at, leaf_at};
use crate::node::{BranchId, LeafId, NodeId};
use crate::records::{Records, record_offset};
use crate::tree::TreeSnapshot;

/// Records between two looks at whether to go on.
const LOOK_RECORDS: u32 = 1024;

/// What is wrong with a record of a tree.
#[derive(Debug)]
pub struct Fault {
    /// The keys that it is about: the leaf's, or the first and the last below the branch. Empty where they cannot be read.
    pub keys: Vec<Vec<u8>>,
    /// What is wrong.
    pub error: Error,
}

impl<B: AsRef<[u8]>> TreeSnapshot<B> {
    /// Checks the leaves at the given places: offset, order, lengths and hash of each. `look` hears how many were checked,
    /// and stops by breaking; `found` hears what is wrong.
    pub fn audit_leaves(
        &self,
        places: Range<u32>,
        look: &mut dyn FnMut(u64) -> ControlFlow<()>,
        found: &mut dyn FnMut(Fault),
    ) {
        let records = self.records();
        walk(places, records.leaf_count(), look, |index| {
            if let Err(error) = records.audit_leaf(LeafId(index)) {
                let keys = records.key(LeafId(index)).map(<[u8]>::to_vec).into_iter().collect();
                found(Fault { keys, error });
            }
        });
    }

    /// Checks the branches with the given indexes: shape, key leaf, height, balance, padding and hash of each, against its
    /// children's records. `look` and `found` as for leaves.
    pub fn audit_branches(
        &self,
        indexes: Range<u32>,
        look: &mut dyn FnMut(u64) -> ControlFlow<()>,
        found: &mut dyn FnMut(Fault),
    ) {
        let records = self.records();
        walk(indexes, records.leaf_count().saturating_sub(1), look, |index| {
            if let Err(error) = records.audit_branch(index) {
                let covered = records.covered(index).map(|(first, last)| [first, last]);
                let key = |leaf| records.key(LeafId(leaf)).map(<[u8]>::to_vec).ok();
                let keys = covered.into_iter().flatten().filter_map(key).collect();
                found(Fault { keys, error });
            }
        });
    }
}

fn walk(range: Range<u32>, count: u32, look: &mut dyn FnMut(u64) -> ControlFlow<()>, mut check: impl FnMut(u32)) {
    let mut unsaid = 0;
    for index in range.start..range.end.min(count) {
        check(index);
        unsaid += 1;
        if unsaid == LOOK_RECORDS {
            if look(u64::from(unsaid)).is_break() {
                return;
            }
            unsaid = 0;
        }
    }
    // Behind the last record there is nothing to stop any more.
    let (ControlFlow::Continue(()) | ControlFlow::Break(())) = look(u64::from(unsaid));
}

impl Records<'_> {
    /// Where the record of leaf `index` must begin in kvs: behind the one before it.
    fn audit_leaf(&self, id: LeafId) -> Result<(), Error> {
        let before = id.0.checked_sub(1).map(|before| self.leaf(LeafId(before))).transpose();
        let raw = self.raw_leaf(id)?;
        // A leaf before this one that cannot be read is that leaf's fault.
        if let Ok(before) = before {
            let start = match &before {
                Some(leaf) => self.raw_leaf(leaf.id)?.kvs_offset + (4 + leaf.key.len() + 4 + leaf.value.len()) as u64,
                None => 0,
            };
            if raw.kvs_offset != start {
                let at = record_offset(id.0) + leaf_at::KVS_OFFSET;
                return Err(self.field(FILE_LEAVES, at, Field::KvsOffset, (start, start), raw.kvs_offset));
            }
            if before.is_some_and(|before| self.key(id).is_ok_and(|key| key <= before.key)) {
                return Err(self.key_order(id));
            }
        }
        let leaf = self.leaf(id)?;
        self.verify_leaf(&leaf)?;
        let end = raw.kvs_offset + (4 + leaf.key.len() + 4 + leaf.value.len()) as u64;
        let got = self.kvs.len() as u64;
        let is_last = id.0 + 1 == self.leaf_count();
        if is_last && got != end { Err(self.field(FILE_KVS, end, Field::KvsEnd, (end, end), got)) } else { Ok(()) }
    }

    /// The first and the last leaf that a branch covers by its own numbers; none if they are no range of the tree.
    fn covered(&self, index: u32) -> Option<(u32, u32)> {
        let raw = self.raw_branch(index).ok()?;
        let last = index.checked_add(u32::from(raw.pre_trees))?.checked_add(1)?;
        let first = last.checked_add(1)?.checked_sub(raw.size)?;
        (first < last && last < self.leaf_count()).then_some((first, last))
    }

    fn audit_branch(&self, index: u32) -> Result<(), Error> {
        let offset = record_offset(index);
        let raw = self.raw_branch(index)?;
        let is_root = index + 2 == self.leaf_count();
        let (first, last) = match self.covered(index) {
            Some(covered) if !is_root || covered == (0, self.leaf_count() - 1) => covered,
            _ => {
                let max = u64::from(self.leaf_count());
                let min = if is_root { max } else { 2 };
                return Err(self.field(FILE_NODES, offset + branch_at::SIZE, Field::Size, (min, max), raw.size.into()));
            }
        };
        let branch = self.branch(BranchId { index, first, last })?;
        let (left, right) = (self.audit_child(branch.left)?, self.audit_child(branch.right)?);
        let exactly = |at: u64, field, (min, max): (u64, u64), got: u64| match got {
            got if (min..=max).contains(&got) => Ok(()),
            _ => Err(self.field(FILE_NODES, offset + at, field, (min, max), got)),
        };
        let (low, high) = (left.0.min(right.0), left.0.max(right.0));
        let height = u64::from(high) + 1;
        exactly(branch_at::HEIGHT, Field::Height, (height, height), branch.height.into())?;
        exactly(branch_at::HEIGHT, Field::Height, (height, u64::from(low) + 2), branch.height.into())?;
        exactly(branch_at::PADDING, Field::Padding, (0, 0), raw.padding.into())?;
        let got = branch_hash(branch.height, branch.size.into(), branch.version, left.1, right.1);
        if got == *branch.hash {
            return Ok(());
        }
        let (path, offset) = (self.path(FILE_NODES), offset + branch_at::HASH);
        Err(Error::HashMismatch { path, offset, expected: *branch.hash, got })
    }

    /// Height and stored hash of a child, whose own numbers must cover the leaves that its parent gives it.
    fn audit_child(&self, child: NodeId) -> Result<(u8, &changeset::Hash), Error> {
        match child {
            NodeId::Leaf(id) => Ok((0, self.raw_leaf(id)?.hash)),
            NodeId::Branch(id) => {
                let raw = self.raw_branch(id.index)?;
                if self.covered(id.index) == Some((id.first, id.last)) {
                    return Ok((raw.height, raw.hash));
                }
                let (at, size) = (record_offset(id.index) + branch_at::SIZE, u64::from(id.size()));
                Err(self.field(FILE_NODES, at, Field::Size, (size, size), raw.size.into()))
            }
        }
    }
}
