//! Models of ferry's protocol: the order of the commit under a model checker, and the threads around it under a
//! scheduler that tries their interleavings.
//!
//! **It is not** a proof about the files: what a write, a sync and a rename do to them, the crash points' rig enumerates.
//!
//! Good starting points:
//! - [`commit_order`]: two stores, a changelog and a crash at any moment, as a state machine.
//! - [`publish`]: the shipped source of publishing views, its locks and atomics replaced by the scheduler's.
//! - [`row_cache`]: the shipped source of the hot rows, likewise.
//! - [`syncer`]: the shipped source of the changelog's background sync, likewise.
//!
//! Invariants: what is modelled is written from the design; what is scheduled is the shipped source itself.

pub mod commit_order;
#[cfg(test)]
mod parking_lot;
pub mod publish;
pub mod row_cache;
pub mod syncer;

/// Schedules that are tried of each kind.
#[cfg(test)]
const SCHEDULES: usize = 5_000;

/// Tries random schedules, and such with few but decisive switches. A failure prints the schedule that replays it.
#[cfg(test)]
fn explore(run: fn()) {
    shuttle::check_random(run, SCHEDULES);
    shuttle::check_pct(run, SCHEDULES, 3);
}

/// A planted fault: some schedule must end in a panic that says `said`.
#[cfg(test)]
fn found(said: &str, run: fn()) {
    let panic = std::panic::catch_unwind(|| explore(run)).expect_err("the planted fault goes unnoticed");
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default();
    assert!(text.contains(said), "expected {said:?} in {text:?}");
}
