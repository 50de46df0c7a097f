//! Rolling a home back, and going on with a rollback that a crash has interrupted.

use std::path::Path;

use changeset::{StoreError, StoreErrorKind, StoreResult};
use flatkv::{FlatKv, FlatKvError, View};
use memiavl::Site;
use migrate_core::RollbackPlan;

use crate::error::Error;
use crate::home::Home;
use crate::options::Options;
use crate::{reclaim, registry};

/// Finds out what a rollback of the home at `root` to block `to` would do, and that it can be done. Changes nothing; a
/// running node is refused.
///
/// # Errors
/// No node there, views of it open in this process, a block that cannot be gone back to, damage.
pub fn plan_rollback(root: &Path, to: u64) -> Result<RollbackPlan, Error> {
    registry::check(root)?;
    let home = Home::locate(root);
    let view = FlatKv::find(home.flatkv(), &flatkv::Options::default())?;
    let old = find_memiavl(&home, view.is_some())?;
    plan(old.as_ref(), view.as_ref(), to)
}

/// Rolls the home at `root` back to block `to`. A crash in the middle is finished by the next opening.
///
/// # Errors
/// As [`plan_rollback`]; I/O.
pub fn roll_back(root: &Path, to: u64, options: &Options) -> Result<RollbackPlan, Error> {
    registry::check(root)?;
    let home = Home::locate(root);
    home.check_present()?;
    let _lock = home.lock()?;
    run(&home, options, to)
}

/// Rolls back, or goes on with what FlatKV has noted. The home is locked.
pub(crate) fn run(home: &Home, options: &Options, to: u64) -> Result<RollbackPlan, Error> {
    let found = FlatKv::find(home.flatkv(), &options.flatkv())?;
    let old = find_memiavl(home, found.is_some())?;
    let plan = plan(old.as_ref(), found.as_ref(), to)?;
    let new = found.map(|found| FlatKv::take_over(found, &options.flatkv())).transpose()?;
    migrate_core::roll_back(plan, old.as_ref(), new, || remove_flatkv(home))?;
    Ok(plan)
}

fn plan(old: Option<&Site>, new: Option<&View>, to: u64) -> Result<RollbackPlan, Error> {
    let error = match migrate_core::plan_rollback(old, new, to) {
        Err(error @ migrate_core::Error::OldMissing { .. }) => error,
        plan => return Ok(plan?),
    };
    // A memiavl that has served its time is not missed: no rollback leads to where it is needed.
    let Some(new) = new.filter(|new| new.retired().is_ok_and(|retired| retired.is_some())) else {
        return Err(error.into());
    };
    let kept =
        new.kept_heights().map_err(|source| migrate_core::Error::New { action: "looking how far back", source })?;
    let without = new.last_handoff().unwrap_or(0);
    let oldest = kept.map_or(without, |(lowest, _)| lowest.max(without));
    Err(FlatKvError::WindowPassed { oldest, to }.into())
}

fn find_memiavl(home: &Home, has_flatkv: bool) -> Result<Option<Site>, Error> {
    match (home.memiavl().exists(), has_flatkv) {
        (true, _) => Ok(Some(Site::new(home.memiavl()))),
        (false, true) => Ok(None),
        (false, false) => Err(Error::NoNode { home: home.root().to_owned(), expected: home.memiavl().to_owned() }),
    }
}

/// Renames FlatKV away, which is what counts, and deletes it.
fn remove_flatkv(home: &Home) -> StoreResult<()> {
    let remove =
        reclaim::rename_away(home.flatkv()).and_then(|()| reclaim::delete_now(&reclaim::removed(home.flatkv())));
    remove.map_err(|source| StoreError::new(StoreErrorKind::Io, source))
}
