//! A snapshot whose parts do not belong together is refused, and the order of a directory plays no part.

mod common;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use changeset::{MultiTreeMetadata, StoreError, StoreErrorKind};
use memiavl_iter::{Error, Field, NameProblem, SNAPSHOT_METADATA, Snapshot};
use prost::Message;

use crate::common::copy;

/// Rewrites the metadata of a copied snapshot.
fn edit(dir: &Path, change: impl FnOnce(&mut MultiTreeMetadata)) {
    let path = dir.join(SNAPSHOT_METADATA);
    let mut metadata = MultiTreeMetadata::decode(fs::read(&path).expect("reads").as_slice()).expect("decodes");
    change(&mut metadata);
    fs::write(path, metadata.encode_to_vec()).expect("written");
}

fn refused(dir: &Path) -> Error {
    let error = Snapshot::open(dir).expect_err("refused");
    let kind = error.kind();
    let text = error.to_string();
    let wrapped = StoreError::from(error);
    assert_eq!((wrapped.kind(), wrapped.to_string()), (kind, text));
    Snapshot::open(dir).expect_err("refused again")
}

fn store(metadata: &mut MultiTreeMetadata, at: usize) -> &mut changeset::StoreInfo {
    &mut metadata.commit_info.as_mut().expect("commit info").store_infos[at]
}

#[test]
fn the_versions_of_directory_and_metadata_must_agree() {
    let (keep, dir) = copy(8);
    let renamed = keep.path().join("snapshot-00000000000000000009");
    fs::rename(&dir, &renamed).expect("renamed");
    let error = refused(&renamed);
    assert!(matches!(&error, Error::VersionMismatch { path, expected: 8, got: 9 } if *path == renamed), "{error:?}");
    // An unfinished snapshot is opened under its temporary name to be checked before it is renamed.
    let unfinished = keep.path().join("snapshot-00000000000000000009-tmp");
    fs::rename(&renamed, &unfinished).expect("renamed");
    assert_eq!(Snapshot::open(&unfinished).expect("opens").version(), 8);
}

#[test]
fn the_version_of_a_tree_and_of_the_commit_info_must_agree() {
    let (_keep, dir) = copy(8);
    let path = dir.join("evm/metadata");
    let mut bytes = fs::read(&path).expect("reads");
    bytes[8] = 7;
    fs::write(&path, bytes).expect("written");
    let error = refused(&dir);
    assert!(
        matches!(&error, Error::VersionMismatch { path, expected: 8, got: 7 } if path.ends_with("evm")),
        "{error:?}"
    );
}

#[test]
fn versions_beyond_32_bits_are_refused() {
    let (_keep, dir) = copy(129);
    edit(&dir, |metadata| metadata.initial_version = -1);
    let error = refused(&dir);
    assert!(matches!(error, Error::VersionRange { field: Field::InitialVersion, got: -1, .. }), "{error:?}");
    edit(&dir, |metadata| metadata.commit_info.as_mut().expect("there").version = 1 << 32);
    let error = refused(&dir);
    assert!(matches!(error, Error::VersionRange { field: Field::Version, got: 0x1_0000_0000, .. }), "{error:?}");
}

#[test]
fn a_root_that_is_not_in_the_commit_info_is_refused() {
    let (_keep, dir) = copy(8);
    edit(&dir, |metadata| store(metadata, 2).commit_id.hash = vec![7; 31].into());
    let error = refused(&dir);
    assert!(
        matches!(&error, Error::RootMismatch { path, expected, .. } if path.ends_with("bank") && *expected == [7; 31]),
        "{error:?}"
    );
}

