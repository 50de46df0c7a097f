//! The files of one tree in a snapshot.
//!
//! ```text
//! metadata   12   u32 magic 1280721225 ("IAVL") | u32 format 0 | u32 version
//! kvs             per leaf, in key order: u32 key length | key | u32 value length | value
//! leaves     48   each: u32 version | u32 key length | u64 offset of the leaf's record in kvs | hash 32
//! nodes      48   each, post order: u8 height | u8 preTrees | 2 of padding | u32 version | u32 size | u32 keyLeaf | hash 32
//! ```
//! All integers are little endian. Branches = leaves - 1, and the last branch is the root; one leaf has no branches and is
//! the root itself; an empty tree has empty files.
//!
//! ```text
//! preTrees    last leaf of the branch - its own index - 1
//! keyLeaf     the leftmost leaf of the right subtree; the branch's key is its key
//! first leaf  index + 2 - size + preTrees            last leaf  index + preTrees + 1
//! left        leaf `first` when first + 1 = keyLeaf, else branch keyLeaf - preTrees - 2
//! right       leaf keyLeaf when keyLeaf = last,     else branch index - 1
//! ```
//! Source: spec FORMATS, memiavl directory.

use changeset::Hash;

/// First four bytes of a tree's metadata, little endian: "IAVL".
pub const MAGIC: u32 = 1_280_721_225;
/// The only format there is.
pub const FORMAT: u32 = 0;
/// Length of a tree's metadata.
pub const METADATA_BYTES: usize = 12;
/// Length of a record in `leaves` and in `nodes`.
pub const RECORD_BYTES: usize = 48;
/// File name of a tree's metadata.
pub const FILE_METADATA: &str = "metadata";
/// File name of a tree's branches.
pub const FILE_NODES: &str = "nodes";
/// File name of a tree's leaves.
pub const FILE_LEAVES: &str = "leaves";
/// File name of a tree's keys and values.
pub const FILE_KVS: &str = "kvs";

/// Where the fields of a branch record start.
pub(crate) mod branch_at {
    pub(crate) const HEIGHT: u64 = 0;
    pub(crate) const PRE_TREES: u64 = 1;
    pub(crate) const PADDING: u64 = 2;
    pub(crate) const SIZE: u64 = 8;
    pub(crate) const KEY_LEAF: u64 = 12;
    pub(crate) const HASH: u64 = 16;
}

/// Where the fields of a leaf record start.
pub(crate) mod leaf_at {
    pub(crate) const KEY_LENGTH: u64 = 4;
    pub(crate) const KVS_OFFSET: u64 = 8;
    pub(crate) const HASH: u64 = 16;
}

/// A branch record as it stands in the file, nothing checked.
#[derive(Clone, Copy)]
pub(crate) struct RawBranch<'a> {
    pub(crate) height: u8,
    pub(crate) pre_trees: u8,
    pub(crate) padding: u16,
    pub(crate) version: u32,
    pub(crate) size: u32,
    pub(crate) key_leaf: u32,
    pub(crate) hash: &'a Hash,
}

/// A leaf record as it stands in the file, nothing checked.
#[derive(Clone, Copy)]
pub(crate) struct RawLeaf<'a> {
    pub(crate) version: u32,
    pub(crate) key_length: u32,
    pub(crate) kvs_offset: u64,
    pub(crate) hash: &'a Hash,
}

/// Takes the first `N` bytes of a record that is long enough by its type.
fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> &'a [u8; N] {
    // UNWRAP: both records are 48 bytes, and the fields that are taken of each sum up to 48.
    let (head, tail) = rest.split_first_chunk().expect("fields sum up to the record");
    *rest = tail;
    head
}

impl<'a> RawBranch<'a> {
    pub(crate) fn read(record: &'a [u8; RECORD_BYTES]) -> Self {
        let mut rest = record.as_slice();
        Self {
            height: take::<1>(&mut rest)[0],
            pre_trees: take::<1>(&mut rest)[0],
            padding: u16::from_le_bytes(*take(&mut rest)),
            version: u32::from_le_bytes(*take(&mut rest)),
            size: u32::from_le_bytes(*take(&mut rest)),
            key_leaf: u32::from_le_bytes(*take(&mut rest)),
            hash: take(&mut rest),
        }
    }
}

impl<'a> RawLeaf<'a> {
    pub(crate) fn read(record: &'a [u8; RECORD_BYTES]) -> Self {
        let mut rest = record.as_slice();
        Self {
            version: u32::from_le_bytes(*take(&mut rest)),
            key_length: u32::from_le_bytes(*take(&mut rest)),
            kvs_offset: u64::from_le_bytes(*take(&mut rest)),
            hash: take(&mut rest),
        }
    }
}

/// A tree's metadata file.
pub fn encode_metadata(version: u32) -> [u8; METADATA_BYTES] {
    let mut bytes = [0; METADATA_BYTES];
    bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
    bytes[4..8].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[8..].copy_from_slice(&version.to_le_bytes());
    bytes
}

/// A record of the `leaves` file, for who writes a snapshot.
pub fn encode_leaf(version: u32, key_length: u32, kvs_offset: u64, hash: &Hash) -> [u8; RECORD_BYTES] {
    let mut bytes = [0; RECORD_BYTES];
    bytes[..4].copy_from_slice(&version.to_le_bytes());
    bytes[4..8].copy_from_slice(&key_length.to_le_bytes());
    bytes[8..16].copy_from_slice(&kvs_offset.to_le_bytes());
    bytes[16..].copy_from_slice(hash);
    bytes
}

/// A record of the `nodes` file, for who writes a snapshot.
pub fn encode_branch(
    height: u8,
    pre_trees: u8,
    version: u32,
    size: u32,
    key_leaf: u32,
    hash: &Hash,
) -> [u8; RECORD_BYTES] {
    let mut bytes = [0; RECORD_BYTES];
    bytes[0] = height;
    bytes[1] = pre_trees;
    bytes[4..8].copy_from_slice(&version.to_le_bytes());
    bytes[8..12].copy_from_slice(&size.to_le_bytes());
    bytes[12..16].copy_from_slice(&key_leaf.to_le_bytes());
    bytes[16..].copy_from_slice(hash);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A change here is a change of the format: nodes of the reference could no longer read what we write.
    #[test]
    fn the_formats_constants_stay() {
        assert_eq!((MAGIC.to_le_bytes(), FORMAT, METADATA_BYTES, RECORD_BYTES), (*b"IAVL", 0, 12, 48));
        assert_eq!(encode_metadata(0x0102_0304), [0x49, 0x41, 0x56, 0x4c, 0, 0, 0, 0, 4, 3, 2, 1]);
    }

    #[test]
    fn records_read_back_as_written() {
        let bytes = encode_branch(3, 2, 9, 7, 5, &[8; 32]);
        let branch = RawBranch::read(&bytes);
        assert_eq!((branch.height, branch.pre_trees, branch.padding), (3, 2, 0));
        assert_eq!((branch.version, branch.size, branch.key_leaf, branch.hash), (9, 7, 5, &[8; 32]));
        let bytes = encode_leaf(9, 4, 1 << 40, &[8; 32]);
        let leaf = RawLeaf::read(&bytes);
        assert_eq!((leaf.version, leaf.key_length, leaf.kvs_offset, leaf.hash), (9, 4, 1 << 40, &[8; 32]));
    }
}
