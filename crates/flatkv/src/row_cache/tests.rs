//! What the cache answers, to whom, and what it takes in.

use std::sync::Arc;

use super::*;
use crate::block::Pending;

const KEY: &[u8] = b"evm/\x03slot";

fn row(height: u64) -> Row {
    let bytes = [&[0], height.to_be_bytes().as_slice(), &[7; 32]].concat();
    Arc::from(bytes.as_slice())
}

fn cache(version: u64) -> RowCache {
    RowCache::new(1 << 20, Some(version)).expect("it may hold rows")
}

fn written(now: Option<Row>) -> Overlay {
    let mut overlay = Overlay::default();
    overlay[Lane::Storage].insert(Arc::from(KEY), Pending { committed: None, now });
    overlay
}

#[test]
fn a_row_answers_views_from_its_height_on() {
    let cache = cache(9);
    cache.keep(9, Lane::Storage, KEY, Some(row(5)));
    let found = |version| cache.get(version, Lane::Storage, KEY);
    assert_eq!([4, 5, 9, 10].map(|version| found(version).is_some()), [false, true, true, true]);
    assert!(cache.get(9, Lane::Misc, KEY).is_none(), "another lane");
}

#[test]
fn an_absence_answers_from_the_version_that_read_it() {
    let cache = cache(9);
    cache.keep(9, Lane::Storage, KEY, None);
    assert_eq!(cache.get(9, Lane::Storage, KEY), Some(None));
    assert_eq!(cache.get(8, Lane::Storage, KEY), None);
}

#[test]
fn an_older_view_puts_nothing_in() {
    let cache = cache(9);
    cache.keep(8, Lane::Storage, KEY, Some(row(5)));
    assert!(cache.get(9, Lane::Storage, KEY).is_none());
    cache.commit(10, &Overlay::default());
    cache.keep(9, Lane::Storage, KEY, Some(row(5)));
    assert!(cache.get(10, Lane::Storage, KEY).is_none());
}

#[test]
fn a_commit_replaces_what_is_known_and_leaves_the_rest_out() {
    let cache = cache(9);
    cache.commit(10, &written(Some(row(10))));
    assert!(cache.get(10, Lane::Storage, KEY).is_none(), "nobody has asked for it");
    cache.keep(10, Lane::Storage, KEY, Some(row(10)));
    cache.commit(11, &written(None));
    assert_eq!(cache.get(11, Lane::Storage, KEY), Some(None), "deleted");
    assert_eq!(cache.get(10, Lane::Storage, KEY), None, "an older view asks RocksDB");
    cache.commit(12, &written(Some(row(12))));
    assert_eq!(cache.get(12, Lane::Storage, KEY), Some(Some(row(12))));
}

#[test]
fn the_bytes_stay_within_the_capacity() {
    let cache = RowCache::new(1 << 20, Some(9)).expect("it may hold rows");
    for number in 0..50_000_u32 {
        cache.keep(9, Lane::Storage, &number.to_be_bytes(), Some(row(9)));
    }
    assert!(cache.rows.weight() <= 1 << 20, "{}", cache.rows.weight());
    assert!(cache.rows.len() > 1_000, "{}", cache.rows.len());
    let huge: Row = Arc::from(vec![0; ROW_BYTES_MAX + 1]);
    cache.keep(9, Lane::Code, KEY, Some(huge));
    assert!(cache.get(9, Lane::Code, KEY).is_none());
}

#[test]
fn nothing_is_kept_where_nothing_may_be() {
    assert!(RowCache::new(0, Some(9)).is_none());
}
