//! Going from an older snapshot to the present version entry by entry, and making a store of what was found sound.
//!
//! Opening replays a log that is in order and says no where it is not. What mends a store asks more of it: which entry it is
//! that leads astray, whether another source has the right one, what a key was before it left.

mod assemble;

use std::path::Path;

use bytes::Bytes;
use changeset::{ChangelogEntry, Hash};
use memiavl_iter::Snapshot;

use crate::error::Result;
use crate::multitree::Forest;
use crate::snapshot::read_current;

pub use assemble::{assemble, link_copy};

/// The trees of one version on the way. A clone costs little and goes its own way.
#[derive(Clone, Debug)]
pub struct Retrace {
    forest: Forest,
}

impl Retrace {
    /// The trees of the snapshot in directory `snapshot`.
    ///
    /// # Errors
    /// A snapshot that does not open. That its records fit their hashes is another question: see
    /// [`Snapshot::verify`](memiavl_iter::Snapshot::verify).
    pub fn begin(snapshot: &Path) -> Result<Self> {
        Ok(Self { forest: Forest::mapped(&Snapshot::open(snapshot)?)? })
    }

    /// The version reached.
    pub fn version(&self) -> u64 {
        self.forest.version().into()
    }

    /// The version that the next entry must lead to.
    pub fn next_version(&self) -> u64 {
        self.forest.next_version()
    }

    /// The value of `key` in `module`.
    ///
    /// # Errors
    /// A damaged leaf on the way.
    pub fn get(&self, module: &str, key: &[u8]) -> Result<Option<Bytes>> {
        self.forest.tree(module).map_or(Ok(None), |tree| tree.get(key))
    }

    /// The trees after `entry`, and their roots in name order.
    ///
    /// # Errors
    /// An entry of another version or for a tree that does not exist; a damaged record on the way.
    pub fn after(&self, entry: &ChangelogEntry) -> Result<(Self, Vec<(String, Hash)>)> {
        let mut forest = self.forest.clone();
        forest.replay(entry)?;
        let mut next = Self { forest };
        let roots = next.roots()?;
        Ok((next, roots))
    }

    /// Names and root hashes of the trees, in name order.
    ///
    /// # Errors
    /// A damaged record.
    pub fn roots(&mut self) -> Result<Vec<(String, Hash)>> {
        let roots = self.forest.roots()?;
        Ok(self.forest.trees().iter().zip(roots).map(|(named, root)| (named.name.to_string(), root)).collect())
    }
}

/// The version of the snapshot that the store in `dir` opens with; none if there is no `current`.
///
/// # Errors
/// A `current` that leads nowhere, I/O.
pub fn current_version(dir: &Path) -> Result<Option<u64>> {
    read_current(dir)
}
