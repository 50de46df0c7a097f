//! A short life through every mode, for tests that look at what is on disk afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use ferry::{Mode, NamedChangeSet, Node, ScanOrder, ScanRange};

use super::{changes, nonce_key, set, slot_key};

/// Pairs of every store.
pub(crate) type State = BTreeMap<String, Vec<(Bytes, Bytes)>>;

/// One block of one flush.
pub(crate) fn block(node: &mut Node, changes: Vec<NamedChangeSet>) -> ferry::Committed {
    node.apply(changes).expect("a flush");
    node.commit().expect("a commit")
}

/// A chain with something of every kind.
pub(crate) fn fill(node: &mut Node) {
    let evm = (1..=9)
        .flat_map(|byte| [set(&nonce_key(byte), &[0, 0, 0, 0, 0, 0, 0, byte]), set(&slot_key(byte, 1), &[byte; 32])]);
    block(node, changes("evm", evm.collect()));
    for store in ["acc", "bank", "wasm"] {
        block(node, changes(store, (0..6).map(|key| set(&[key], &[key, 7])).collect()));
    }
}

/// Steps to `mode` and runs blocks that write until its migration is over.
pub(crate) fn migrate(node: &mut Node, mode: Mode) {
    node.set_mode(mode).expect("a step");
    while node.boundary() != ferry::Boundary::Complete {
        beat(node);
    }
}

/// Runs the chain to the end of the last migration.
pub(crate) fn migrate_all(node: &mut Node) {
    for mode in
        [Mode::MigrateEvm, Mode::EvmMigrated, Mode::MigrateAllButBank, Mode::AllMigratedButBank, Mode::MigrateBank]
    {
        match mode.migration() {
            Some(_) => migrate(node, mode),
            None => node.set_mode(mode).expect("a step"),
        }
    }
}

/// A block that writes a little, different at every height.
pub(crate) fn beat(node: &mut Node) -> ferry::Committed {
    let height = node.next_height();
    block(node, changes("bank", vec![set(b"beat", &height.to_be_bytes())]))
}

/// All that readers see. A scan is the union of both stores whatever the cursor says, so each key is read by itself too.
pub(crate) fn state(node: &Node) -> State {
    let view = node.view().expect("a view");
    let pairs = |store: &str| {
        let scan = view.scan(store, &ScanRange::ALL, ScanOrder::Ascending).expect("a scan");
        let pairs = scan.collect::<Result<Vec<_>, _>>().expect("pairs");
        for (key, value) in &pairs {
            assert_eq!(view.get(store, key).expect("reads").as_ref(), Some(value), "{store} {key:?}");
        }
        pairs
    };
    super::MODULES.iter().map(|store| ((*store).to_owned(), pairs(store))).collect()
}

/// Every file below `dir` with its bytes.
pub(crate) fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("lists") {
        let path = entry.expect("an entry").path();
        let kind = fs::symlink_metadata(&path).expect("looks").file_type();
        if kind.is_dir() {
            found.extend(files(&path));
        } else if kind.is_symlink() {
            let target = fs::read_link(&path).expect("reads");
            found.insert(path, target.into_os_string().into_encoded_bytes());
        } else {
            let bytes = fs::read(&path).expect("reads");
            found.insert(path, bytes);
        }
    }
    found
}

/// A copy of a directory that nobody writes to.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("lists") {
        let entry = entry.expect("an entry");
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().expect("looks");
        if kind.is_dir() {
            copy(&path, &target);
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&path).expect("reads"), &target).expect("links");
        } else {
            fs::copy(&path, &target).expect("copies");
        }
    }
}
