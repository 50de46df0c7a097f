//! Mending a home: what a verification finds is put right where it can be proven, and refused where it cannot.
//!
//! ```text
//! anchor      the last block and its app hash, and what vouches for it
//! memiavl     from a sound snapshot along the changelog and the handoffs; entries that lead astray are replaced
//! rows        proposed by a flipped bit, by memiavl's history, by the records; taken where the kept states prove them
//! records     states and counts from the rows, the last block's record from both stores' roots
//! history     records of earlier blocks that are damaged are given up: a rollback then leads less far
//! ```
//! INVARIANT: nothing is guessed. What is put in place leads to the roots and the app hash that were stored with the last
//! block, and a whole verification of it is clean; anything else leaves the home as it was.

mod anchor;
mod apply;
mod candidates;
mod diagnose;
mod flatkv;
mod memiavl;
mod plan;
mod rows;
mod trail;

use std::ops::ControlFlow;
use std::path::Path;

use ::memiavl::LockState;
use changeset::AppHash;

use crate::error::Error;
use crate::home::Home;
use crate::verify::VerifyProgress;

pub(crate) use anchor::Records;
pub use apply::{Confirmed, ReconcileHook, ReconcilePoint, Reconciled};
pub use plan::{Diagnosed, ReconcilePlan, Refusal, Repair, RepairKind};
pub(crate) use rows::Proposed;

/// How to reconcile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReconcileRequest {
    /// Threads that read.
    pub threads: usize,
    /// As [`VerifyRequest::candidates_max`](crate::VerifyRequest::candidates_max).
    pub candidates_max: u64,
    /// The app hash that the chain has for the home's last block, where the operator knows it: the home must have the same.
    pub app_hash: Option<AppHash>,
}

/// Finds out what is wrong with the home at `root` and what would mend it. Nothing below it is written; a running node is
/// refused. `progress` stops it by breaking.
///
/// # Errors
/// No node there, one that is running, I/O, a stop. What cannot be mended is part of the plan.
pub fn plan_reconcile(
    root: &Path,
    modules: &[String],
    request: &ReconcileRequest,
    progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
) -> Result<ReconcilePlan, Error> {
    crate::registry::check(root)?;
    let home = Home::locate(root);
    home.check_present()?;
    if let LockState::Held(holder) = home.writer()? {
        let path = home.next().with_file_name("ferry.lock");
        return Err(::memiavl::Error::Locked { path, holder }.into());
    }
    let unfinished = |what| Error::ReconcileUnfinished { home: root.to_owned(), what };
    if home.switch().exists() {
        return Err(unfinished("replacement of stores"));
    }
    Ok(diagnose::diagnose(&home, modules, request, progress)?.plan)
}

/// Mends the home at `root` as the plan says that `confirm` names; the node must be stopped. It has happened when the call
/// returns; a crash leaves the home as it was, or mended.
///
/// # Errors
/// Another plan than the confirmed one, anything that cannot be mended, stores that are not in order when they are mended,
/// a home that is in use, I/O, a stop. Nothing is changed then.
pub fn reconcile(
    root: &Path,
    modules: &[String],
    request: &ReconcileRequest,
    confirm: &Confirmed<'_>,
    progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
) -> Result<Reconciled, Error> {
    reconcile_with(root, modules, request, confirm, progress, &mut |_| {})
}

/// As [`reconcile`]; calls `hook` at each point: for rigs.
///
/// # Errors
/// As [`reconcile`].
pub fn reconcile_with(
    root: &Path,
    modules: &[String],
    request: &ReconcileRequest,
    confirm: &Confirmed<'_>,
    progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
    hook: ReconcileHook<'_>,
) -> Result<Reconciled, Error> {
    crate::registry::check(root)?;
    Home::locate(root).check_present()?;
    apply::apply(root, modules, request, confirm, progress, hook)
}
