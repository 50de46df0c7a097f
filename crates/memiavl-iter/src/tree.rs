//! One tree of a snapshot: opening it, and its nodes one by one.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use changeset::Hash;

use crate::checked::Checked;
use crate::error::Error;
use crate::hash::{EMPTY_ROOT, LeafHashes, branch_hash, leaf_hash};
use crate::layout::{
    FILE_KVS, FILE_LEAVES, FILE_METADATA, FILE_NODES, FORMAT, MAGIC, METADATA_BYTES, RECORD_BYTES, branch_at, leaf_at,
};
use crate::map::{Access, Mmap};
use crate::node::{Branch, BranchId, Leaf, LeafId, NodeId};
use crate::records::{Records, record_offset};
use crate::search::Landmarks;

/// Leaves that a walk checks together. Of those behind its end none is checked in vain: the next batch begins there.
const LEAVES_AHEAD: u32 = 64;

/// One tree of a snapshot, its files in memory as `B`: mapped, or bytes of any kind.
#[derive(Debug)]
pub struct TreeSnapshot<B = Mmap> {
    dir: PathBuf,
    version: u32,
    nodes: B,
    leaves: B,
    kvs: B,
    checked_branches: Checked,
    checked_leaves: Checked,
    pub(crate) landmarks: Landmarks,
}

impl TreeSnapshot<Mmap> {
    /// Maps the tree in directory `dir`. Checks the metadata and the files' lengths, no record.
    ///
    /// # Errors
    /// Files that are missing, or whose format, version or lengths do not fit.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let metadata = read_metadata(&dir.join(FILE_METADATA))?;
        let map = |file| Mmap::open(&dir.join(file));
        Self::from_parts(dir, &metadata, map(FILE_NODES)?, map(FILE_LEAVES)?, map(FILE_KVS)?)
    }

    /// Hints at how the tree is about to be read.
    pub fn advise(&self, access: Access) {
        for file in [&self.nodes, &self.leaves, &self.kvs] {
            file.advise(access);
        }
    }
}

impl<B: AsRef<[u8]>> TreeSnapshot<B> {
    /// A tree from the bytes of its four files; `dir` names them in errors. Checks what [`open`](TreeSnapshot::open) does.
    ///
    /// # Errors
    /// As [`open`](TreeSnapshot::open), but for the files.
    pub fn from_parts(dir: impl Into<PathBuf>, metadata: &[u8], nodes: B, leaves: B, kvs: B) -> Result<Self, Error> {
        let dir = dir.into();
        let version = parse_metadata(&dir.join(FILE_METADATA), metadata)?;
        let leaf_count = whole_records(&dir.join(FILE_LEAVES), leaves.as_ref())?;
        let max = u64::from(u32::MAX);
        if leaf_count > max {
            return Err(Error::LeafCount { path: dir.join(FILE_LEAVES), max, got: leaf_count });
        }
        let branch_count = whole_records(&dir.join(FILE_NODES), nodes.as_ref())?;
        let expected = leaf_count.saturating_sub(1);
        if branch_count != expected {
            return Err(Error::BranchCount { path: dir.join(FILE_NODES), expected, got: branch_count });
        }
        let of = |file: &B| Checked::new(file.as_ref().len() / RECORD_BYTES);
        let (checked_branches, checked_leaves) = (of(&nodes), of(&leaves));
        let landmarks = Landmarks::default();
        Ok(Self { dir, version, nodes, leaves, kvs, checked_branches, checked_leaves, landmarks })
    }

