//! The link `current`: which snapshot a store opens with.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use memiavl_iter::{parse_snapshot_name, snapshot_name};

use crate::error::{Doing, Error, Result};
use crate::snapshot::disk::{IoResult, remove_leftover, sync_dir, temporary_name};

/// Name of the link.
pub(super) const CURRENT: &str = "current";
/// Longer than any snapshot's name.
const NAME_BYTES_MAX: u64 = 64;

/// The version of the snapshot that `current` points to; none if there is no `current`.
///
/// A plain file with the name in it counts too: that is what a copy through something without links leaves.
pub(crate) fn read_current(dir: &Path) -> Result<Option<u64>> {
    let path = dir.join(CURRENT);
    let kind = match fs::symlink_metadata(&path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).doing(Doing::Read, &path),
    };
    let target = if kind.is_symlink() {
        fs::read_link(&path).doing(Doing::Read, &path)?
    } else if kind.is_file() && kind.len() <= NAME_BYTES_MAX {
        PathBuf::from(fs::read_to_string(&path).doing(Doing::Read, &path)?.trim_end())
    } else {
        return Err(Error::BadCurrent { path, target: PathBuf::new() });
    };
    let Some(version) = target.to_str().and_then(parse_snapshot_name) else {
        return Err(Error::BadCurrent { path, target });
    };
    if dir.join(&target).is_dir() { Ok(Some(version)) } else { Err(Error::DanglingCurrent { path, target }) }
}

/// Points `current` to the snapshot of `version`, for good when it returns.
pub(crate) fn point_current(dir: &Path, version: u64) -> Result<()> {
    let path = dir.join(CURRENT);
    let temporary = temporary_name(&path);
    remove_leftover(&temporary)?;
    symlink(snapshot_name(version), &temporary).doing(Doing::Link, &temporary)?;
    fs::rename(&temporary, &path).doing(Doing::Rename, &temporary)?;
    sync_dir(dir)
}
