//! A view: one committed version, for as long as someone holds it.

use std::fmt;
use std::sync::Arc;

use changeset::{CommitInfo, Hash};

use crate::multitree::{Committed, Forest};
use crate::store::read::impl_reads;

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
