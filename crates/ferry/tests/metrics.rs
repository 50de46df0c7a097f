//! A node watched by the metrics of a whole migration: what a scrape says is what happened.

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{changes, options, set, slot_key};
use ferry::{Metrics, Mode, NamedChangeSet, Node, Options, views_source};

/// The value of a series in a scrape.
fn value(scrape: &str, series: &str) -> f64 {
    let line = scrape.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
    let line = line.unwrap_or_else(|| panic!("no series {series} in\n{scrape}"));
    line.rsplit(' ').next().expect("a value").parse().expect("a number")
}

#[test]
fn scrape_tells_what_a_migration_did() {
    let home = tempfile::tempdir().expect("a directory");
    let metrics = Arc::new(Metrics::new());
    let mut node = Node::open(home.path(), Options { observer: metrics.clone(), ..options(2) }).expect("a fresh node");
    let slots = (1..6).map(|slot| set(&slot_key(1, slot), &[slot; 32])).collect();
    node.apply(changes("evm", slots)).expect("a flush");
    node.commit().expect("a commit");
    node.set_mode(Mode::MigrateEvm).expect("a step");
    node.apply(changes("evm", vec![set(&slot_key(1, 5), &[9; 32]), set(b"new", b"v")])).expect("a flush");
    node.commit().expect("a commit");

    let scrape = metrics.encode();
    assert_eq!(value(&scrape, "ferry_moved_keys_total"), 2.0);
    assert_eq!(value(&scrape, "ferry_moved_key_bytes_total"), 2.0 * 53.0);
    assert_eq!(value(&scrape, "ferry_moved_value_bytes_total"), 2.0 * 32.0);
    assert_eq!(value(&scrape, r#"ferry_remaining_keys{module="evm"}"#), 3.0);
    assert_eq!(value(&scrape, r#"ferry_boundary_module{module="evm"}"#), 1.0);
    assert_eq!(value(&scrape, r#"ferry_routed_pairs_total{store="flatkv"}"#), 1.0);
    assert_eq!(value(&scrape, "ferry_block_height"), 2.0);
    assert_eq!(value(&scrape, "ferry_poisoned"), 0.0);

    node.apply(vec![NamedChangeSet::new("migration", vec![])]).expect_err("reserved");
    assert_eq!(value(&metrics.encode(), r#"ferry_errors_total{kind="input"}"#), 1.0);
}

#[test]
fn scrape_tells_how_many_views_are_open_and_how_old_the_oldest_is() {
    let home = tempfile::tempdir().expect("a directory");
    let metrics = Metrics::new();
    let node = Node::open(home.path(), options(2)).expect("a fresh node");
    let sampled = || {
        // Sampled once at the start, and then not until the end of this test.
        metrics.start_sampling(Duration::from_secs(3600), views_source(&node.views())).expect("a sampler");
        metrics.close();
        let scrape = metrics.encode();
        (value(&scrape, "ferry_views_open"), value(&scrape, "ferry_oldest_view_age_seconds"))
    };
    assert_eq!(sampled(), (0.0, 0.0));
    let began = Instant::now();
    let first = node.view().expect("a view");
    let taken = Instant::now();
    std::thread::sleep(Duration::from_millis(60));
    let second = node.view().expect("a view");
    std::thread::sleep(Duration::from_millis(30));

    let held = taken.elapsed();
    let (open, age) = sampled();
    assert_eq!(open, 2.0);
    // The table of views counts in microseconds, so an age may be one short.
    let at_least = |held: Duration| held.as_secs_f64() - 2e-6;
    assert!(at_least(held) <= age && age <= began.elapsed().as_secs_f64(), "the first one's: {age} of {held:?}");
    drop(first);
    let (open, age) = sampled();
    assert_eq!(open, 1.0);
    assert!(
        at_least(Duration::from_millis(30)) <= age && age < taken.elapsed().as_secs_f64() - 0.06,
        "the second one's: {age}"
    );
    drop(second);
    assert_eq!(sampled(), (0.0, 0.0));
}
