//! Dropping snapshots that nothing needs any more.

use std::path::Path;

use memiavl_iter::list_snapshots;

use crate::error::Result;
use crate::snapshot::disk::{remove_dir, sync_dir};

/// Which snapshots stay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keep {
    /// The current one; later ones, of which there should be none, are left alone.
    pub(crate) current: u64,
    /// So many older ones.
    pub(crate) recent: usize,
    /// And those from which every version from here on can be rebuilt.
    pub(crate) retain_from: u64,
}

/// Removes all others. Returns the oldest that is left.
pub(crate) fn prune_snapshots(dir: &Path, keep: Keep) -> Result<u64> {
    let snapshots = list_snapshots(dir)?;
    let older: Vec<_> = snapshots.iter().rev().filter(|(version, _)| *version < keep.current).collect();
    let mut oldest = keep.current;
    // The newest that is not later than `retain_from` is the last one needed.
    let mut is_covered = keep.current <= keep.retain_from;
    for (place, (version, path)) in older.into_iter().enumerate() {
        if is_covered && place >= keep.recent {
            remove_dir(path)?;
            tracing::info!(version, "old snapshot removed");
        } else {
            oldest = *version;
        }
        is_covered |= *version <= keep.retain_from;
    }
    sync_dir(dir)?;
    Ok(oldest)
}
