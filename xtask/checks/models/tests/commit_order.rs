//! The commit order holds in every state that the bounds allow, and each planted fault is found.

use ferry_models::commit_order::{Commit, Fault};
use stateright::{Checker, HasDiscoveries, Model};

/// Runs to the end within the bounds, and says how much that was.
fn holds(model: Commit) {
    let bounds = format!("{model:?}");
    let checker = model.checker().threads(2).spawn_bfs().join();
    println!("{bounds}: states={} depth={}", checker.unique_state_count(), checker.max_depth());
    checker.assert_properties();
    assert!(checker.unique_state_count() > 10_000, "the bounds leave hardly anything to check");
}

#[test]
fn two_crashes_on_the_way_through_a_migration_lose_nothing() {
    holds(Commit { blocks: 3, crashes: 2, pauses: 1, ..Commit::default() });
}

#[test]
fn memiavl_may_rest_when_the_crash_comes() {
    holds(Commit { blocks: 4, crashes: 2, ..Commit::default() });
}

#[test]
fn two_crashes_around_a_rollback_lose_nothing() {
    holds(Commit { blocks: 3, crashes: 2, pauses: 1, rollbacks: 1, ..Commit::default() });
}

/// The checker must find the property violated.
fn found(fault: Fault, rollbacks: u8, property: &'static str) {
    let model = Commit { fault, blocks: 3, crashes: 2, pauses: 0, rollbacks };
    let enough = HasDiscoveries::AnyOf([property].into());
    let checker = model.checker().threads(2).finish_when(enough).spawn_bfs().join();
    let path = checker.discovery(property).unwrap_or_else(|| panic!("{fault:?} goes unnoticed by: {property}"));
    println!("{fault:?}, {property}: {:?}", path.into_actions());
}

#[test]
fn a_swapped_order_is_found() {
    // The changelog has deleted what FlatKV never got: the lost batch of the field.
    found(Fault::SwappedOrder, 0, "what is readable is the logical map");
    found(Fault::SwappedOrder, 0, "no crash leads to a refusal");
}

#[test]
fn an_unsynced_batch_is_found() {
    found(Fault::UnsyncedBatch, 0, "an acknowledged block survives");
    found(Fault::UnsyncedBatch, 0, "no crash leads to a refusal");
}

#[test]
fn handoffs_dropped_before_their_sync_are_found() {
    found(Fault::HandoffsDroppedEarly, 0, "no crash leads to a refusal");
    found(Fault::HandoffsDroppedEarly, 0, "what is not synced has a handoff");
}

#[test]
fn an_opening_that_trusts_the_page_cache_is_found() {
    found(Fault::OpeningTrustsThePageCache, 0, "no crash leads to a refusal");
}

#[test]
fn a_rollback_without_a_note_is_found() {
    found(Fault::RollbackWithoutNote, 1, "no block comes of nothing");
}
