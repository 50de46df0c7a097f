//! What an interrupted restore has left in a home: to be told of, gone on with, or deleted.

use std::path::{Path, PathBuf};

use super::staging::Staging;
use crate::disk::tree_bytes;
use crate::error::Error;
use crate::export::at;
use crate::home::Home;
use crate::registry;

/// An interrupted restore. [`Restore::begin`](super::Restore::begin) with the same manifest goes on with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfinishedRestore {
    /// The directory that it has in the home.
    pub path: PathBuf,
    /// Bytes of the files there.
    pub bytes: u64,
    /// The height of the export; none where what was noted of it does not read.
    pub height: Option<u64>,
    /// Chunks that were taken.
    pub chunks: u32,
    /// Chunks of the export.
    pub chunks_total: u32,
}

/// Looks for what an interrupted restore has left in the home at `root`; none also where one has happened that the next opening
/// finishes. Nothing is written.
///
/// # Errors
/// I/O.
pub fn unfinished_restore(root: &Path) -> Result<Option<UnfinishedRestore>, Error> {
    of_home(&Home::locate(root))
}

/// Deletes what an interrupted restore has left in the home at `root`, and tells what that was. The state that the home has is
/// not touched.
///
/// # Errors
/// A home that somebody has open, among them one who restores it; a replacement of stores that is to be finished first; I/O.
pub fn discard_restore(root: &Path) -> Result<Option<UnfinishedRestore>, Error> {
    registry::check(root)?;
    let home = Home::locate(root);
    if of_home(&home)?.is_none() && !home.switch().exists() {
        return Ok(None);
    }
    let _lock = home.lock()?;
    if home.switch().exists() {
        return Err(Error::ReconcileUnfinished { home: root.to_owned(), what: "replacement of stores" });
    }
    let found = of_home(&home)?;
    Staging::of(&home).delete()?;
    Ok(found)
}

fn of_home(home: &Home) -> Result<Option<UnfinishedRestore>, Error> {
    let path = home.restore();
    if !path.is_dir() || home.switch().exists() {
        return Ok(None);
    }
    let bytes = tree_bytes(&path).map_err(at("look at", &path))?;
    let (manifest, progress) = Staging::of(home).noted()?;
    Ok(Some(UnfinishedRestore {
        height: manifest.as_ref().map(|manifest| manifest.height),
        chunks: progress.map_or(0, |progress| progress.chunks),
        chunks_total: manifest.map_or(0, |manifest| manifest.chunk_count()),
        path,
        bytes,
    }))
}

/// Says in the log that a home being opened has such a thing.
pub(crate) fn tell(home: &Home) -> Result<(), Error> {
    if let Some(left) = of_home(home)? {
        let UnfinishedRestore { path, bytes, chunks, chunks_total, .. } = left;
        tracing::warn!(
            path = %path.display(),
            bytes,
            chunks,
            chunks_total,
            "an import was interrupted in this home; the same one goes on, `ferry import --discard` deletes what it has taken"
        );
    }
    Ok(())
}
