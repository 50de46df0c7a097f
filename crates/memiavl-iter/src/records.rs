//! Checked reading of single records. Everything here works on slices, and every number is checked before it is used.

use std::path::{Path, PathBuf};

use crate::error::{Error, Field};
use crate::layout::{FILE_KVS, FILE_LEAVES, FILE_NODES, RECORD_BYTES, RawBranch, RawLeaf, branch_at, leaf_at};
use crate::node::{Branch, BranchId, Leaf, LeafId, NodeId};

/// Length of the length that stands before a key and before a value.
const LENGTH_BYTES: u64 = 4;
/// An AVL tree of less than 2^32 leaves is lower than this.
const HEIGHT_MAX: u8 = 46;

/// The three files of records of one tree.
///
/// INVARIANT: `nodes` and `leaves` are whole records, there are at most `u32::MAX` leaves, and branches = leaves - 1, or 0
/// without leaves.
#[derive(Clone, Copy)]
pub(crate) struct Records<'a> {
    pub(crate) dir: &'a Path,
    pub(crate) nodes: &'a [u8],
    pub(crate) leaves: &'a [u8],
    pub(crate) kvs: &'a [u8],
}

impl<'a> Records<'a> {
    pub(crate) fn leaf_count(&self) -> u32 {
        // UNWRAP: the struct's invariant.
        u32::try_from(self.leaves.len() / RECORD_BYTES).expect("leaves were counted when the tree was opened")
    }

    pub(crate) fn root(&self) -> Option<NodeId> {
        match self.leaf_count() {
            0 => None,
            1 => Some(NodeId::Leaf(LeafId(0))),
            count => Some(NodeId::Branch(BranchId { index: count - 2, first: 0, last: count - 1 })),
        }
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.dir.join(file)
    }

