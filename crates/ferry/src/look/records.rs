//! FlatKV's records beside its rows: how far it is, what it keeps of its blocks, what is under way.

use std::path::Path;

use changeset::{Hash, StoreError};
use flatkv::{Lane, Totals};
use migrate_core::Metadata;

use crate::error::Error;
use crate::home::Home;
use crate::inspect::found_flatkv;

/// The rows of one lane and module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartLook {
    /// The lane.
    pub lane: Lane,
    /// The module.
    pub module: String,
    /// How many, and their bytes.
    pub totals: Totals,
}

/// What FlatKV says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlatKvLook {
    /// The format of its directory.
    pub format: u32,
    /// The heights of its first and last block; none before the first.
    pub heights: Option<(u64, u64)>,
    /// The heights that undo records lead back to.
    pub kept_heights: Option<(u64, u64)>,
    /// The root over all rows.
    pub root: Hash,
    /// The migration's records.
    pub metadata: Metadata,
    /// The last block whose changes memiavl was handed.
    pub last_handoff: Option<u64>,
    /// Up to which block memiavl's changelog is known to be on disk.
    pub changelog_synced: u64,
    /// Since which block memiavl is retired.
    pub retired: Option<u64>,
    /// The height of the last offline import.
    pub imported: Option<u64>,
    /// Where a rollback under way leads.
    pub rollback_target: Option<u64>,
    /// Whether its last blocks were left to the operating system.
    pub left_to_os: bool,
    /// Its rows by lane and module.
    pub parts: Vec<PartLook>,
}

/// Looks at the FlatKV of the home at `root`; none if it does not exist.
///
/// # Errors
/// No node there, directories of another program, damage, I/O.
pub fn look_at_flatkv(root: &Path) -> Result<Option<FlatKvLook>, Error> {
    let home = Home::locate(root);
    home.check_present()?;
    let Some(view) = found_flatkv(&home)? else { return Ok(None) };
    let reading = |source: StoreError| migrate_core::Error::New { action: "reading undo records", source };
    let part = |(lane, module, totals): (Lane, &str, Totals)| PartLook { lane, module: module.to_owned(), totals };
    Ok(Some(FlatKvLook {
        format: flatkv::FORMAT,
        heights: view.first_version().zip(view.version()),
        kept_heights: view.kept_heights().map_err(reading)?,
        root: view.root(),
        metadata: Metadata::read(&view)?,
        last_handoff: view.last_handoff(),
        changelog_synced: view.changelog_synced(),
        retired: view.retired()?,
        imported: view.imported()?.map(|info| info.version.unsigned_abs()),
        rollback_target: view.rollback_target()?,
        left_to_os: view.is_left_to_os()?,
        parts: view.totals().map(part).collect(),
    }))
}
