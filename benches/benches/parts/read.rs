//! Point reads and scans of a view in the middle of a migration: keys still in memiavl, keys in FlatKV, keys in neither.

use std::hint::black_box;

use benches::fixture;
use bytes::Bytes;
use criterion::{Criterion, Throughput};
use ferry::{ScanOrder, ScanRange, View};

/// Pairs of a scan.
const SCANNED: usize = 1_000;
/// Reads walk through the keys by this step, which hits each once before any twice.
const STEP: usize = 7_919;

pub(crate) fn read(c: &mut Criterion) {
    let home = tempfile::tempdir().expect("a temporary directory");
    let node = fixture::half_migrated(home.path());
    let view = node.view().expect("a view");
    let cursor = view.cursor_of("evm").expect("evm is a module").into_owned();
    let (migrated, un_migrated): (Vec<Bytes>, Vec<Bytes>) =
        fixture::slots(1).into_iter().partition(|key| cursor.is_migrated("evm", key));
    let absent: Vec<Bytes> = fixture::slots(1).iter().map(|key| [&key[..52], &[!key[52]]].concat().into()).collect();
    let kinds = [("un_migrated", &un_migrated, true), ("migrated", &migrated, true), ("absent", &absent, false)];
    let mut group = c.benchmark_group("view_get");
    for (name, keys, is_present) in kinds {
        let mut at = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                at = (at + STEP) % keys.len();
                assert_eq!(view.get("evm", &keys[at]).expect("a read").is_some(), is_present);
            });
        });
    }
    group.bench_function("view_taken_and_let_go", |bencher| bencher.iter(|| drop(node.view().expect("a view"))));
    group.finish();
    let mut group = c.benchmark_group("view_scan");
    group.throughput(Throughput::Elements(SCANNED as u64));
    for (name, keys, _) in &kinds[..2] {
        group.bench_function(*name, |bencher| bencher.iter(|| scan(&view, &keys[keys.len() / 2])));
    }
    group.finish();
    drop(view);
    node.close().expect("a node that closes");
}

fn scan(view: &View, start: &Bytes) {
    let range = ScanRange { start: Some(start.clone()), end: None };
    let pairs = view.scan("evm", &range, ScanOrder::Ascending).expect("a scan");
    let mut seen = 0;
    for pair in pairs.take(SCANNED) {
        black_box(pair.expect("a pair"));
        seen += 1;
    }
    assert_eq!(seen, SCANNED);
}
