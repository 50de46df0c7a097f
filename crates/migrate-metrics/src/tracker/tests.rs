//! A migration as its tracker sees it, told block by block with made-up times.

use super::*;

fn report(height: u64, mode: Mode, version: u64, remaining: u64) -> BlockReport {
    BlockReport {
        height,
        version,
        mode,
        boundary_module: None,
        paused: false,
        remaining: vec![("evm".to_owned(), remaining)],
        moved_keys: 1000 - remaining,
        app_hash: [0; 32],
        commit_elapsed: Duration::from_millis(4),
    }
}

fn batch(keys: u64) -> FlushReport {
    let elapsed = Duration::from_millis(6);
    FlushReport { moved_keys: keys, advanced: true, elapsed, ..FlushReport::default() }
}

/// A tracker in the middle of the first migration, and its time.
fn moving() -> (Tracker, Instant) {
    let start = Instant::now();
    let mut tracker = Tracker::new(start);
    assert_eq!(tracker.progress(start).state, State::Starting);
    tracker.opened(&report(4, Mode::MigrateEvm, 0, 900), start);
    let now = start + Duration::from_secs(1);
    tracker.flush(&batch(100), now);
    tracker.block(&report(5, Mode::MigrateEvm, 0, 800), now);
    (tracker, now)
}

#[track_caller]
fn check(tracker: &Tracker, now: Instant, state: State, said: &str) {
    let progress = tracker.progress(now);
    assert_eq!(progress.state, state, "{}", progress.reason);
    assert!(progress.reason.contains(said), "{}", progress.reason);
    assert_eq!(progress.reason.is_empty(), state == State::Moving);
    assert_eq!(progress.eta_seconds.is_some(), state.moves());
}

#[test]
fn figures_are_exact_from_the_opening_on() {
    let start = Instant::now();
    let mut tracker = Tracker::new(start);
    tracker.opened(&report(4, Mode::MigrateEvm, 0, 900), start);
    let progress = tracker.progress(start);
    assert_eq!((progress.height, progress.moved_keys, progress.remaining_keys), (4, 100, 900));
    assert_eq!((progress.blocks, progress.keys_per_second, progress.eta_seconds), (0, 0.0, None));
}

#[test]
fn rate_and_eta_follow_from_what_moved() {
    let (tracker, now) = moving();
    check(&tracker, now, State::Moving, "");
    let progress = tracker.progress(now);
    assert_eq!((progress.keys_per_second, progress.eta_seconds), (100.0, Some(8.0)));
    assert_eq!(progress.block_ms, [10.0]);
}

#[test]
fn a_goal_behind_several_migrations_counts_all_of_their_keys() {
    let (mut tracker, now) = moving();
    tracker.set_goal(Some((Mode::FlatkvOnly, 5000)));
    assert_eq!(tracker.progress(now).eta_seconds, Some(50.0));
    tracker.block(&report(6, Mode::EvmMigrated, 1, 0), now);
    assert_eq!(tracker.progress(now).state, State::Moving, "whoever has a goal takes the step");
    tracker.set_goal(Some((Mode::EvmMigrated, 0)));
    check(&tracker, now, State::Done, "version 1");
}

#[test]
fn the_rate_is_of_the_last_minute_and_its_memory_is_bounded() {
    let (mut tracker, start) = moving();
    for tick in 1..100_000_u32 {
        let now = start + Duration::from_millis(10) * tick;
        tracker.flush(&batch(if tick < 90_000 { 1 } else { 3 }), now);
        tracker.block(&report(5, Mode::MigrateEvm, 0, 800), now);
    }
    let rate = tracker.progress(start + Duration::from_secs(1000)).keys_per_second;
    assert!((299.0..301.0).contains(&rate), "{rate}");
    assert!(tracker.window.len() <= 242, "{}", tracker.window.len());
    assert_eq!(tracker.progress(start).block_ms.len(), BLOCK_TIMES);
}

#[test]
fn blocks_further_apart_than_the_window_have_a_rate_too() {
    let (mut tracker, mut now) = moving();
    tracker.hold(Some(Hold::Pace { interval: Duration::from_secs(200) }), now);
    for _ in 0..5 {
        now += Duration::from_secs(200);
        tracker.flush(&batch(100), now);
        tracker.block(&report(5, Mode::MigrateEvm, 0, 800), now);
    }
    check(&tracker, now, State::Throttled, "every 200.0 s");
    assert_eq!(tracker.progress(now).keys_per_second, 0.5);
}

#[test]
fn a_pause_is_no_stall_and_does_not_lower_the_rate_that_follows() {
    let (mut tracker, now) = moving();
    tracker.hold(Some(Hold::Paused), now);
    let later = now + STALL_AFTER * 10;
    check(&tracker, later, State::Paused, "resume");
    tracker.hold(None, later);
    check_moves_on(&mut tracker, later);

    let (mut tracker, now) = moving();
    tracker.block(&BlockReport { paused: true, ..report(6, Mode::MigrateEvm, 0, 800) }, now);
    let later = now + STALL_AFTER * 10;
    check(&tracker, later, State::Paused, "batch size is 0");
    tracker.block(&report(7, Mode::MigrateEvm, 0, 800), later);
    assert_eq!(tracker.progress(later).state, State::Moving);
}

fn check_moves_on(tracker: &mut Tracker, now: Instant) {
    assert_eq!(tracker.progress(now).state, State::Moving);
    let now = now + Duration::from_secs(1);
    tracker.flush(&batch(100), now);
    tracker.block(&report(6, Mode::MigrateEvm, 0, 700), now);
    assert_eq!(tracker.progress(now).keys_per_second, 100.0);
}

#[test]
fn a_cursor_that_nobody_holds_stalls_and_one_that_is_throttled_does_not() {
    let (mut tracker, now) = moving();
    let later = now + STALL_AFTER;
    check(&tracker, later, State::Stalled, "60 s");
    tracker.hold(Some(Hold::Pace { interval: STALL_AFTER * 2 }), later);
    check(&tracker, later + STALL_AFTER, State::Throttled, "every 120.0 s");
}

#[test]
fn nothing_left_in_a_mode_waits_for_the_next_step() {
    let (mut tracker, now) = moving();
    tracker.block(&report(6, Mode::MigrateEvm, 1, 0), now);
    let later = now + STALL_AFTER * 10;
    check(&tracker, later, State::WaitingForModeStep, "migrate_all_but_bank");
    tracker.block(&report(7, Mode::EvmMigrated, 1, 0), later);
    check(&tracker, later, State::WaitingForModeStep, "migrate_all_but_bank");
    tracker.block(&report(8, Mode::MigrateBank, 3, 0), later);
    check(&tracker, later, State::Done, "version 3");
}

#[test]
fn a_failure_stays_until_a_block_and_a_poisoned_node_until_it_is_opened() {
    let (mut tracker, now) = moving();
    for harmless in [ErrorKind::Input, ErrorKind::Retry, ErrorKind::Cancelled] {
        tracker.failed(harmless);
        assert_eq!(tracker.progress(now).state, State::Moving);
    }
    tracker.failed(ErrorKind::Io);
    check(&tracker, now, State::Failed, "kind=io");
    tracker.block(&report(6, Mode::MigrateEvm, 0, 700), now);
    check(&tracker, now, State::Moving, "");
    tracker.poisoned();
    tracker.hold(Some(Hold::Paused), now);
    check(&tracker, now, State::Failed, "poisoned");
    tracker.opened(&report(6, Mode::MigrateEvm, 0, 700), now);
    tracker.hold(None, now);
    assert_eq!(tracker.progress(now).state, State::Moving);
}
