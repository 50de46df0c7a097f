//! Calls to the system that name what they were about when they fail.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use memiavl_iter::TMP_SUFFIX;

use crate::error::{Doing, Error, Result};

/// Names the call and the path of a system error.
pub(crate) trait IoResult<T> {
    /// What was being done, to which path.
    fn doing(self, doing: Doing, path: &Path) -> Result<T>;
}

impl<T> IoResult<T> for io::Result<T> {
    fn doing(self, doing: Doing, path: &Path) -> Result<T> {
        self.map_err(|source| Error::Io { doing, path: path.to_owned(), source })
    }
}

/// Makes the names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).doing(Doing::Sync, dir)
}

/// Removes a directory so that a crash leaves it whole or as garbage: it takes a temporary name first.
pub(crate) fn remove_dir(dir: &Path) -> Result<()> {
    let temporary = temporary_name(dir);
    fs::rename(dir, &temporary).doing(Doing::Rename, dir)?;
    fs::remove_dir_all(&temporary).doing(Doing::Remove, &temporary)
}

/// The name of `path` while it is unfinished.
pub(crate) fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(TMP_SUFFIX);
    name.into()
}

/// Removes what an interrupted write left in `dir`.
pub(crate) fn remove_temporary(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).doing(Doing::List, dir)? {
        let entry = entry.doing(Doing::List, dir)?;
        if !entry.file_name().to_string_lossy().ends_with(TMP_SUFFIX) {
            continue;
        }
        let path = entry.path();
        if entry.file_type().doing(Doing::List, &path)?.is_dir() {
            fs::remove_dir_all(&path).doing(Doing::Remove, &path)?;
        } else {
            fs::remove_file(&path).doing(Doing::Remove, &path)?;
        }
    }
    Ok(())
}
