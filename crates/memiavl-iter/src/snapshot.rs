//! One snapshot: the trees of all stores at one version.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use changeset::{CommitInfo, MultiTreeMetadata, StoreInfo};
use prost::Message;

use crate::error::{Error, Field};
use crate::list::{SNAPSHOT_METADATA, parse_snapshot_name};
use crate::name::check_tree_name;
use crate::tree::TreeSnapshot;

/// The trees of one `snapshot-<version>` directory, mapped.
#[derive(Debug)]
pub struct Snapshot {
    dir: PathBuf,
    version: u32,
    initial_version: u32,
    metadata: MultiTreeMetadata,
    trees: Vec<(String, Arc<TreeSnapshot>)>,
}

impl Snapshot {
    /// Opens the snapshot in directory `dir`: a few system calls per tree, no record is read.
    ///
    /// Everything that names a version or a root must agree: the directory's name (if it is that of a snapshot), its
    /// metadata, and each tree. The reference takes each for granted, and would start from a mixture of two snapshots.
    ///
    /// # Errors
    /// I/O; a name, version, tree or root hash that does not fit the others.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let metadata_path = dir.join(SNAPSHOT_METADATA);
        let metadata = read_metadata(&metadata_path)?;
        let Some(commit_info) = &metadata.commit_info else {
            return Err(Error::NoCommitInfo { path: metadata_path });
        };
        let narrow = |field, got: i64| {
            u32::try_from(got).map_err(|_| Error::VersionRange { path: metadata_path.clone(), field, got })
        };
        let version = narrow(Field::Version, commit_info.version)?;
        let initial_version = narrow(Field::InitialVersion, metadata.initial_version)?;
        if let Some(got) = dir.file_name().and_then(|name| name.to_str()).and_then(parse_snapshot_name)
            && got != u64::from(version)
        {
            return Err(Error::VersionMismatch { path: dir.to_owned(), expected: version.into(), got });
        }
        let trees = open_trees(dir)?;
        check_commit_info(dir, commit_info, &trees)?;
        Ok(Self { dir: dir.to_owned(), version, initial_version, metadata, trees })
    }

    /// The snapshot's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The version of the last block in the snapshot.
    pub fn version(&self) -> u64 {
        self.version.into()
    }

    /// The chain's initial version; 0 when it is not set.
    pub fn initial_version(&self) -> u32 {
        self.initial_version
    }

    /// The metadata file's content.
    pub fn metadata(&self) -> &MultiTreeMetadata {
        &self.metadata
    }

    /// The trees in byte order of their names, whatever order the directory lists them in.
    pub fn trees(&self) -> &[(String, Arc<TreeSnapshot>)] {
        &self.trees
    }

    /// The tree `name`; none if there is no such tree.
    pub fn tree(&self, name: &str) -> Option<&Arc<TreeSnapshot>> {
        let at = self.trees.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        self.trees.get(at).map(|(_, tree)| tree)
    }

    /// Checks every tree as [`TreeSnapshot::verify`] does. Opening has compared the roots with the commit info.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify(&self) -> Result<(), Error> {
        self.trees.iter().try_for_each(|(_, tree)| tree.verify())
    }
}

fn read_metadata(path: &Path) -> Result<MultiTreeMetadata, Error> {
    let bytes = fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    MultiTreeMetadata::decode(bytes.as_slice())
        .map_err(|source| Error::MetadataDecode { path: path.to_owned(), source })
}

fn open_trees(dir: &Path) -> Result<Vec<(String, Arc<TreeSnapshot>)>, Error> {
    let io = |source| Error::Io { path: dir.to_owned(), source };
    let mut names = Vec::new();
    for entry in dir.read_dir().map_err(io)? {
        let entry = entry.map_err(io)?;
        if entry.file_type().map_err(io)?.is_dir() {
            let name = entry.file_name();
            names.push(check_tree_name(dir, name.as_bytes())?.to_owned());
        }
    }
    names.sort();
    names
        .into_iter()
        .map(|name| {
            let tree = TreeSnapshot::open(&dir.join(&name))?;
            Ok((name, Arc::new(tree)))
        })
        .collect()
}

/// Checks that commit info and directory hold the same trees with the same versions and root hashes.
fn check_commit_info(dir: &Path, commit_info: &CommitInfo, trees: &[(String, Arc<TreeSnapshot>)]) -> Result<(), Error> {
    let mut listed: BTreeMap<&str, &StoreInfo> = BTreeMap::new();
    for store in &commit_info.store_infos {
        let path = dir.join(SNAPSHOT_METADATA);
        let name = check_tree_name(&path, store.name.as_bytes())?;
        if listed.insert(name, store).is_some() {
            return Err(Error::DuplicateTree { path, name: name.to_owned() });
        }
    }
    for (name, tree) in trees {
        match listed.remove(name.as_str()) {
            Some(store) => check_store(store, tree)?,
            // Trees of a chain that has no block yet: the commit info of version 0 names none.
            None if commit_info.version == 0 && tree.is_empty() => {}
            None => return Err(Error::UnlistedTree { path: tree.dir().to_owned() }),
        }
    }
    match listed.first_key_value() {
        None => Ok(()),
        Some((name, _)) => Err(Error::MissingTree { path: dir.join(name) }),
    }
}

fn check_store(store: &StoreInfo, tree: &TreeSnapshot) -> Result<(), Error> {
    let path = || tree.dir().to_owned();
    let (expected, got) = (store.commit_id.version, tree.version());
    if expected != i64::from(got) {
        return Err(Error::VersionMismatch { path: path(), expected: expected.cast_unsigned(), got: got.into() });
    }
    let root = tree.root_hash();
    if store.commit_id.hash != root.as_slice() {
        return Err(Error::RootMismatch { path: path(), expected: store.commit_id.hash.to_vec(), got: root });
    }
    Ok(())
}
