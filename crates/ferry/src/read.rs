//! A view of a home as it stands on disk: nothing below it is written, also while a node runs there.

use std::path::Path;

use changeset::OldStore;
use migrate_core::Still;

use crate::View;
use crate::error::Error;
use crate::home::Home;
use crate::inspect::{found_flatkv, open_memiavl};

/// The last block of the home at `root`, for reading; `modules` are the chain's. Beside a running node it is the block that
/// FlatKV was at when this was called.
///
/// # Errors
/// No node there, directories of another program, damage.
pub fn read_home(root: &Path, modules: &[String]) -> Result<View, Error> {
    let home = Home::locate(root);
    let flatkv = found_flatkv(&home)?;
    let expected = flatkv.as_ref().and_then(flatkv::View::last_handoff);
    // A retired memiavl may still lie there, until the next opening: nothing of it counts.
    let is_retired = flatkv.as_ref().map(flatkv::View::retired).transpose()?.flatten().is_some();
    let memiavl = (home.memiavl().exists() && !is_retired).then(|| open_memiavl(&home, expected)).transpose()?;
    if memiavl.is_none() && flatkv.is_none() {
        return Err(Error::NoNode { home: root.to_owned(), expected: home.memiavl().to_owned() });
    }
    let old = memiavl.map(|store| {
        let view = store.view();
        let info = view.commit_info();
        (view, info)
    });
    Ok(Still { old, new: flatkv, modules: modules.to_vec() }.view()?)
}
