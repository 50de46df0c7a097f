//! The tree: what it stands on, its root, its version.

use std::sync::Arc;

use bytes::Bytes;
use changeset::{Hash, KvPair};
use memiavl_iter::{EMPTY_ROOT, NodeId, TreeSnapshot};

use crate::error::{Error, Result};
use crate::tree::arena::Epoch;
use crate::tree::base::Base;
use crate::tree::edit::Edit;
use crate::tree::find::{contains, find_leaf};
use crate::tree::hash::{Unhashed, hash, unhashed_parts};
use crate::tree::many::{One, contains_all};
use crate::tree::node::NodeRef;
use crate::tree::together::{FailedAt, Run};

/// One tree. A clone costs two counts and never changes with the original.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    base: Option<Arc<TreeSnapshot>>,
    root: Option<NodeRef>,
    /// What the root's changed nodes are read from, and keeps them as they are.
    epoch: Arc<Epoch>,
    /// 0 before the tree's first commit.
    version: u32,
    /// The version of the tree's first commit.
    initial_version: u32,
    mem_bytes: u64,
}

impl Tree {
    /// A tree without leaves whose first commit has `initial_version`.
    pub(crate) fn new(initial_version: u32) -> Self {
        Self { base: None, root: None, epoch: Epoch::first(), version: 0, initial_version, mem_bytes: 0 }
    }

    /// The tree as a snapshot has it.
    pub(crate) fn mapped(snapshot: Arc<TreeSnapshot>, initial_version: u32) -> Self {
        let (root, version) = (snapshot.root().map(NodeRef::from), snapshot.version());
        Self { base: Some(snapshot), root, epoch: Epoch::first(), version, initial_version, mem_bytes: 0 }
    }

    /// The tree of the same version with no leaf in it.
    pub(crate) fn emptied(&self) -> Self {
        let Self { version, initial_version, .. } = *self;
        Self { version, ..Self::new(initial_version) }
    }

    /// The snapshot that the tree stands on, if not a node of it was changed since.
    pub(crate) fn unchanged_since(&self) -> Option<&TreeSnapshot> {
        let base = self.base.as_deref()?;
        let is_its_root = match (&self.root, base.root()) {
            (None, None) => true,
            (Some(NodeRef::Leaf(own)), Some(NodeId::Leaf(its))) => *own == its,
            (Some(NodeRef::Branch(own)), Some(NodeId::Branch(its))) => *own == its.index(),
            _ => false,
        };
        is_its_root.then_some(base)
    }

