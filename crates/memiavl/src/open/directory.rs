//! What a directory is, found out without changing a byte of it.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use memiavl_iter::list_snapshots;

use crate::error::{Doing, Error, Result};
use crate::snapshot::{IoResult, is_temporary, read_current};

/// Name of the log's directory.
pub(crate) const CHANGELOG: &str = "changelog";
/// Name of the lock file.
pub(super) const LOCK: &str = "LOCK";

/// What stands in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing, or what a first opening leaves when it is interrupted.
    Fresh,
    /// A store whose `current` names the snapshot of this version.
    Store { current: u64 },
}

/// Looks at `dir`, which may be missing.
pub(super) fn look(dir: &Path) -> Result<Found> {
    match fs::metadata(dir) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(Error::NotADirectory { path: dir.to_owned() }),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Fresh),
        Err(error) => return Err(error).doing(Doing::Read, dir),
    }
    if let Some(current) = read_current(dir)? {
        return Ok(Found::Store { current });
    }
    let snapshots = list_snapshots(dir)?;
    if let Some((newest, _)) = snapshots.last()
        && *newest > 0
    {
        return Err(Error::NoCurrent { path: dir.to_owned(), newest: *newest });
    }
    for entry in fs::read_dir(dir).doing(Doing::List, dir)? {
        let entry = entry.doing(Doing::List, dir)?;
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        let is_ours = match name.as_ref() {
            LOCK => true,
            CHANGELOG => fs::read_dir(&path).doing(Doing::List, &path)?.next().is_none(),
            name => is_temporary(name) || snapshots.iter().any(|(_, snapshot)| *snapshot == path),
        };
        if !is_ours {
            return Err(Error::ForeignDirectory { path: dir.to_owned(), found: path });
        }
    }
    Ok(Found::Fresh)
}