#[test]
fn a_snapshot_copied_in_part_is_refused() {
    let (_keep, dir) = copy(8);
    fs::remove_dir_all(dir.join("bank")).expect("removed");
    let error = refused(&dir);
    assert!(matches!(&error, Error::MissingTree { path } if path.ends_with("bank")), "{error:?}");
    let (_keep, dir) = copy(8);
    fs::remove_file(dir.join("bank/kvs")).expect("removed");
    let error = refused(&dir);
    assert!(matches!(&error, Error::Io { path, .. } if path.ends_with("bank/kvs")), "{error:?}");
    assert_eq!(error.kind(), StoreErrorKind::Io);
}

#[test]
fn a_tree_that_the_commit_info_does_not_name_is_refused() {
    let (_keep, dir) = copy(8);
    edit(&dir, |metadata| {
        metadata.commit_info.as_mut().expect("there").store_infos.remove(2);
    });
    let error = refused(&dir);
    assert!(matches!(&error, Error::UnlistedTree { path } if path.ends_with("bank")), "{error:?}");
    edit(&dir, |metadata| store(metadata, 1).name = "acc".to_owned());
    let error = refused(&dir);
    assert!(matches!(&error, Error::DuplicateTree { name, .. } if name == "acc"), "{error:?}");
}

#[test]
fn empty_trees_of_a_chain_without_blocks_need_no_commit_info() {
    let (_keep, dir) = copy(0);
    let tree = dir.join("acc");
    fs::create_dir(&tree).expect("created");
    fs::write(tree.join("metadata"), memiavl_iter::encode_metadata(0)).expect("written");
    for file in ["nodes", "leaves", "kvs"] {
        fs::write(tree.join(file), "").expect("written");
    }
    assert_eq!(Snapshot::open(&dir).expect("opens").trees().len(), 1);
}

#[test]
fn names_of_trees_are_checked_wherever_they_come_from() {
    let (_keep, dir) = copy(8);
    let bad = dir.join(OsStr::from_bytes(b"ev\xffm"));
    fs::create_dir(&bad).expect("created");
    let error = refused(&dir);
    assert!(
        matches!(&error, Error::TreeName { name, problem: NameProblem::NotUtf8, .. } if name == b"ev\xffm"),
        "{error:?}"
    );
    let (_keep, dir) = copy(8);
    for (name, expected) in [("", NameProblem::Empty), ("../acc", NameProblem::NotAFileName)] {
        edit(&dir, |metadata| store(metadata, 0).name = name.to_owned());
        let error = refused(&dir);
        assert!(
            matches!(&error, Error::TreeName { path, problem, .. } if path.ends_with("__metadata") && *problem == expected),
            "{error:?}"
        );
    }
}

#[test]
fn metadata_that_is_none_is_refused() {
    let (_keep, dir) = copy(8);
    let path = dir.join(SNAPSHOT_METADATA);
    fs::write(&path, [0x0a, 0x7f]).expect("written");
    let error = refused(&dir);
    assert!(matches!(&error, Error::MetadataDecode { path: at, .. } if *at == path), "{error:?}");
    fs::write(&path, []).expect("written");
    assert!(matches!(refused(&dir), Error::NoCommitInfo { .. }));
    fs::remove_file(&path).expect("removed");
    assert!(matches!(refused(&dir), Error::Io { .. }));
}

/// Directories list in the order of a hash, or of their making; here the trees are made in another order.
#[test]
fn the_order_of_the_directory_does_not_matter() {
    let (keep, dir) = copy(129);
    let other = keep.path().join("again").join("snapshot-00000000000000000129");
    fs::create_dir_all(&other).expect("created");
    let mut entries: Vec<PathBuf> = dir.read_dir().expect("lists").map(|entry| entry.expect("lists").path()).collect();
    entries.sort();
    for path in entries.iter().rev() {
        fs::rename(path, other.join(path.file_name().expect("a name"))).expect("moved");
    }
    let snapshot = Snapshot::open(&other).expect("opens");
    let names: Vec<&str> = snapshot.trees().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["aardvark", "alpha", "beta", "delta", "gamma"]);
    snapshot.verify().expect("verifies");
}
