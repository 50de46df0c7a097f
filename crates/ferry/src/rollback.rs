//! Rolling a home back, and going on with a rollback that a crash has interrupted.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use changeset::{StoreError, StoreErrorKind, StoreResult, Undo};
use flatkv::{FlatKv, Probe};
use memiavl::Site;
use migrate_core::RollbackPlan;

use crate::error::Error;
use crate::home::Home;
use crate::options::Options;
use crate::registry;

/// Finds out what a rollback of the home at `root` to block `to` would do, and that it can be done. Changes nothing; a
/// running node is refused.
///
/// # Errors
/// No node there, views of it open in this process, a block that cannot be gone back to, damage.
pub fn plan_rollback(root: &Path, to: u64) -> Result<RollbackPlan, Error> {
    registry::check(root)?;
    let home = Home::locate(root);
    let view = match find_flatkv(&home)? {
        true => Some(FlatKv::open_read_only(home.flatkv(), &flatkv::Options::default())?),
        false => None,
    };
    let old = find_memiavl(&home, view.is_some())?;
    Ok(migrate_core::plan_rollback(old.as_ref(), view.as_ref(), to)?)
}

/// Rolls the home at `root` back to block `to`. A crash in the middle is finished by the next opening.
///
/// # Errors
/// As [`plan_rollback`]; I/O.
pub fn roll_back(root: &Path, to: u64, options: &Options) -> Result<RollbackPlan, Error> {
    registry::check(root)?;
    run(&Home::locate(root), options, to)
}

/// Goes on with the rollback that FlatKV has noted.
pub(crate) fn resume(home: &Home, options: &Options, to: u64) -> Result<(), Error> {
    run(home, options, to).map(drop)
}

fn run(home: &Home, options: &Options, to: u64) -> Result<RollbackPlan, Error> {
    let new = find_flatkv(home)?.then(|| FlatKv::open(home.flatkv(), &options.flatkv())).transpose()?;
    let old = find_memiavl(home, new.is_some())?;
    let plan = migrate_core::plan_rollback(old.as_ref(), new.as_ref().map(Undo::history), to)?;
    migrate_core::roll_back(plan, old.as_ref(), new, || remove_flatkv(home))?;
    Ok(plan)
}

fn find_flatkv(home: &Home) -> Result<bool, Error> {
    match flatkv::probe(home.flatkv())? {
        Probe::Missing | Probe::Leftover => Ok(false),
        found => {
            flatkv::check_ours(home.flatkv(), found)?;
            Ok(true)
        }
    }
}

fn find_memiavl(home: &Home, has_flatkv: bool) -> Result<Option<Site>, Error> {
    match (home.memiavl().exists(), has_flatkv) {
        (true, _) => Ok(Some(Site::new(home.memiavl()))),
        (false, true) => Ok(None),
        (false, false) => Err(Error::NoNode { home: home.root().to_owned(), expected: home.memiavl().to_owned() }),
    }
}

/// The name that a removed FlatKV has until its files are gone.
fn removed(home: &Home) -> PathBuf {
    home.flatkv().with_extension("removed")
}

/// Renames FlatKV away, which is what counts, and deletes it.
fn remove_flatkv(home: &Home) -> StoreResult<()> {
    let rename = || -> std::io::Result<()> {
        fs::rename(home.flatkv(), removed(home))?;
        match home.flatkv().parent() {
            Some(parent) => fs::File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    };
    rename().map_err(|source| StoreError::new(StoreErrorKind::Io, source))?;
    fs::remove_dir_all(removed(home)).map_err(|source| StoreError::new(StoreErrorKind::Io, source))
}

/// Deletes what a removal that was interrupted has left.
pub(crate) fn sweep(home: &Home) -> Result<(), Error> {
    let path = removed(home);
    match fs::remove_dir_all(&path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(Error::Remove { path, source }),
        _ => Ok(()),
    }
}