    /// Whether both have the very same nodes at the same version. Nodes that are equal and lie elsewhere do not count.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        // An epoch is of one tree's lines, and those of one snapshot.
        self.version == other.version && Arc::ptr_eq(&self.epoch, &other.epoch) && self.root == other.root
    }

    /// The snapshot's tree that this one stands on; none if it has only nodes in memory.
    pub(crate) fn mapped_base(&self) -> Option<&Arc<TreeSnapshot>> {
        self.base.as_ref()
    }

    /// The version of the last commit; 0 before the first.
    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    /// Memory that changed nodes take.
    pub(crate) fn mem_bytes(&self) -> u64 {
        self.mem_bytes
    }

    /// The number of keys.
    pub(crate) fn len(&self) -> Result<u64> {
        self.root.map_or(Ok(0), |root| Ok(self.base().shape(root)?.size.into()))
    }

    /// The root, for who walks the tree.
    pub(crate) fn root(&self) -> Option<NodeRef> {
        self.root
    }

    /// Where the tree's nodes are read.
    pub(crate) fn base(&self) -> Base<'_> {
        Base::new(self.base.as_deref(), self.epoch.lines())
    }

    /// Hands the value of `key` to `read`.
    pub(crate) fn read<T>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> T) -> Result<Option<T>> {
        let (Some(root), base) = (self.root, self.base()) else { return Ok(None) };
        match find_leaf(base, root, key)? {
            None => Ok(None),
            Some(NodeRef::Leaf(id)) => Ok(Some(read(base.snapshot().leaf(id)?.value))),
            Some(NodeRef::Mem(place)) => Ok(Some(base.read_value(&base.mem_leaf(place)?.value, read))),
            Some(NodeRef::Branch(_)) => Err(Error::MisplacedBranch),
        }
    }

    /// The value of `key`.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.read(key, Bytes::copy_from_slice)
    }

    /// Whether `key` is there. Where a write goes depends on the answer, so the leaves that it rests on are checked.
    pub(crate) fn contains(&self, key: &[u8]) -> Result<bool> {
        self.root.map_or(Ok(false), |root| contains(self.base(), root, key))
    }

    /// From here on the tree is one of those that follow one another: what it has left goes with the last one before it that
    /// is held.
    pub(crate) fn seal(&self) {
        self.epoch.seal();
    }

    /// Which of `keys`, which ascend, are there; else as [`contains`](Self::contains).
    pub(crate) fn contains_many(&self, keys: &[Bytes]) -> Result<Vec<bool>> {
        let mut present = vec![false; keys.len()];
        let mut ones: Vec<_> = keys.iter().zip(&mut present).map(|(key, present)| One::new(key, present)).collect();
        contains_all(self.base(), self.root, &mut ones)?;
        Ok(present)
    }

    /// Applies changes in their order, with the working version.
    pub(crate) fn apply(&mut self, pairs: &[KvPair]) -> Result<()> {
        let version = narrow(u64::from(self.version) + 1)?;
        Epoch::open(&mut self.epoch)?;
        let mut edit = Edit::new(Base::new(self.base.as_deref(), self.epoch.lines()), &self.epoch, version);
        let applied = edit.apply(&mut self.root, pairs);
        self.mem_bytes = self.mem_bytes.saturating_add_signed(edit.grown());
        applied
    }

    /// Applies the changes of versions that follow one another, one element each, and advances over them.
    pub(crate) fn replay(&mut self, versions: &[Vec<&[KvPair]>]) -> std::result::Result<(), FailedAt> {
        let (mut runs, mut version) = (Vec::new(), self.version);
        for (at, changes) in versions.iter().enumerate() {
            let working = narrow(u64::from(version) + 1).map_err(|error| (at, error))?;
            let ascending = changes.iter().flat_map(|pairs| pairs.chunk_by(|a, b| a.key < b.key));
            runs.extend(ascending.map(|pairs| Run { at, version: working, pairs }));
            version = narrow(next_version(version, self.initial_version)).map_err(|error| (at, error))?;
        }
        Epoch::open(&mut self.epoch).map_err(|error| (0, error))?;
        let mut edit = Edit::new(Base::new(self.base.as_deref(), self.epoch.lines()), &self.epoch, 0);
        let applied = edit.apply_together(&mut self.root, &runs);
        self.mem_bytes = self.mem_bytes.saturating_add_signed(edit.grown());
        self.version = version;
        applied
    }

    #[cfg(test)]
    pub(crate) fn lines_in_use(&self) -> usize {
        self.epoch.lines_in_use()
    }

    /// The root hash; afterwards every node has its hash.
    pub(crate) fn root_hash(&self) -> Result<Hash> {
        self.root.map_or(Ok(EMPTY_ROOT), |root| hash(self.base(), root))
    }

    /// The parts that have no hash yet, to be hashed in any order before [`root_hash`](Self::root_hash).
    pub(crate) fn unhashed_parts(&self) -> Vec<Unhashed<'_>> {
        self.root.map_or_else(Vec::new, |root| unhashed_parts(self.base(), root))
    }

    /// The version rises, changed or not.
    pub(crate) fn advance(&mut self) -> Result<()> {
        self.version = narrow(next_version(self.version, self.initial_version))?;
        Ok(())
    }
}

/// The version after `version`: the initial one for the first commit, if that is above 1.
pub(crate) fn next_version(version: u32, initial_version: u32) -> u64 {
    if version == 0 && initial_version > 1 { initial_version.into() } else { u64::from(version) + 1 }
}

/// A version as snapshots can hold it.
pub(crate) fn narrow(version: u64) -> Result<u32> {
    u32::try_from(version).map_err(|_| Error::VersionRange { got: version })
}
