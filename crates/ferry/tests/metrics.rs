//! A node watched by the metrics of a whole migration: what a scrape says is what happened.

mod common;

use std::sync::Arc;
use std::time::Duration;

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

    let view = node.view().expect("a view");
    metrics.start_sampling(Duration::from_millis(1), views_source(&node.views())).expect("a sampler");
    metrics.close();
    assert_eq!(value(&metrics.encode(), "ferry_views_open"), 1.0);
    drop(view);
}
