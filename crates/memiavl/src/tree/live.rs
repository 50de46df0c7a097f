//! The tree: what it stands on, its root, its version.

use std::sync::Arc;

use bytes::Bytes;
use changeset::{Hash, KvPair};
use memiavl_iter::{EMPTY_ROOT, NodeId, TreeSnapshot};

use crate::error::{Error, Result};
use crate::tree::edit::Edit;
use crate::tree::find::{contains, find_leaf};
use crate::tree::hash::{Unhashed, hash, unhashed_parts};
use crate::tree::many::{One, contains_all};
use crate::tree::node::{At, Base, Body, LeafValue, MemNode, NodeRef};
use crate::tree::spare::let_go;
use crate::tree::together::{FailedAt, Run};

/// One tree. A clone costs two counts and never changes with the original.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    base: Option<Arc<TreeSnapshot>>,
    root: Option<NodeRef>,
    /// 0 before the tree's first commit.
    version: u32,
    /// The version of the tree's first commit.
    initial_version: u32,
    mem_bytes: u64,
}

impl Tree {
    /// A tree without leaves whose first commit has `initial_version`.
    pub(crate) fn new(initial_version: u32) -> Self {
        Self { base: None, root: None, version: 0, initial_version, mem_bytes: 0 }
    }

    /// The tree as a snapshot has it.
    pub(crate) fn mapped(snapshot: Arc<TreeSnapshot>, initial_version: u32) -> Self {
        let (root, version) = (snapshot.root().map(NodeRef::from), snapshot.version());
        Self { base: Some(snapshot), root, version, initial_version, mem_bytes: 0 }
    }

    /// The tree of the same version with no leaf in it.
    pub(crate) fn emptied(&self) -> Self {
        Self { base: None, root: None, mem_bytes: 0, ..*self }
    }

    /// The snapshot that the tree stands on, if not a node of it was changed since.
    pub(crate) fn unchanged_since(&self) -> Option<&TreeSnapshot> {
        let base = self.base.as_deref()?;
        let is_its_root = match (&self.root, base.root()) {
            (None, None) => true,
            (Some(NodeRef::Leaf(own)), Some(NodeId::Leaf(its))) => *own == its,
            (Some(NodeRef::Branch(own)), Some(NodeId::Branch(its))) => *own == its,
            _ => false,
        };
        is_its_root.then_some(base)
    }

    /// Whether both have the very same nodes at the same version. Nodes that are equal and lie elsewhere do not count.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        let is_same_base = match (&self.base, &other.base) {
            (None, None) => true,
            (Some(own), Some(its)) => Arc::ptr_eq(own, its),
            _ => false,
        };
        let is_same_root = match (&self.root, &other.root) {
            (None, None) => true,
            (Some(NodeRef::Leaf(own)), Some(NodeRef::Leaf(its))) => own == its,
            (Some(NodeRef::Branch(own)), Some(NodeRef::Branch(its))) => own == its,
            (Some(NodeRef::Mem(own)), Some(NodeRef::Mem(its))) => triomphe::Arc::ptr_eq(own, its),
            _ => false,
        };
        self.version == other.version && is_same_base && is_same_root
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
        self.root.as_ref().map_or(Ok(0), |root| Ok(self.base().shape(root.at())?.size.into()))
    }

    /// The root, for who walks the tree.
    pub(crate) fn root(&self) -> Option<&NodeRef> {
        self.root.as_ref()
    }

    /// Where the tree's mapped nodes are read.
    pub(crate) fn base(&self) -> Base<'_> {
        Base::new(self.base.as_deref())
    }

    /// Hands the value of `key` to `read`.
    pub(crate) fn read<T>(&self, key: &[u8], read: impl FnOnce(Value<'_>) -> T) -> Result<Option<T>> {
        let Some(root) = &self.root else {
            return Ok(None);
        };
        let Some(leaf) = find_leaf(self.base(), root, key)? else {
            return Ok(None);
        };
        match leaf {
            At::Leaf(id) => Ok(Some(read(Value::Mapped(self.base().snapshot().leaf(id)?.value)))),
            At::Mem(MemNode { body: Body::Leaf { value, .. }, .. }) => Ok(Some(read(Value::Mem(value)))),
            At::Branch(_) | At::Mem(_) => Err(Error::MisplacedBranch),
        }
    }

    /// The value of `key`.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.read(key, |value| match value {
            Value::Mapped(bytes) => Bytes::copy_from_slice(bytes),
            Value::Mem(value) => value.to_bytes(),
        })
    }

    /// Whether `key` is there. Where a write goes depends on the answer, so the leaves that it rests on are checked.
    pub(crate) fn contains(&self, key: &[u8]) -> Result<bool> {
        self.root.as_ref().map_or(Ok(false), |root| contains(self.base(), root, key))
    }

    /// Lets the tree's nodes go; those that nobody else holds are used again.
    pub(crate) fn let_go(&mut self) {
        self.root.take().into_iter().for_each(let_go);
    }

    /// Which of `keys`, which ascend, are there; else as [`contains`](Self::contains).
    pub(crate) fn contains_many(&self, keys: &[Bytes]) -> Result<Vec<bool>> {
        let mut present = vec![false; keys.len()];
        let mut ones: Vec<_> = keys.iter().zip(&mut present).map(|(key, present)| One::new(key, present)).collect();
        contains_all(self.base(), self.root.as_ref(), &mut ones)?;
        Ok(present)
    }

    /// Applies changes in their order, with the working version.
    pub(crate) fn apply(&mut self, pairs: &[KvPair]) -> Result<()> {
        let version = narrow(u64::from(self.version) + 1)?;
        let mut edit = Edit::new(Base::new(self.base.as_deref()), version);
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
        let mut edit = Edit::new(Base::new(self.base.as_deref()), 0);
        let applied = edit.apply_together(&mut self.root, &runs);
        self.mem_bytes = self.mem_bytes.saturating_add_signed(edit.grown());
        self.version = version;
        applied
    }

    /// The root hash; afterwards every node has its hash.
    pub(crate) fn root_hash(&mut self) -> Result<Hash> {
        let base = Base::new(self.base.as_deref());
        self.root.as_mut().map_or(Ok(EMPTY_ROOT), |root| hash(base, root))
    }

    /// The parts that have no hash yet, to be hashed in any order before [`root_hash`](Self::root_hash).
    pub(crate) fn unhashed_parts(&mut self) -> Vec<Unhashed<'_>> {
        let base = Base::new(self.base.as_deref());
        self.root.as_mut().map_or_else(Vec::new, |root| unhashed_parts(base, root))
    }

    /// The version rises, changed or not.
    pub(crate) fn advance(&mut self) -> Result<()> {
        self.version = narrow(next_version(self.version, self.initial_version))?;
        Ok(())
    }
}

/// Bytes as a leaf holds them.
pub(crate) enum Value<'a> {
    /// In the mapped snapshot.
    Mapped(&'a [u8]),
    /// In memory.
    Mem(&'a LeafValue),
}

/// The version after `version`: the initial one for the first commit, if that is above 1.
pub(crate) fn next_version(version: u32, initial_version: u32) -> u64 {
    if version == 0 && initial_version > 1 { initial_version.into() } else { u64::from(version) + 1 }
}

/// A version as snapshots can hold it.
pub(crate) fn narrow(version: u64) -> Result<u32> {
    u32::try_from(version).map_err(|_| Error::VersionRange { got: version })
}
