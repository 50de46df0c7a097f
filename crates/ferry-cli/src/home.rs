//! A node's home: where its stores stand, whether it is empty, what it takes on disk.

use std::fs;
use std::io;
use std::path::Path;

use ferry::{Home, tree_bytes};
use serde::Serialize;

use crate::failure::Failure;

/// Bytes on disk per store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct DiskSizes {
    pub(crate) memiavl_bytes: u64,
    pub(crate) flatkv_bytes: u64,
}

/// A home that a command is to fill: new, or a directory with nothing in it.
///
/// # Errors
/// A directory that holds something (refused), or that cannot be read.
pub(crate) fn require_empty(home: &Path) -> anyhow::Result<()> {
    match fs::read_dir(home) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(entry) => {
                entry?;
                Err(Failure::HomeNotEmpty { home: home.to_owned() }.into())
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(anyhow::Error::new(error).context(format!("reading the home: home={}", home.display()))),
    }
}

/// A home that a command is to look at: it exists and holds a store, which is the one that counts.
///
/// # Errors
/// A home that is missing or holds no store, or whose stores were replaced by somebody who did not come to the end.
pub(crate) fn require_state(home: &Path) -> anyhow::Result<()> {
    require_node(home)?;
    match Home::locate(home).is_being_replaced() {
        true => Err(Failure::HomeHalfReplaced { home: home.to_owned() }.into()),
        false => Ok(()),
    }
}

/// A home that a command is to open as its node does, which finishes what was interrupted: it exists and holds a store, or one
/// that is to take its place.
///
/// # Errors
/// A home that is missing or holds no store.
pub(crate) fn require_node(home: &Path) -> anyhow::Result<()> {
    if !home.is_dir() {
        return Err(Failure::HomeMissing { home: home.to_owned() }.into());
    }
    let places = Home::locate(home);
    if places.memiavl().is_dir() || places.flatkv().is_dir() || places.is_being_replaced() {
        return Ok(());
    }
    let home = home.to_owned();
    Err(match ferry::unfinished_restore(&home)? {
        Some(_) => Failure::HomeHalfImported { home }.into(),
        None => Failure::HomeWithoutState { home }.into(),
    })
}

/// What both stores take on disk.
///
/// # Errors
/// A directory that cannot be read.
pub(crate) fn sizes(home: &Path) -> io::Result<DiskSizes> {
    let places = Home::locate(home);
    Ok(DiskSizes { memiavl_bytes: tree_bytes(places.memiavl())?, flatkv_bytes: tree_bytes(places.flatkv())? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_with_a_file_is_not_empty_and_one_that_is_missing_is() {
        let home = tempfile::tempdir().expect("a temporary directory");
        require_empty(home.path()).expect("empty");
        require_empty(&home.path().join("missing")).expect("missing");
        fs::write(home.path().join("file"), "x").expect("writes");
        assert!(require_empty(home.path()).expect_err("not empty").to_string().contains("not empty"));
    }

    #[test]
    fn sizes_count_files_in_every_depth() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let deep = Home::locate(home.path()).memiavl().join("snapshot/evm");
        fs::create_dir_all(&deep).expect("creates");
        fs::write(deep.join("kvs"), [0; 700]).expect("writes");
        fs::write(Home::locate(home.path()).memiavl().join("LOCK"), [0; 7]).expect("writes");
        assert_eq!(sizes(home.path()).expect("reads"), DiskSizes { memiavl_bytes: 707, flatkv_bytes: 0 });
    }
}
