//! From what the chunks have left to two stores that agree with the app hash, beside those that they will replace.

use std::ops::ControlFlow;

use bytes::Bytes;
use changeset::{Hash, JournalLine};
use flatkv::BulkBlock;

use crate::error::Error;
use crate::export::Manifest;
use crate::replace::Replacement;
use crate::restore::RestoreProgress;
use crate::restore::staging::Building;

/// Builds the stores in `replacement`, reads them back, and compares every root.
///
/// # Errors
/// A state that is not the one that the app hash stands for, damage, I/O, a stop. Nothing is replaced then.
pub(super) fn build(
    manifest: &Manifest,
    building: &mut Building,
    replacement: &Replacement,
    options: &flatkv::Options,
    progress: &mut dyn FnMut(RestoreProgress) -> ControlFlow<()>,
) -> Result<(), Error> {
    let trees = check_trees(manifest, building)?;
    if manifest.has_memiavl {
        building.memiavl.finish(&replacement.memiavl(), manifest.app_hash)?;
    }
    let Some(lattice) = manifest.lattice() else { return Ok(()) };
    let block = BulkBlock {
        commit_info: manifest.commit_info.clone(),
        app_hash: manifest.app_hash,
        standing: trees,
        changes: &[],
        journal: JournalLine {
            height: manifest.height,
            app_hash: Bytes::copy_from_slice(&manifest.app_hash),
            moved: manifest.moved.clone(),
            ..JournalLine::default()
        },
        retires_old: !manifest.has_memiavl,
    };
    let chunks = manifest.chunk_count();
    let mut checked = |now: flatkv::VerifyProgress| {
        progress(RestoreProgress { chunks, chunks_total: chunks, rows_checked: now.rows })
    };
    let root = building.rows.finish(&replacement.flatkv(), manifest.height, options, &block, &mut checked)?;
    let root = root.ok_or(migrate_core::Error::Cancelled)?;
    if lattice.commit_id.hash != root.as_slice() {
        return Err(Error::RestoredRoot {
            store: lattice.name.clone(),
            height: manifest.height,
            expected: lattice.commit_id.hash.to_vec(),
            got: root,
        });
    }
    Ok(())
}

/// All trees of the commit info must be there; each was compared when it ended.
fn check_trees(manifest: &Manifest, building: &Building) -> Result<Vec<(String, Hash)>, Error> {
    let roots = building.memiavl.roots();
    match manifest.trees().find(|store| roots.iter().all(|(name, _)| *name != store.name)) {
        None => Ok(roots.to_vec()),
        Some(store) => Err(Error::RestoredStoreMissing { store: store.name.clone(), height: manifest.height }),
    }
}
