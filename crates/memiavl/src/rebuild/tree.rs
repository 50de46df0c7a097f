//! One tree from its nodes in post order.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use bytes::Bytes;
use changeset::Hash;
use memiavl_iter::{
    EMPTY_ROOT, FILE_KVS, FILE_LEAVES, FILE_METADATA, FILE_NODES, RECORD_BYTES, branch_hash, encode_branch,
    encode_leaf, encode_metadata, leaf_hash,
};

use crate::error::{Doing, Error, Result};
use crate::rebuild::files::Appended;
use crate::snapshot::{IoResult, sync_dir};

/// A finished subtree that waits for its parent.
#[derive(Clone, Copy)]
struct Waiting {
    first: u32,
    last: u32,
    height: u8,
    hash: Hash,
}

/// A tree being built.
pub(super) struct TreeBuild {
    name: String,
    nodes: Appended,
    leaves: Appended,
    kvs: Appended,
    leaf_count: u32,
    branch_count: u32,
    kvs_bytes: u64,
    last_key: Vec<u8>,
    /// At most the tree's height of them.
    waiting: Vec<Waiting>,
}

/// How far a tree has come.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct TreeMark {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(uint32, tag = "2")]
    leaves: u32,
    #[prost(uint32, tag = "3")]
    branches: u32,
    #[prost(uint64, tag = "4")]
    kvs_bytes: u64,
    #[prost(bytes = "vec", tag = "5")]
    last_key: Vec<u8>,
    #[prost(message, repeated, tag = "6")]
    waiting: Vec<WaitingMark>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WaitingMark {
    #[prost(uint32, tag = "1")]
    first: u32,
    #[prost(uint32, tag = "2")]
    last: u32,
    #[prost(uint32, tag = "3")]
    height: u32,
    #[prost(bytes = "bytes", tag = "4")]
    hash: Bytes,
}

impl TreeBuild {
    /// Begins the tree `name` in the directory of this name below `dir`.
    pub(super) fn begin(dir: &Path, name: &str) -> Result<Self> {
        let own = dir.join(name);
        fs::create_dir(&own).doing(Doing::Write, &own)?;
        sync_dir(dir)?;
        let file = |name| Appended::create(own.join(name));
        Ok(Self {
            name: name.to_owned(),
            nodes: file(FILE_NODES)?,
            leaves: file(FILE_LEAVES)?,
            kvs: file(FILE_KVS)?,
            leaf_count: 0,
            branch_count: 0,
            kvs_bytes: 0,
            last_key: Vec::new(),
            waiting: Vec::new(),
        })
    }

    /// Goes on from a mark.
    pub(super) fn resume(dir: &Path, mark: TreeMark) -> Result<Self> {
        let own = dir.join(&mark.name);
        let records = |count: u32| u64::from(count) * RECORD_BYTES as u64;
        let waiting = mark.waiting.iter().map(Waiting::of_mark).collect::<Option<Vec<_>>>();
        Ok(Self {
            nodes: Appended::resume(own.join(FILE_NODES), records(mark.branches))?,
            leaves: Appended::resume(own.join(FILE_LEAVES), records(mark.leaves))?,
            kvs: Appended::resume(own.join(FILE_KVS), mark.kvs_bytes)?,
            name: mark.name,
            leaf_count: mark.leaves,
            branch_count: mark.branches,
            kvs_bytes: mark.kvs_bytes,
            last_key: mark.last_key,
            waiting: waiting.ok_or(Error::RebuildLost { path: own })?,
        })
    }

