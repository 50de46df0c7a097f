//! What a home's stores take on disk, and what is left there.

use std::fs;
use std::io;
use std::path::Path;

use migrate_metrics::Sizes;
use nix::sys::statvfs::statvfs;

use crate::home::Home;

/// What the stores of `home` take on disk, and what is free there.
///
/// # Errors
/// A directory that cannot be read.
pub fn disk_sizes(home: &Home) -> io::Result<Sizes> {
    Ok(Sizes {
        memiavl_bytes: tree_bytes(home.memiavl())?,
        flatkv_bytes: tree_bytes(home.flatkv())?,
        disk_free_bytes: free_bytes(home.root())?,
    })
}

/// The bytes that a process without privileges can still write on the file system of `path`.
fn free_bytes(path: &Path) -> io::Result<u64> {
    let found = statvfs(path)?;
    Ok(found.blocks_available().saturating_mul(found.fragment_size()))
}

/// The bytes of all files below `path`; 0 if it does not exist. Files that go while this looks count as nothing: a live
/// store drops some.
///
/// # Errors
/// A directory that cannot be read.
pub fn tree_bytes(path: &Path) -> io::Result<u64> {
    let mut total = 0_u64;
    let mut pending = vec![path.to_owned()];
    while let Some(directory) = pending.pop() {
        let Some(entries) = unless_gone(fs::read_dir(&directory))? else { continue };
        for entry in entries {
            let Some(entry) = unless_gone(entry)? else { continue };
            let Some(metadata) = unless_gone(entry.metadata())? else { continue };
            if metadata.is_dir() {
                pending.push(entry.path());
            } else if metadata.is_file() {
                total = total.saturating_add(metadata.len());
            }
        }
    }
    Ok(total)
}

fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
