//! A snapshot of memiavl as it lies in its directory.

use std::path::Path;

use changeset::{Hash, app_hash};
use memiavl_iter::{SNAPSHOT_METADATA, Snapshot};

use super::NoPart;
use crate::error::Error;

/// A tree of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeLook {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Its keys.
    pub leaves: u32,
    /// Bytes of its files.
    pub bytes: u64,
    /// Its root hash, as its last node has it.
    pub root: Hash,
    /// Whether that is the hash that the snapshot's own commit info has.
    pub agrees: bool,
}

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotLook {
    /// Its version.
    pub version: u64,
    /// The first height of its chain; 0 where nothing was said.
    pub initial_version: u32,
    /// The hash over its commit info: the app hash of a chain that has all in memiavl.
    pub app_hash: Hash,
    /// Its trees in name order.
    pub trees: Vec<TreeLook>,
}

/// Looks at the snapshot in `dir`.
///
/// # Errors
/// A directory that holds none, damage, I/O.
pub fn look_at_snapshot(dir: &Path) -> Result<SnapshotLook, Error> {
    if !dir.join(SNAPSHOT_METADATA).exists() {
        let (what, example) = ("snapshot", "data/state_commit/memiavl/current");
        return Err(NoPart { what, example, path: dir.to_owned() }.into());
    }
    let snapshot = Snapshot::open(dir).map_err(memiavl::Error::from)?;
    let info = snapshot.metadata().commit_info.clone().unwrap_or_default();
    let recorded = |name: &str| info.store_infos.iter().find(|store| store.name == name);
    let trees = snapshot.trees().iter().map(|(name, tree)| {
        let root = tree.root_hash();
        let agrees = recorded(name).is_some_and(|store| store.commit_id.hash.as_ref() == root);
        let (version, leaves, bytes) = (tree.version(), tree.leaf_count(), tree.bytes());
        TreeLook { name: name.clone(), version, leaves, bytes, root, agrees }
    });
    Ok(SnapshotLook {
        version: snapshot.version(),
        initial_version: snapshot.initial_version(),
        app_hash: app_hash(&info),
        trees: trees.collect(),
    })
}
