//! Which proofs a node gives. memiavl can build both kinds for any key; the migration decides which of them are true.

use memiavl::Proof;
use migrate_core::Route;

use crate::View;
use crate::error::Error;

/// A proof of what the app hash of `view` says of a key, for readers on any thread.
///
/// Existence, for a key that memiavl has. Absence, only in a module that has no part in the present or a past migration: a
/// moved or brand-new key is absent from the tree whose root is in the app hash, so its "absence proof" would be a lie.
///
/// # Errors
/// A module or key that cannot be proven, memiavl at rest, I/O, corruption.
pub fn prove(view: &View, module: &str, key: &[u8]) -> Result<Proof, Error> {
    let old = view.old().ok_or(migrate_core::Error::OldNotInAppHash)?;
    let in_memiavl = changeset::Read::contains(old, module, key);
    if in_memiavl.map_err(|source| migrate_core::Error::Old { action: "reading a key", source })? {
        return Ok(old.prove_existence(view.commit_info(), module, key)?);
    }
    // A later migration that was stepped into while paused leaves rows and no record; the rows tell.
    let has_rows = |new: &flatkv::View| new.totals().any(|(_, name, totals)| name == module && totals.rows > 0);
    if view.mode().route(module) != Route::Old || view.new_store().is_some_and(has_rows) {
        return Err(migrate_core::Error::AbsenceUnprovable { module: module.to_owned() }.into());
    }
    Ok(old.prove_absence(view.commit_info(), module, key)?)
}
