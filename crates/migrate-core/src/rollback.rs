//! Rolling back to an earlier block: a plan that changes nothing, then four steps, each of which a crash may interrupt.
//!
//! ```text
//! check    every undo record is there; memiavl, opened read-only at its height, has the roots stored with the block
//! 1        FlatKV notes durably where the rollback leads                                    (a crash from here on: resume)
//! 2        FlatKV's blocks are undone, newest first, each in a batch that carries the version with it
//! 3        memiavl goes back: current, log, later snapshots
//! 4        FlatKV drops the later handoffs and the note
//! ```
//! Below FlatKV's first block there is nothing to undo in it: memiavl goes back, then FlatKV is removed whole.

use changeset::{Hash, History, LATTICE_STORE, OldSite, StoreResult, Undo};

use crate::error::Error;
use crate::recover::standing;

/// What a rollback does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollbackPlan {
    /// The last block now.
    pub from: u64,
    /// The last block afterwards.
    pub to: u64,
    /// Where memiavl goes; none if it stays where it is.
    pub memiavl_to: Option<u64>,
    /// What happens to FlatKV.
    pub flatkv: NewStorePlan,
}

/// What a rollback does to FlatKV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewStorePlan {
    /// It does not exist.
    Absent,
    /// Its last blocks are undone.
    Undo {
        /// How many.
        blocks: u64,
    },
    /// All its blocks are later: it is removed.
    Remove {
        /// Its first block.
        first: u64,
    },
}

/// Finds out what a rollback to `to` does, and that it can be done. Changes nothing.
///
/// # Errors
/// A height that there was no block at, undo records that are gone, memiavl that cannot be rebuilt or has other roots there.
pub fn plan_rollback<S: OldSite, H: History>(old: Option<&S>, new: Option<&H>, to: u64) -> Result<RollbackPlan, Error> {
    let memiavl = old.map(OldSite::last_version).transpose().map_err(Error::old("reading its last version"))?;
    let span = new.and_then(History::span);
    let from = span.map(|(_, last)| last).or(memiavl).unwrap_or(0);
    if to == 0 || to > from {
        return Err(Error::RollbackTarget { from, to });
    }
    let imported = new.map(History::imported).transpose().map_err(Error::new("reading a note"))?.flatten();
    if let Some(imported) = imported.map(|imported| imported.version.cast_unsigned()).filter(|height| to < *height) {
        return Err(Error::RollbackBelowImport { imported, to });
    }
    let (flatkv, target) = match (new, span) {
        (Some(new), Some((first, _))) if to >= first => {
            new.check_undo(to).map_err(Error::new("checking the undo records"))?;
            let target = new.last_handoff_at(to).map_err(Error::new("reading a block's record"))?;
            (NewStorePlan::Undo { blocks: from - to }, target)
        }
        (Some(_), Some((first, _))) => (NewStorePlan::Remove { first }, Some(to)),
        _ => (NewStorePlan::Absent, Some(to)),
    };
    if let (None, Some(new), Some(height)) = (old, new, target)
        && new.last_handoff().map_err(Error::new("reading a handoff"))?.is_some_and(|end| height < end)
    {
        return Err(Error::OldMissing { height });
    }
    // Also where it stands there already: an interrupted rollback may have left later snapshots.
    let memiavl_to = target.filter(|target| memiavl.is_some_and(|memiavl| *target <= memiavl));
    if let (Some(old), Some(version)) = (old, memiavl_to) {
        let roots = old.roots_at(version).map_err(Error::old("rebuilding the state to go back to"))?;
        if let (Some(new), NewStorePlan::Undo { .. }) = (new, flatkv) {
            check_roots(new, to, &roots)?;
        }
    }
    Ok(RollbackPlan { from, to, memiavl_to, flatkv })
}

/// memiavl's roots must be those stored with block `to`; the block that ends the last migration stores none.
fn check_roots<H: History>(new: &H, to: u64, roots: &[(String, Hash)]) -> Result<(), Error> {
    let (info, _) =
        new.block(to).map_err(Error::new("reading a block's record"))?.ok_or(Error::RecordMissing { height: to })?;
    let info = standing(new, to)?.unwrap_or(info);
    for store in info.store_infos.iter().filter(|store| store.name != LATTICE_STORE) {
        let expected = Hash::try_from(store.commit_id.hash.as_ref()).ok();
        let got = roots.iter().find(|(name, _)| *name == store.name).map(|(_, hash)| *hash);
        if expected != got {
            return Err(Error::RootMismatch { store: store.name.clone(), height: to, expected, got });
        }
    }
    Ok(())
}

/// Carries out a plan, or what a crash has left of it.
///
/// # Errors
/// I/O; repeating the call goes on.
pub fn roll_back<S: OldSite, N: Undo>(
    plan: RollbackPlan,
    old: Option<&S>,
    new: Option<N>,
    remove_new: impl FnOnce() -> StoreResult<()>,
) -> Result<(), Error> {
    let go_back = |old: Option<&S>| match (old, plan.memiavl_to) {
        (Some(old), Some(version)) => old.roll_back(version).map_err(Error::old("rolling back")),
        _ => Ok(()),
    };
    let Some(mut new) = new else {
        return go_back(old);
    };
    new.begin_rollback(plan.to).map_err(Error::new("noting the rollback"))?;
    if let NewStorePlan::Remove { .. } = plan.flatkv {
        go_back(old)?;
        drop(new);
        return remove_new().map_err(Error::new("removing the store"));
    }
    while new.version().is_some_and(|version| version > plan.to) {
        let left = new.undo_block().map_err(Error::new("undoing a block"))?;
        tracing::debug!(left, to = plan.to, "block undone");
    }
    go_back(old)?;
    new.finish_rollback().map_err(Error::new("ending the rollback"))
}