    pub(crate) fn raw_leaf(&self, leaf: LeafId) -> Result<RawLeaf<'a>, Error> {
        match record(self.leaves, leaf.0) {
            Some(record) => Ok(RawLeaf::read(record)),
            None => Err(self.no_such_node(FILE_LEAVES, self.leaves, leaf.0)),
        }
    }

    pub(crate) fn raw_branch(&self, index: u32) -> Result<RawBranch<'a>, Error> {
        match record(self.nodes, index) {
            Some(record) => Ok(RawBranch::read(record)),
            None => Err(self.no_such_node(FILE_NODES, self.nodes, index)),
        }
    }

    pub(crate) fn key(&self, leaf: LeafId) -> Result<&'a [u8], Error> {
        Ok(self.key_and_end(leaf, self.raw_leaf(leaf)?)?.0)
    }

    pub(crate) fn leaf(&self, id: LeafId) -> Result<Leaf<'a>, Error> {
        let raw = self.raw_leaf(id)?;
        let (key, key_end) = self.key_and_end(id, raw)?;
        let value = self.prefixed(key_end, Field::ValueLength)?;
        Ok(Leaf { id, version: raw.version, key, value, hash: raw.hash })
    }

    /// A leaf's key and the offset behind it.
    fn key_and_end(&self, id: LeafId, raw: RawLeaf<'a>) -> Result<(&'a [u8], u64), Error> {
        let start = raw.kvs_offset;
        let leaf_offset = record_offset(id.0);
        let room = (self.kvs.len() as u64).saturating_sub(2 * LENGTH_BYTES);
        if start > room {
            return Err(self.field(FILE_LEAVES, leaf_offset + leaf_at::KVS_OFFSET, Field::KvsOffset, (0, room), start));
        }
        let key = self.prefixed(start, Field::KeyLength)?;
        let length = key.len() as u64;
        if u64::from(raw.key_length) != length {
            let at = leaf_offset + leaf_at::KEY_LENGTH;
            return Err(self.field(FILE_LEAVES, at, Field::KeyLength, (length, length), raw.key_length.into()));
        }
        // Within the file, hence no overflow.
        Ok((key, start + LENGTH_BYTES + length))
    }

    /// The bytes behind the length that stands at `at` in kvs.
    fn prefixed(&self, at: u64, field: Field) -> Result<&'a [u8], Error> {
        let rest = usize::try_from(at).ok().and_then(|at| self.kvs.get(at..)).unwrap_or_default();
        let Some((length, rest)) = rest.split_first_chunk::<4>() else {
            let end = self.kvs.len() as u64;
            return Err(self.field(FILE_KVS, at, Field::KvsEnd, (at.saturating_add(LENGTH_BYTES), u64::MAX), end));
        };
        let length = u32::from_le_bytes(*length);
        match usize::try_from(length).ok().and_then(|length| rest.get(..length)) {
            Some(bytes) => Ok(bytes),
            None => Err(self.field(FILE_KVS, at, field, (0, rest.len() as u64), length.into())),
        }
    }

    /// Reads the branch at place `index`, which covers what its own record says.
    pub(crate) fn branch_at(&self, index: u32) -> Result<Branch<'a>, Error> {
        let raw = self.raw_branch(index)?;
        self.shaped(self.id_of(index, raw)?, raw)
    }

    /// Place and leaves of the branch at place `index`, by its own record.
    pub(crate) fn branch_id(&self, index: u32) -> Result<BranchId, Error> {
        self.id_of(index, self.raw_branch(index)?)
    }

    fn id_of(&self, index: u32, raw: RawBranch<'a>) -> Result<BranchId, Error> {
        let (offset, leaves) = (record_offset(index), u64::from(self.leaf_count()));
        if u64::from(index) + 2 == leaves {
            // The root, which has no parent to say what it must cover.
            let id = BranchId { index, first: 0, last: index + 1 };
            self.covers(id, raw)?;
            return Ok(id);
        }
        // As many finished trees stand before a branch as its last leaf is ahead of it.
        let last = u64::from(index) + u64::from(raw.pre_trees) + 1;
        if last >= leaves {
            let max = leaves.saturating_sub(u64::from(index) + 2);
            let at = offset + branch_at::PRE_TREES;
            return Err(self.field(FILE_NODES, at, Field::PreTrees, (0, max), raw.pre_trees.into()));
        }
        let size = u64::from(raw.size);
        if !(2..=last + 1).contains(&size) {
            return Err(self.field(FILE_NODES, offset + branch_at::SIZE, Field::Size, (2, last + 1), size));
        }
        // UNWRAP: both are less than the number of leaves, which is a u32.
        let leaf = |index: u64| u32::try_from(index).expect("a leaf of the tree");
        Ok(BranchId { index, first: leaf(last + 1 - size), last: leaf(last) })
    }

    /// Reads the branch `id` and checks that it covers the leaves it must, and that it is balanced enough for an AVL tree.
    pub(crate) fn branch(&self, id: BranchId) -> Result<Branch<'a>, Error> {
        self.shaped(id, self.branch_under(id)?)
    }

    /// The record of the branch `id`, checked to cover the leaves that it must.
    pub(crate) fn branch_under(&self, id: BranchId) -> Result<RawBranch<'a>, Error> {
        let raw = self.raw_branch(id.index)?;
        self.covers(id, raw)?;
        Ok(raw)
    }

    fn covers(&self, id: BranchId, raw: RawBranch<'a>) -> Result<(), Error> {
        // The id's range gives size and pre-trees; INVARIANT of the id: index < last.
        let (size, pre_trees) = (u64::from(id.size()), u64::from(id.last - id.index - 1));
        self.check(id.index, branch_at::SIZE, Field::Size, (size, size), raw.size.into())?;
        self.check(id.index, branch_at::PRE_TREES, Field::PreTrees, (pre_trees, pre_trees), raw.pre_trees.into())
    }

    /// Checks that the branch `id` is balanced enough for an AVL tree.
    fn shaped(&self, id: BranchId, raw: RawBranch<'a>) -> Result<Branch<'a>, Error> {
        let size = u64::from(id.size());
        if !is_avl(raw.height, size) {
            let (lowest, highest) = heights(size);
            self.check(id.index, branch_at::HEIGHT, Field::Height, (lowest.into(), highest.into()), raw.height.into())?;
        }
        // Both subtrees are AVL trees of height - 1 or height - 2. This is what bounds the way down in a damaged file:
        // each step leaves out at least the smaller subtree.
        let least = leaves_min(raw.height.saturating_sub(2));
        let key_leaf = (u64::from(id.first) + least, u64::from(id.last) + 1 - least);
        self.check(id.index, branch_at::KEY_LEAF, Field::KeyLeaf, key_leaf, raw.key_leaf.into())?;
        self.with_children(id, raw)
    }

    /// Checks a field of the branch at place `index`.
    fn check(&self, index: u32, at: u64, field: Field, (min, max): (u64, u64), got: u64) -> Result<(), Error> {
        if (min..=max).contains(&got) {
            return Ok(());
        }
        Err(self.field(FILE_NODES, record_offset(index) + at, field, (min, max), got))
    }

    /// INVARIANT: `first < key leaf <= last` was checked, and pre-trees = last - index - 1.
    fn with_children(&self, id: BranchId, raw: RawBranch<'a>) -> Result<Branch<'a>, Error> {
        let left_last = raw.key_leaf - 1;
        let left = if left_last == id.first {
            NodeId::Leaf(LeafId(id.first))
        } else {
            // keyLeaf - preTrees - 2; a number below zero means that fewer branches stand before than the shape needs.
            let index = (u64::from(left_last) + u64::from(id.index)).checked_sub(u64::from(id.last));
            // UNWRAP: left_last < last, so the sum is less than index, which is a u32.
            let index = index.map(|index| u32::try_from(index).expect("left of its parent"));
            let index = index.ok_or_else(|| {
                let min = u64::from(id.last - id.index) + 1;
                let at = record_offset(id.index) + branch_at::KEY_LEAF;
                self.field(FILE_NODES, at, Field::KeyLeaf, (min, id.last.into()), raw.key_leaf.into())
            })?;
            NodeId::Branch(BranchId { index, first: id.first, last: left_last })
        };
        let right = if raw.key_leaf == id.last {
            NodeId::Leaf(LeafId(id.last))
        } else {
            let index = id.index.checked_sub(1).ok_or_else(|| {
                let at = record_offset(id.index) + branch_at::KEY_LEAF;
                self.field(FILE_NODES, at, Field::KeyLeaf, (id.last.into(), id.last.into()), raw.key_leaf.into())
            })?;
            NodeId::Branch(BranchId { index, first: raw.key_leaf, last: id.last })
        };
        Ok(Branch {
            id,
            height: raw.height,
            size: raw.size,
            version: raw.version,
            key_leaf: LeafId(raw.key_leaf),
            hash: raw.hash,
            left,
            right,
            records: *self,
        })
    }

    pub(crate) fn field(&self, file: &str, offset: u64, field: Field, (min, max): (u64, u64), got: u64) -> Error {
        Error::Field { path: self.path(file), offset, field, min, max, got }
    }

    fn no_such_node(&self, file: &str, records: &[u8], index: u32) -> Error {
        Error::NoSuchNode { path: self.path(file), count: (records.len() / RECORD_BYTES) as u64, got: index.into() }
    }
}

/// Where record `index` starts.
pub(crate) fn record_offset(index: u32) -> u64 {
    u64::from(index) * RECORD_BYTES as u64
}

fn record(records: &[u8], index: u32) -> Option<&[u8; RECORD_BYTES]> {
    let start = usize::try_from(record_offset(index)).ok()?;
    records.get(start..)?.first_chunk()
}

/// The least number of leaves of an AVL tree by its height: Fibonacci numbers. The last one is more than a tree can have.
const LEAVES_MIN: [u64; HEIGHT_MAX as usize + 1] = {
    let mut table = [1, 2, 0];
    let mut least = [1; HEIGHT_MAX as usize + 1];
    let mut height = 1;
    while height < least.len() {
        least[height] = table[1];
        table[2] = table[0] + table[1];
        table = [table[1], table[2], 0];
        height += 1;
    }
    least
};

fn leaves_min(height: u8) -> u64 {
    LEAVES_MIN[usize::from(height.min(HEIGHT_MAX))]
}

/// Whether an AVL tree of `size` leaves can have `height`.
fn is_avl(height: u8, size: u64) -> bool {
    height < HEIGHT_MAX && leaves_min(height) <= size && size <= 1 << height
}

/// The least and the greatest height that an AVL tree of `size` leaves can have.
fn heights(size: u64) -> (u8, u8) {
    let fits = |height: &u8| is_avl(*height, size);
    ((0..HEIGHT_MAX).find(fits).unwrap_or(0), (0..HEIGHT_MAX).rfind(fits).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heights_of_avl_trees() {
        assert_eq!([0, 1, 2, 3, 4, 5].map(leaves_min), [1, 2, 3, 5, 8, 13]);
        assert_eq!(
            [2, 3, 4, 5, 7, 8, 12, 13].map(heights),
            [(1, 1), (2, 2), (2, 2), (3, 3), (3, 3), (3, 4), (4, 4), (4, 5)]
        );
        assert_eq!(heights(u32::MAX.into()), (32, 45));
        assert!(leaves_min(HEIGHT_MAX) > u32::MAX.into());
    }
}
