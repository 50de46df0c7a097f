//! A view of a home as it stands on disk: nothing below it is written, also while a node runs there.

use std::path::Path;
use std::thread;
use std::time::Duration;

use changeset::OldStore;
use memiavl::{LockState, MemIavl};
use migrate_core::Still;

use crate::View;
use crate::error::Error;
use crate::home::Home;
use crate::inspect::{found_flatkv, open_memiavl};

/// How often both stores are opened anew where a running node was between their commits, or has just dropped a snapshot.
const LOOKS: u32 = 25;
/// How long between two looks: a node is there for as long as it takes to append to its log.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

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

/// Both stores, of one block. What a look finds beside a node may be over at the next one; without a node it stays.
fn open_both(home: &Home) -> Result<(Option<MemIavl>, Option<flatkv::View>), Error> {
    let mut looks = 1;
    loop {
        match look(home) {
            Err(_) if looks < LOOKS && home.writer()? != LockState::Free => {
                looks += 1;
                thread::sleep(LOOK_INTERVAL);
            }
            found => return found,
        }
    }
}

fn look(home: &Home) -> Result<(Option<MemIavl>, Option<flatkv::View>), Error> {
    let flatkv = found_flatkv(home)?;
    let expected = flatkv.as_ref().and_then(flatkv::View::last_handoff);
    // A retired memiavl may still lie there, until the next opening: nothing of it counts.
    let is_retired = flatkv.as_ref().map(flatkv::View::retired).transpose()?.flatten().is_some();
    let has_memiavl = home.memiavl().exists() && !is_retired;
    let memiavl = has_memiavl.then(|| open_memiavl(home, expected)).transpose()?;
    check_not_behind(memiavl.as_ref(), expected)?;
    if let Some(memiavl) = memiavl.as_ref().filter(|_| flatkv.is_none()) {
        // With a FlatKV that is lost the seal has another app hash.
        memiavl.check_seal(None)?;
    }
    Ok((memiavl, flatkv))
}

/// A block reaches memiavl's log a moment after FlatKV, or, behind a crash, with the next opening.
pub(crate) fn check_not_behind(memiavl: Option<&MemIavl>, expected: Option<u64>) -> Result<(), Error> {
    match (memiavl.map(OldStore::version), expected) {
        (Some(memiavl), Some(flatkv)) if memiavl < flatkv => Err(Error::MemiavlBehind { memiavl, flatkv }),
        _ => Ok(()),
    }
}
