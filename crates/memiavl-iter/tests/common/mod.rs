//! Where the recorded snapshots are, and copies of them to damage.
#![expect(dead_code, reason = "each test binary uses its own part")]

use std::fs;
use std::path::{Path, PathBuf};

use memiavl_iter::{Error, FILE_KVS, FILE_LEAVES, FILE_METADATA, FILE_NODES, TreeSnapshot, snapshot_name};

/// The recorded snapshot of `version`: 0 a fresh directory, 8 and 11 nodes of all modules, 129 a chain that begins at 100.
pub(crate) fn fixture(version: u64) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(snapshot_name(version))
}

/// All recorded snapshots.
pub(crate) fn fixtures() -> Vec<PathBuf> {
    [0, 8, 11, 129].map(fixture).to_vec()
}

/// The four files of a tree, in memory, to be damaged.
#[derive(Clone)]
pub(crate) struct Files {
    pub(crate) metadata: Vec<u8>,
    pub(crate) nodes: Vec<u8>,
    pub(crate) leaves: Vec<u8>,
    pub(crate) kvs: Vec<u8>,
}

impl Files {
    pub(crate) fn of(version: u64, tree: &str) -> Self {
        let read = |file| fs::read(fixture(version).join(tree).join(file)).expect("fixture");
        Self { metadata: read(FILE_METADATA), nodes: read(FILE_NODES), leaves: read(FILE_LEAVES), kvs: read(FILE_KVS) }
    }

    pub(crate) fn each(&mut self) -> [&mut Vec<u8>; 4] {
        [&mut self.metadata, &mut self.nodes, &mut self.leaves, &mut self.kvs]
    }

    pub(crate) fn open(&self) -> Result<TreeSnapshot<&[u8]>, Error> {
        TreeSnapshot::from_parts("tree", &self.metadata, &self.nodes[..], &self.leaves[..], &self.kvs[..])
    }
}

/// A copy of a recorded snapshot, and the directory that keeps it alive.
pub(crate) fn copy(version: u64) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let to = dir.path().join(snapshot_name(version));
    copy_dir(&fixture(version), &to);
    (dir, to)
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir(to).expect("created");
    for entry in from.read_dir().expect("lists") {
        let entry = entry.expect("lists");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("type").is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}