    pub(crate) fn records(&self) -> Records<'_> {
        Records { dir: &self.dir, nodes: self.nodes.as_ref(), leaves: self.leaves.as_ref(), kvs: self.kvs.as_ref() }
    }

    /// The directory, as given when the tree was opened.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The tree's version.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// How many leaves, that is keys, the tree has.
    pub fn leaf_count(&self) -> u32 {
        self.records().leaf_count()
    }

    /// Whether the tree has no leaf.
    pub fn is_empty(&self) -> bool {
        self.leaf_count() == 0
    }

    /// The tree's files together, metadata included.
    pub fn bytes(&self) -> u64 {
        let records = self.records();
        (METADATA_BYTES + records.nodes.len() + records.leaves.len() + records.kvs.len()) as u64
    }

    /// The root; none if the tree is empty.
    pub fn root(&self) -> Option<NodeId> {
        self.records().root()
    }

    /// The stored root hash, [`EMPTY_ROOT`] if the tree is empty. [`verify`](Self::verify) says whether it is the leaves'.
    pub fn root_hash(&self) -> Hash {
        let records = self.records();
        let file = if records.nodes.is_empty() { records.leaves } else { records.nodes };
        file.last_chunk().copied().unwrap_or(EMPTY_ROOT)
    }

    /// The leaf at place `index` in key order.
    ///
    /// # Errors
    /// A place beyond the last leaf.
    pub fn leaf_id(&self, index: u32) -> Result<LeafId, Error> {
        let id = LeafId(index);
        self.records().raw_leaf(id).map(|_| id)
    }

    /// Reads a leaf. Its hash is as stored: [`verify_leaf`](Self::verify_leaf) says whether it fits.
    ///
    /// # Errors
    /// A damaged record; an id of another tree.
    pub fn leaf(&self, id: LeafId) -> Result<Leaf<'_>, Error> {
        self.records().leaf(id)
    }

    /// Reads a leaf's key alone.
    ///
    /// # Errors
    /// As [`leaf`](Self::leaf).
    pub fn key(&self, id: LeafId) -> Result<&[u8], Error> {
        self.records().key(id)
    }

    /// Reads a branch.
    ///
    /// # Errors
    /// A damaged record; an id of another tree.
    pub fn branch(&self, id: BranchId) -> Result<Branch<'_>, Error> {
        self.records().branch(id)
    }

    /// Reads the branch at place `index` in post order. Which leaves it covers is taken from its own record: that they are those
    /// that it must cover is known once its parent was [checked](Self::verify_branch).
    ///
    /// # Errors
    /// A place beyond the last branch; a record that covers no leaves of the tree.
    pub fn branch_at(&self, index: u32) -> Result<Branch<'_>, Error> {
        self.records().branch_at(index)
    }

    /// As [`branch_at`](Self::branch_at), the leaves alone.
    ///
    /// # Errors
    /// As there.
    pub fn branch_id(&self, index: u32) -> Result<BranchId, Error> {
        self.records().branch_id(index)
    }

    /// The stored hash of the branch at place `index` in post order.
    ///
    /// # Errors
    /// A place beyond the last branch.
    pub fn branch_hash(&self, index: u32) -> Result<&Hash, Error> {
        Ok(self.records().raw_branch(index)?.hash)
    }

    /// The stored hash of a node.
    ///
    /// # Errors
    /// A damaged record; an id of another tree.
    pub fn node_hash(&self, id: NodeId) -> Result<&Hash, Error> {
        match id {
            NodeId::Leaf(leaf) => Ok(self.records().raw_leaf(leaf)?.hash),
            NodeId::Branch(branch) => Ok(self.branch(branch)?.hash),
        }
    }

    /// Checks that a leaf's version, key and value are what its stored hash says, unless it has passed before.
    ///
    /// # Errors
    /// [`Error::HashMismatch`].
    pub fn verify_leaf(&self, leaf: &Leaf<'_>) -> Result<(), Error> {
        self.checked_leaves.once(leaf.id.0, || self.records().verify_leaf(leaf))
    }

    /// Checks a leaf as [`verify_leaf`](Self::verify_leaf) does, for who goes on to the leaves behind it: many are checked at
    /// once, which takes less time than one after the other. That one of those does not fit is told when it is met.
    ///
    /// # Errors
    /// [`Error::HashMismatch`].
    pub fn verify_leaf_in_turn(&self, leaf: &Leaf<'_>) -> Result<(), Error> {
        if !self.checked_leaves.has_passed(leaf.id.0) {
            self.verify_leaves_ahead(leaf.id.0..leaf.id.0.saturating_add(LEAVES_AHEAD));
        }
        self.verify_leaf(leaf)
    }

    /// Remembers which of these leaves fit.
    fn verify_leaves_ahead(&self, places: Range<u32>) {
        let records = self.records();
        let mut hashes = LeafHashes::default();
        let compare = |leaf: Leaf<'_>, got| {
            if got == *leaf.hash {
                self.checked_leaves.pass(leaf.id.0);
            }
        };
        for index in places.start..places.end.min(records.leaf_count()) {
            if !self.checked_leaves.has_passed(index)
                && let Ok(leaf) = records.leaf(LeafId(index))
            {
                hashes.push(leaf.version, leaf.key, leaf.value, leaf, compare);
            }
        }
        hashes.finish(compare);
    }

    /// Checks that a branch's height, size and version, and the stored hashes of both children, are what its stored hash
    /// says, and that the children cover the leaves that they must, unless it has passed before. Who has checked the parent
    /// so, up to a root that is trusted, can trust this branch and its children's hashes and [ids](Self::branch_id).
    ///
    /// # Errors
    /// [`Error::HashMismatch`].
    pub fn verify_branch(&self, branch: &Branch<'_>) -> Result<(), Error> {
        self.checked_branches.once(branch.id.index, || self.records().verify_branch_hash(branch))
    }
}

