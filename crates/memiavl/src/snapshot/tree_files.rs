//! The four files of one tree, written front to back (byte map in memiavl-iter's `layout.rs`).
//!
//! Leaves and branches are streamed in post order through buffers of a fixed size: nothing grows with the tree.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use changeset::Hash;
use memiavl_iter::{FILE_KVS, FILE_LEAVES, FILE_METADATA, FILE_NODES, encode_branch, encode_leaf, encode_metadata};

use crate::error::{Doing, Error, Result};
use crate::snapshot::disk::{IoResult, link_or_copy, remove_leftover, sync_dir};
use crate::snapshot::pace::Pace;
use crate::tree::{MemNode, NodeRef, Tree};

/// Bytes gathered before a write call: three of them are all the memory that a snapshot of any size takes.
const BUFFER_BYTES: usize = 1 << 20;

/// Writes `tree` into the new directory `dir`; all of it is on disk afterwards, but for the directory's own name.
pub(crate) fn write_tree(dir: &Path, tree: &Tree, pace: &mut Pace<'_>) -> Result<()> {
    fs::create_dir(dir).doing(Doing::Write, dir)?;
    let mut files = TreeFiles {
        nodes: Output::create(dir.join(FILE_NODES))?,
        leaves: Output::create(dir.join(FILE_LEAVES))?,
        kvs: Output::create(dir.join(FILE_KVS))?,
        leaf_count: 0,
        branch_count: 0,
        tree,
        pace,
    };
    if let Some(root) = tree.root() {
        files.write(root)?;
    }
    let TreeFiles { nodes, leaves, kvs, pace, .. } = files;
    for file in [nodes, leaves, kvs] {
        file.finish(pace)?;
    }
    write_metadata(dir, tree, pace)?;
    sync_dir(dir)
}

/// Makes `dir` the tree whose nodes stand in the snapshot's directory `from`: its files are never written again, so hard
/// links to them are as good as copies. Where there can be none, the tree is written.
pub(crate) fn link_tree(dir: &Path, from: &Path, tree: &Tree, pace: &mut Pace<'_>) -> Result<()> {
    fs::create_dir(dir).doing(Doing::Write, dir)?;
    for file in [FILE_NODES, FILE_LEAVES, FILE_KVS] {
        let link = dir.join(file);
        match fs::hard_link(from.join(file), &link) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::CrossesDevices => {
                remove_leftover(dir)?;
                return write_tree(dir, tree, pace);
            }
            Err(error) => return Err(error).doing(Doing::Link, &link),
        }
    }
    // Its own: the version is the snapshot's, however long the nodes have stood.
    write_metadata(dir, tree, pace)?;
    sync_dir(dir)
}

/// Makes `dir` the tree whose files, metadata included, stand in `from`: hard links, or copies where there can be none.
pub(crate) fn link_files(from: &Path, dir: &Path) -> Result<()> {
    fs::create_dir(dir).doing(Doing::Write, dir)?;
    for file in [FILE_METADATA, FILE_NODES, FILE_LEAVES, FILE_KVS] {
        link_or_copy(&from.join(file), &dir.join(file))?;
    }
    sync_dir(dir)
}

fn write_metadata(dir: &Path, tree: &Tree, pace: &mut Pace<'_>) -> Result<()> {
    let mut metadata = Output::create(dir.join(FILE_METADATA))?;
    metadata.put(&encode_metadata(tree.version()), pace)?;
    metadata.finish(pace)
}

struct TreeFiles<'a, 'p, 'c> {
    nodes: Output,
    leaves: Output,
    kvs: Output,
    leaf_count: u32,
    branch_count: u32,
    tree: &'a Tree,
    pace: &'p mut Pace<'c>,
}

/// The fields of a leaf.
struct LeafRecord<'a> {
    version: u32,
    key: &'a [u8],
    value: &'a [u8],
    hash: &'a Hash,
}

/// The fields of a branch that do not depend on where it comes to stand.
struct BranchRecord<'a> {
    height: u8,
    version: u32,
    size: u32,
    hash: &'a Hash,
}

