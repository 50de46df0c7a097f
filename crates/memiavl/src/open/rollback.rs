//! Rolling a store back to an earlier version.
//!
//! Each step can be interrupted, and the whole repeated: until the log is cut the store opens at its last version, from then
//! on at the version rolled back to.

use std::path::{Path, PathBuf};

use changeset::{Hash, OldLog, OldSite, OldStore, StoreResult};
use memiavl_iter::list_snapshots;

use crate::changelog::{Changelog, LogOptions};
use crate::error::{Error, Result};
use crate::lock::Lock;
use crate::open::directory::{CHANGELOG, Found, LOCK, look};
use crate::open::options::Options;
use crate::open::unreplayed::{newest_snapshot, open};
use crate::snapshot::{point_current, remove_dir, remove_temporary, sync_dir};

/// Rolls the store in `dir` back to `version`, for good. Nothing changes before a replay has shown that the version can be
/// rebuilt. The store must not be open for writing; views and readers of the old state must be gone.
///
/// # Errors
/// A version that is not kept or not reached, a store that another process holds, damage, I/O.
pub fn rollback(dir: &Path, version: u64) -> Result<()> {
    let Found::Store { current } = look(dir)? else {
        return Err(Error::NoStore { path: dir.to_owned() });
    };
    let _lock = Lock::acquire(&dir.join(LOCK))?;
    let mut options = Options::read_only();
    options.at_version = Some(version);
    open(dir, options)?.replay_log()?;

    remove_temporary(dir)?;
    let base = newest_snapshot(dir, current, version)?;
    if base != current {
        point_current(dir, base)?;
    }
    let mut log = Changelog::open_writer(&dir.join(CHANGELOG), LogOptions::default())?;
    log.truncate_after(version)?;
    log.close()?;
    for (later, path) in list_snapshots(dir)? {
        if later > version {
            remove_dir(&path)?;
        }
    }
    sync_dir(dir)?;
    tracing::info!(version, snapshot_version = base, "memiavl is rolled back");
    Ok(())
}

/// A store's directory that this process does not have open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site(PathBuf);

impl Site {
    /// The store in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self(dir.into())
    }
}

impl OldSite for Site {
    fn last_version(&self) -> StoreResult<u64> {
        Ok(open(&self.0, Options::read_only())?.last_version())
    }

    fn roots_at(&self, version: u64) -> StoreResult<Vec<(String, Hash)>> {
        let mut options = Options::read_only();
        options.at_version = Some(version);
        open(&self.0, options)?.replay()?.committed_roots()
    }

    fn roll_back(&self, version: u64) -> StoreResult<()> {
        Ok(rollback(&self.0, version)?)
    }
}