    /// Appends a leaf, whose key lies behind all before it.
    pub(super) fn leaf(&mut self, version: u32, key: &[u8], value: &[u8]) -> Result<()> {
        if self.leaf_count > 0 && self.last_key.as_slice() >= key {
            return Err(self.misplaced());
        }
        let length =
            |bytes: &[u8]| u32::try_from(bytes.len()).map_err(|_| Error::RecordTooLong { bytes: bytes.len() as u64 });
        let (key_length, value_length) = (length(key)?, length(value)?);
        let hash = leaf_hash(version, key, value);
        self.leaves.put(&encode_leaf(version, key_length, self.kvs_bytes, &hash))?;
        self.kvs.put(&key_length.to_le_bytes())?;
        self.kvs.put(key)?;
        self.kvs.put(&value_length.to_le_bytes())?;
        self.kvs.put(value)?;
        self.kvs_bytes += 8 + u64::from(key_length) + u64::from(value_length);
        self.waiting.push(Waiting { first: self.leaf_count, last: self.leaf_count, height: 0, hash });
        self.leaf_count = self.leaf_count.checked_add(1).ok_or(Error::TooManyLeaves)?;
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        Ok(())
    }

    /// Appends a branch over the last two finished subtrees.
    pub(super) fn branch(&mut self, version: u32) -> Result<()> {
        let [before @ .., left, right] = self.waiting.as_slice() else { return Err(self.misplaced()) };
        if left.height.abs_diff(right.height) > 1 {
            return Err(self.misplaced());
        }
        let too_deep = || Error::TreeTooDeep { levels_max: u8::MAX.into() };
        let pre_trees = u8::try_from(before.len()).map_err(|_| too_deep())?;
        let height = left.height.max(right.height).checked_add(1).ok_or_else(too_deep)?;
        let size = right.last - left.first + 1;
        let hash = branch_hash(height, size.into(), version, &left.hash, &right.hash);
        self.nodes.put(&encode_branch(height, pre_trees, version, size, right.first, &hash))?;
        let branch = Waiting { first: left.first, last: right.last, height, hash };
        self.waiting.truncate(pre_trees.into());
        self.waiting.push(branch);
        self.branch_count += 1;
        Ok(())
    }

    /// Puts on disk what there is; where it has come to.
    pub(super) fn mark(&mut self) -> Result<TreeMark> {
        for file in [&mut self.kvs, &mut self.leaves, &mut self.nodes] {
            file.sync()?;
        }
        Ok(TreeMark {
            name: self.name.clone(),
            leaves: self.leaf_count,
            branches: self.branch_count,
            kvs_bytes: self.kvs_bytes,
            last_key: self.last_key.clone(),
            waiting: self.waiting.iter().map(Waiting::mark).collect(),
        })
    }

    /// Ends the tree; its name and root. All of it is on disk then.
    pub(super) fn finish(mut self, dir: &Path, version: u32) -> Result<(String, Hash)> {
        self.mark()?;
        let root = match self.waiting.as_slice() {
            [] => EMPTY_ROOT,
            [root] => root.hash,
            _ => return Err(self.misplaced()),
        };
        let own = dir.join(&self.name);
        let path = own.join(FILE_METADATA);
        // It may stand there from before a crash: the mark was older.
        let mut file = File::create(&path).doing(Doing::Write, &path)?;
        file.write_all(&encode_metadata(version)).doing(Doing::Write, &path)?;
        file.sync_all().doing(Doing::Sync, &path)?;
        sync_dir(&own)?;
        Ok((self.name, root))
    }

    fn misplaced(&self) -> Error {
        Error::NodeOrder { tree: self.name.clone(), leaves: self.leaf_count }
    }
}

impl Waiting {
    fn mark(&self) -> WaitingMark {
        let Self { first, last, height, hash } = *self;
        WaitingMark { first, last, height: height.into(), hash: Bytes::copy_from_slice(&hash) }
    }

    fn of_mark(mark: &WaitingMark) -> Option<Self> {
        let hash = Hash::try_from(mark.hash.as_ref()).ok()?;
        // A size is their difference and 1.
        let is_range = mark.first <= mark.last;
        is_range.then_some(Self { first: mark.first, last: mark.last, height: u8::try_from(mark.height).ok()?, hash })
    }
}
