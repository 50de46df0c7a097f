//! memiavl's tree: new values, removals, hashes, of 1 000 of 100 000 leaves that are mapped.

use std::hint::black_box;

use benches::fixture;
use bytes::Bytes;
use changeset::{NamedChangeSet, OldStore, Write};
use criterion::{Criterion, Throughput};
use memiavl::MemIavl;

use crate::timed;

const CHANGED: usize = 1_000;

pub(crate) fn tree(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut store = fixture::tree(dir.path());
    let spread: Vec<Bytes> = fixture::slots(100);
    let run: Vec<Bytes> = fixture::slots(1).into_iter().take(CHANGED).collect();
    assert_eq!(spread.len(), CHANGED);
    let cases = [
        ("set_spread", fixture::sets(&spread, 1)),
        ("remove_spread", fixture::removals(&spread)),
        ("remove_run", fixture::removals(&run)),
    ];
    let mut group = c.benchmark_group("memiavl_tree");
    group.throughput(Throughput::Elements(CHANGED as u64));
    for (name, changes) in cases {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                timed(times, &mut store, |store, _| store.discard(), |store| apply(store, &changes))
            });
        });
        store.discard();
        group.bench_function(format!("hash_behind_{name}"), |bencher| {
            bencher.iter_custom(|times| {
                let again = |store: &mut MemIavl, _| {
                    store.discard();
                    apply(store, &changes);
                };
                timed(times, &mut store, again, |store| black_box(store.working_roots().expect("roots")))
            });
        });
        store.discard();
    }
    group.finish();
}

fn apply(store: &mut MemIavl, changes: &NamedChangeSet) {
    store.apply(std::slice::from_ref(changes)).expect("changes that fit");
}
