//! A view: one committed version, for as long as someone holds it.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use changeset::{AppHash, CommitInfo, Hash};
use memiavl_iter::TreeSnapshot;

use crate::error::Error;
use crate::multitree::{Committed, Forest};
use crate::snapshot::{write_seal, write_store};
use crate::store::read::impl_reads;
use crate::tree::{PostOrder, RankedLeaves, Reading, Tree};

/// An immutable view of a committed version. It owns what it reads and takes no lock: the store may commit, rewrite its
/// snapshot or close meanwhile.
#[derive(Clone)]
pub struct View(Arc<Committed>);

impl View {
    pub(super) fn new(committed: Arc<Committed>) -> Self {
        Self(committed)
    }

    /// The view's version.
    pub fn version(&self) -> u64 {
        self.0.version()
    }

    /// Names and root hashes of the trees, in name order.
    pub fn roots(&self) -> impl Iterator<Item = (&str, Hash)> {
        self.0.roots()
    }

    /// The commit info of memiavl's trees alone.
    pub fn commit_info(&self) -> CommitInfo {
        self.0.commit_info()
    }

    /// How many keys of `module` are less than `key`.
    ///
    /// # Errors
    /// A module that does not exist, a damaged leaf on the way.
    pub fn rank(&self, module: &str, key: &[u8]) -> Result<u64, Error> {
        self.tree(module)?.rank(key)
    }

    /// The pairs of `module` whose ranks lie in `ranks`, in key order, as far as there are any. Ranges that do not meet
    /// can be walked by threads side by side.
    ///
    /// # Errors
    /// A module that does not exist.
    pub fn leaves(&self, module: &str, ranks: Range<u64>) -> Result<RankedLeaves<'_>, Error> {
        Ok(self.tree(module)?.ranked_leaves(ranks, Reading::Checked))
    }

    /// As [`leaves`](Self::leaves), without a look at any leaf's hash: for who checks the snapshot's files beside.
    ///
    /// # Errors
    /// A module that does not exist.
    pub fn plain_leaves(&self, module: &str, ranks: Range<u64>) -> Result<RankedLeaves<'_>, Error> {
        Ok(self.tree(module)?.ranked_leaves(ranks, Reading::Plain))
    }

    /// The snapshot trees that the view's trees stand on, in name order; a tree that has only nodes in memory has none.
    pub fn mapped_trees(&self) -> impl Iterator<Item = (&str, &Arc<TreeSnapshot>)> {
        self.forest().trees().iter().filter_map(|named| Some((&*named.name, named.tree.mapped_base()?)))
    }

    /// The nodes of `module` behind the first `skip` ones, in post order: what [`Rebuild`](crate::Rebuild) takes.
    ///
    /// # Errors
    /// A module that does not exist.
    pub fn nodes(&self, module: &str, skip: u64) -> Result<PostOrder<'_>, Error> {
        Ok(self.tree(module)?.post_order(skip))
    }

    /// The version of the chain's first commit; 0 when it is not set.
    pub fn initial_version(&self) -> u32 {
        self.forest().initial_version()
    }

    /// Writes the view's trees into the new directory `dir` as a store of its own. Those that `emptied` names have no leaf
    /// in it. Returns its commit info. Files of trees that stand as their snapshot has them are hard links.
    ///
    /// It is one snapshot, and a log with an entry of the same version that is never replayed: its seal holds `app_hash`,
    /// so that the store is not taken for the whole state where what was emptied is lost.
    ///
    /// # Errors
    /// A directory that holds something, I/O, a damaged node.
    pub fn write_store(&self, dir: &Path, emptied: &[&str], app_hash: AppHash) -> Result<CommitInfo, Error> {
        let committed = Committed::hashed(self.forest().emptied(emptied))?;
        write_store(dir, &committed)?;
        write_seal(dir, self.version(), app_hash)?;
        Ok(committed.commit_info())
    }

    fn tree(&self, module: &str) -> Result<&Tree, Error> {
        let unknown = || Error::UnknownTree { name: module.to_owned(), version: self.version() };
        self.forest().tree(module).ok_or_else(unknown)
    }

    pub(crate) fn forest(&self) -> &Forest {
        self.0.forest()
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("version", &self.version()).finish_non_exhaustive()
    }
}

impl_reads!(View, forest);
