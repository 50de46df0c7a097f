//! The full check of a tree: one pass over its files, in order.
//!
//! 1. Leaves: each record of kvs begins where the one before it ends and the last one ends with the file, keys rise, and
//!    every leaf hash is that of version, key and value.
//! 2. Branches, in post order: a branch closes the two youngest finished subtrees; its range, key leaf, height, balance,
//!    size and hash follow from them, and its padding is zero.
//!
//! The bytes that this cannot vouch for are the version in the metadata file (the snapshot's commit info does that) and
//! the hash of a root, which is whatever the tree says; compare it with one you trust.

use changeset::Hash;

use crate::error::{Error, Field};
use crate::hash::branch_hash;
use crate::layout::{FILE_KVS, FILE_LEAVES, FILE_NODES, branch_at, leaf_at};
use crate::node::{BranchId, LeafId};
use crate::records::{Records, record_offset};
use crate::tree::TreeSnapshot;

/// A finished subtree that waits for its parent.
struct Subtree {
    first: u32,
    last: u32,
    height: u8,
    hash: Hash,
}

impl<B: AsRef<[u8]>> TreeSnapshot<B> {
    /// Checks every byte of the tree's records: offsets, order, shape and all hashes.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify(&self) -> Result<(), Error> {
        let records = self.records();
        records.verify_leaves()?;
        records.verify_branches()
    }
}

impl Records<'_> {
    fn verify_leaves(&self) -> Result<(), Error> {
        let mut kvs_end = 0;
        let mut previous: Option<&[u8]> = None;
        for id in (0..self.leaf_count()).map(LeafId) {
            let raw = self.raw_leaf(id)?;
            if raw.kvs_offset != kvs_end {
                let at = record_offset(id.0) + leaf_at::KVS_OFFSET;
                return Err(self.field(FILE_LEAVES, at, Field::KvsOffset, (kvs_end, kvs_end), raw.kvs_offset));
            }
            let leaf = self.leaf(id)?;
            if previous.is_some_and(|previous| leaf.key <= previous) {
                return Err(self.key_order(id));
            }
            self.verify_leaf(&leaf)?;
            previous = Some(leaf.key);
            // Both lie within the file, hence no overflow.
            kvs_end += (4 + leaf.key.len() + 4 + leaf.value.len()) as u64;
        }
        let got = self.kvs.len() as u64;
        if got == kvs_end { Ok(()) } else { Err(self.field(FILE_KVS, kvs_end, Field::KvsEnd, (kvs_end, kvs_end), got)) }
    }

    fn verify_branches(&self) -> Result<(), Error> {
        let mut next_leaf = 0;
        let mut finished: Vec<Subtree> = Vec::new();
        for index in 0..self.leaf_count().saturating_sub(1) {
            // The pre-trees are a byte, so at most 257 subtrees ever wait.
            let wanted = usize::from(self.raw_branch(index)?.pre_trees) + 2;
            while finished.len() < wanted && next_leaf < self.leaf_count() {
                let hash = *self.raw_leaf(LeafId(next_leaf))?.hash;
                finished.push(Subtree { first: next_leaf, last: next_leaf, height: 0, hash });
                next_leaf += 1;
            }
            let found = finished.len() as u64;
            let (Some(right), Some(left), true) = (finished.pop(), finished.pop(), found == wanted as u64) else {
                let at = record_offset(index) + branch_at::PRE_TREES;
                let expected = found.saturating_sub(2);
                return Err(self.field(FILE_NODES, at, Field::PreTrees, (expected, expected), wanted as u64 - 2));
            };
            finished.push(self.verify_branch(index, &left, &right)?);
        }
        // Branches = leaves - 1, and each branch turned two subtrees into one: with the last leaf taken, one is left.
        Ok(())
    }

    /// Checks the branch over two finished subtrees that stand next to each other.
    fn verify_branch(&self, index: u32, left: &Subtree, right: &Subtree) -> Result<Subtree, Error> {
        let branch = self.branch(BranchId { index, first: left.first, last: right.last })?;
        let offset = record_offset(index);
        let exactly = |at: u64, field, expected: u64, got: u64| match got {
            got if got == expected => Ok(()),
            _ => Err(self.field(FILE_NODES, offset + at, field, (expected, expected), got)),
        };
        exactly(branch_at::KEY_LEAF, Field::KeyLeaf, right.first.into(), branch.key_leaf.0.into())?;
        let height = left.height.max(right.height) + 1;
        exactly(branch_at::HEIGHT, Field::Height, height.into(), branch.height.into())?;
        if left.height.abs_diff(right.height) > 1 {
            let lower = left.height.min(right.height);
            let (min, max) = (u64::from(lower) + 1, u64::from(lower) + 2);
            return Err(self.field(FILE_NODES, offset + branch_at::HEIGHT, Field::Height, (min, max), height.into()));
        }
        exactly(branch_at::PADDING, Field::Padding, 0, self.raw_branch(index)?.padding.into())?;
        let got = branch_hash(height, branch.size.into(), branch.version, &left.hash, &right.hash);
        if got != *branch.hash {
            let path = self.path(FILE_NODES);
            return Err(Error::HashMismatch { path, offset: offset + branch_at::HASH, expected: *branch.hash, got });
        }
        Ok(Subtree { first: left.first, last: right.last, height, hash: got })
    }
}