impl Records<'_> {
    pub(crate) fn verify_leaf(&self, leaf: &Leaf<'_>) -> Result<(), Error> {
        let got = leaf_hash(leaf.version, leaf.key, leaf.value);
        if got == *leaf.hash {
            return Ok(());
        }
        let offset = record_offset(leaf.id.0) + leaf_at::HASH;
        Err(Error::HashMismatch { path: self.path(FILE_LEAVES), offset, expected: *leaf.hash, got })
    }

    pub(crate) fn verify_branch_hash(&self, branch: &Branch<'_>) -> Result<(), Error> {
        let stored = |child| match child {
            NodeId::Leaf(id) => self.raw_leaf(id).map(|leaf| leaf.hash),
            NodeId::Branch(id) => self.branch_under(id).map(|branch| branch.hash),
        };
        let (left, right) = (stored(branch.left)?, stored(branch.right)?);
        let got = branch_hash(branch.height, branch.size.into(), branch.version, left, right);
        if got == *branch.hash {
            return Ok(());
        }
        let offset = record_offset(branch.id.index) + branch_at::HASH;
        Err(Error::HashMismatch { path: self.path(FILE_NODES), offset, expected: *branch.hash, got })
    }
}

/// Reads the metadata file, whose length is checked before it is read.
fn read_metadata(path: &Path) -> Result<Vec<u8>, Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let got = fs::metadata(path).map_err(io)?.len();
    if got != METADATA_BYTES as u64 {
        return Err(Error::MetadataLength { path: path.to_owned(), expected: METADATA_BYTES as u64, got });
    }
    fs::read(path).map_err(io)
}

fn parse_metadata(path: &Path, bytes: &[u8]) -> Result<u32, Error> {
    let path = || path.to_owned();
    let words = <[u8; METADATA_BYTES]>::try_from(bytes).map_err(|_| Error::MetadataLength {
        path: path(),
        expected: METADATA_BYTES as u64,
        got: bytes.len() as u64,
    })?;
    let [magic, format, version] =
        [0, 4, 8].map(|at| u32::from_le_bytes([words[at], words[at + 1], words[at + 2], words[at + 3]]));
    if magic != MAGIC {
        return Err(Error::Magic { path: path(), expected: MAGIC, got: magic });
    }
    if format != FORMAT {
        return Err(Error::Format { path: path(), expected: FORMAT, got: format });
    }
    Ok(version)
}

fn whole_records(path: &Path, bytes: &[u8]) -> Result<u64, Error> {
    let (got, record_bytes) = (bytes.len() as u64, RECORD_BYTES as u64);
    if got.is_multiple_of(record_bytes) {
        Ok(got / record_bytes)
    } else {
        Err(Error::PartialRecord { path: path.to_owned(), record_bytes, got })
    }
}
