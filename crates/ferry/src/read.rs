//! A view of a home as it stands on disk: nothing below it is written, also while a node runs there.

use std::path::Path;

use changeset::OldStore;
use memiavl::MemIavl;
use migrate_core::Still;

use crate::View;
use crate::error::Error;
use crate::home::Home;
use crate::inspect::{found_flatkv, open_memiavl};

/// How often both stores are opened anew where a running node was between their commits.
const ATTEMPTS: usize = 5;

/// The last block of the home at `root`, for reading; `modules` are the chain's. Beside a running node it is the block that
/// FlatKV was at when this was called.
///
/// # Errors
/// No node there, directories of another program, damage; a memiavl that is behind FlatKV, as a crash leaves it.
pub fn read_home(root: &Path, modules: &[String]) -> Result<View, Error> {
    let home = Home::locate(root);
    let (memiavl, flatkv) = open_both(&home)?;
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

/// Both stores, of one block.
fn open_both(home: &Home) -> Result<(Option<MemIavl>, Option<flatkv::View>), Error> {
    let mut attempt = 1;
    loop {
        let flatkv = found_flatkv(home)?;
        let expected = flatkv.as_ref().and_then(flatkv::View::last_handoff);
        // A retired memiavl may still lie there, until the next opening: nothing of it counts.
        let is_retired = flatkv.as_ref().map(flatkv::View::retired).transpose()?.flatten().is_some();
        let has_memiavl = home.memiavl().exists() && !is_retired;
        let memiavl = has_memiavl.then(|| open_memiavl(home, expected)).transpose()?;
        match check_not_behind(memiavl.as_ref(), expected) {
            Err(_) if attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(error),
            Ok(()) => return Ok((memiavl, flatkv)),
        }
    }
}

/// A block reaches memiavl's log a moment after FlatKV, or, behind a crash, with the next opening.
pub(crate) fn check_not_behind(memiavl: Option<&MemIavl>, expected: Option<u64>) -> Result<(), Error> {
    match (memiavl.map(OldStore::version), expected) {
        (Some(memiavl), Some(flatkv)) if memiavl < flatkv => Err(Error::MemiavlBehind { memiavl, flatkv }),
        _ => Ok(()),
    }
}