impl TreeFiles<'_, '_, '_> {
    /// Writes a subtree in post order; as deep as the tree is high.
    fn write(&mut self, node: NodeRef) -> Result<()> {
        let base = self.tree.base();
        match node {
            NodeRef::Leaf(id) => {
                let leaf = base.snapshot().leaf(id)?;
                self.leaf(LeafRecord { version: leaf.version, key: leaf.key, value: leaf.value, hash: leaf.hash })
            }
            NodeRef::Branch(index) => {
                let branch = base.branch(index)?;
                let record = BranchRecord {
                    height: branch.height,
                    version: branch.version,
                    size: branch.size,
                    hash: branch.hash,
                };
                self.branch(branch.left.into(), branch.right.into(), &record)
            }
            NodeRef::Mem(place) => {
                let hash = &base.lines().hash(place).ok_or(Error::UnhashedNode)?;
                match base.lines().node(place) {
                    MemNode::Leaf(leaf) => {
                        let version = leaf.version;
                        base.read_key(leaf.key, |key| {
                            base.read_value(&leaf.value, |value| self.leaf(LeafRecord { version, key, value, hash }))
                        })?
                    }
                    MemNode::Branch(branch) => {
                        let (height, size, version) = (branch.height, branch.size, branch.version);
                        let record = BranchRecord { height, version, size, hash };
                        self.branch(branch.left, branch.right, &record)
                    }
                }
            }
        }
    }

    fn leaf(&mut self, leaf: LeafRecord<'_>) -> Result<()> {
        let (key_length, value_length) = (length(leaf.key)?, length(leaf.value)?);
        self.leaves.put(&encode_leaf(leaf.version, key_length, self.kvs.bytes, leaf.hash), self.pace)?;
        self.kvs.put(&key_length.to_le_bytes(), self.pace)?;
        self.kvs.put(leaf.key, self.pace)?;
        self.kvs.put(&value_length.to_le_bytes(), self.pace)?;
        self.kvs.put(leaf.value, self.pace)?;
        self.leaf_count = self.leaf_count.checked_add(1).ok_or(Error::TooManyLeaves)?;
        Ok(())
    }

    fn branch(&mut self, left: NodeRef, right: NodeRef, record: &BranchRecord<'_>) -> Result<()> {
        // Finished trees before this one: each has one leaf more than branches. At most the tree's height of them wait.
        let pre_trees = u8::try_from(self.leaf_count - self.branch_count)
            .map_err(|_| Error::TreeTooDeep { levels_max: u8::MAX.into() })?;
        self.write(left)?;
        let key_leaf = self.leaf_count;
        self.write(right)?;
        let BranchRecord { height, version, size, hash } = *record;
        self.nodes.put(&encode_branch(height, pre_trees, version, size, key_leaf, hash), self.pace)?;
        self.branch_count += 1;
        Ok(())
    }
}

fn length(bytes: &[u8]) -> Result<u32> {
    u32::try_from(bytes.len()).map_err(|_| Error::RecordTooLong { bytes: bytes.len() as u64 })
}

/// A file under way: a buffer, and how many bytes it has been given.
struct Output {
    path: PathBuf,
    file: File,
    buffer: Vec<u8>,
    bytes: u64,
}

impl Output {
    fn create(path: PathBuf) -> Result<Self> {
        let file = File::create_new(&path).doing(Doing::Write, &path)?;
        Ok(Self { path, file, buffer: Vec::with_capacity(BUFFER_BYTES), bytes: 0 })
    }

    fn put(&mut self, bytes: &[u8], pace: &mut Pace<'_>) -> Result<()> {
        self.bytes += bytes.len() as u64;
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush(pace)?;
        }
        if bytes.len() > BUFFER_BYTES {
            return bytes.chunks(BUFFER_BYTES).try_for_each(|chunk| self.write(chunk, pace));
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self, pace: &mut Pace<'_>) -> Result<()> {
        pace.take(self.buffer.len())?;
        self.file.write_all(&self.buffer).doing(Doing::Write, &self.path)?;
        self.buffer.clear();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8], pace: &mut Pace<'_>) -> Result<()> {
        pace.take(bytes.len())?;
        self.file.write_all(bytes).doing(Doing::Write, &self.path)
    }

    fn finish(mut self, pace: &mut Pace<'_>) -> Result<()> {
        self.flush(pace)?;
        self.file.sync_all().doing(Doing::Sync, &self.path)
    }
}
