//! A whole store from the nodes of its trees: begun, gone on with, finished.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use changeset::{AppHash, CommitInfo, Hash};
use memiavl_iter::{Snapshot, check_tree_name, snapshot_name};
use prost::Message;

use crate::error::{Doing, Error, Result};
use crate::rebuild::tree::{TreeBuild, TreeMark};
use crate::snapshot::{IoResult, remove_leftover, sync_dir, write_store_of};
use crate::tree::{StoredNode, narrow};

/// A finished tree.
#[derive(Clone, PartialEq, prost::Message)]
struct Root {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "bytes", tag = "2")]
    hash: Bytes,
}

/// How far a store has come.
#[derive(Clone, PartialEq, prost::Message)]
struct Mark {
    #[prost(message, repeated, tag = "1")]
    finished: Vec<Root>,
    #[prost(message, optional, tag = "2")]
    tree: Option<TreeMark>,
}

/// A store being built from nodes.
pub struct Rebuild {
    dir: PathBuf,
    version: u32,
    initial_version: u32,
    finished: Vec<(String, Hash)>,
    tree: Option<TreeBuild>,
}

impl Rebuild {
    /// Begins a store of `version` in `dir`, which is made; what stands there is removed.
    ///
    /// # Errors
    /// A version that no snapshot can have, I/O.
    pub fn begin(dir: &Path, version: u64, initial_version: u32) -> Result<Self> {
        let version = narrow(version)?;
        remove_leftover(dir)?;
        fs::create_dir(dir).doing(Doing::Write, dir)?;
        Ok(Self { dir: dir.to_owned(), version, initial_version, finished: Vec::new(), tree: None })
    }

    /// Goes on in `dir` from what [`mark`](Self::mark) has said; what came behind it is cut off.
    ///
    /// # Errors
    /// A mark that does not decode, files that are not there to the mark, I/O.
    pub fn resume(dir: &Path, version: u64, initial_version: u32, mark: &[u8]) -> Result<Self> {
        let lost = || Error::RebuildLost { path: dir.to_owned() };
        let mark = Mark::decode(mark).map_err(|_| lost())?;
        let root = |root: Root| Some((root.name, Hash::try_from(root.hash.as_ref()).ok()?));
        let finished = mark.finished.into_iter().map(root).collect::<Option<Vec<_>>>().ok_or_else(lost)?;
        let is_known = |name: &str| {
            finished.iter().any(|(known, _)| known == name) || mark.tree.as_ref().is_some_and(|tree| tree.name == name)
        };
        for entry in fs::read_dir(dir).doing(Doing::List, dir)? {
            let entry = entry.doing(Doing::List, dir)?;
            if !entry.file_name().to_str().is_some_and(is_known) {
                remove_leftover(&entry.path())?;
            }
        }
        let tree = mark.tree.map(|tree| TreeBuild::resume(dir, tree)).transpose()?;
        Ok(Self { dir: dir.to_owned(), version: narrow(version)?, initial_version, finished, tree })
    }

    /// Begins the tree `name`, which sorts behind the one before; that one is over.
    ///
    /// # Errors
    /// A name that no tree can have or that is out of order, a tree before that is not whole, I/O.
    pub fn tree(&mut self, name: &str) -> Result<()> {
        self.end_tree()?;
        check_tree_name(&self.dir, name.as_bytes())?;
        if self.finished.last().is_some_and(|(before, _)| before.as_str() >= name) {
            return Err(Error::NodeOrder { tree: name.to_owned(), leaves: 0 });
        }
        self.tree = Some(TreeBuild::begin(&self.dir, name)?);
        Ok(())
    }

    /// Appends a node to the present tree, in post order.
    ///
    /// # Errors
    /// A node that cannot stand there, no tree begun, I/O.
    pub fn node(&mut self, node: StoredNode<'_>) -> Result<()> {
        let tree = self.tree.as_mut().ok_or(Error::MisplacedLeaf)?;
        match node {
            StoredNode::Leaf { version, key, value } => tree.leaf(version, &key, &value),
            StoredNode::Branch { version } => tree.branch(version),
        }
    }

    /// Ends the present tree, if there is one; its root is then one of [`roots`](Self::roots).
    ///
    /// # Errors
    /// A tree that is not whole, I/O.
    pub fn end_tree(&mut self) -> Result<()> {
        if let Some(tree) = self.tree.take() {
            self.finished.push(tree.finish(&self.dir, self.version)?);
        }
        Ok(())
    }

    /// Names and roots of the trees that are over, in name order.
    pub fn roots(&self) -> &[(String, Hash)] {
        &self.finished
    }

    /// Puts on disk what there is. What it returns is enough to go on from here after a crash.
    ///
    /// # Errors
    /// I/O.
    pub fn mark(&mut self) -> Result<Vec<u8>> {
        let finished = self.finished.iter();
        let finished = finished.map(|(name, hash)| Root { name: name.clone(), hash: Bytes::copy_from_slice(hash) });
        let finished = finished.collect();
        let tree = self.tree.as_mut().map(TreeBuild::mark).transpose()?;
        sync_dir(&self.dir)?;
        Ok(Mark { finished, tree }.encode_to_vec())
    }

    /// Makes `to`, which must not exist, a store with what was built as its one snapshot: its files are hard links. Then
    /// reads all of it back and checks every record and hash. Returns the commit info of its trees.
    ///
    /// Its log has an entry of the same version that is never replayed: its seal holds `app_hash`, so that the store is not
    /// taken for the whole state where another one that belongs to it is lost.
    ///
    /// # Errors
    /// A tree that is not whole, files that are damaged, I/O.
    pub fn finish(&mut self, to: &Path, app_hash: AppHash) -> Result<CommitInfo> {
        self.end_tree()?;
        let roots = self.finished.iter().map(|(name, root)| (name.as_str(), *root));
        let commit_info = CommitInfo::new(self.version.into(), roots);
        write_store_of(to, &self.dir, &commit_info, self.initial_version, app_hash)?;
        let snapshot = to.join(snapshot_name(self.version.into()));
        // Opening compares the roots in the files with the commit info, the check all other hashes with those.
        Snapshot::open(&snapshot)?.verify()?;
        Ok(commit_info)
    }
}
