//! The walk over a mapped tree's leaves in key order: the first time, when each is compared with its hash as in a migration;
//! again, when the snapshot knows them for right; and as they are, without the tree above them.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;

use benches::fixture;
use changeset::{OldLog, OldStore, Walk};
use criterion::{Criterion, Throughput};
use memiavl::{MemIavl, Options};

use crate::timed;

pub(crate) fn walk(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    fixture::tree(dir.path()).close().expect("a store that closes");
    let mut store = opened(dir.path());
    let mut group = c.benchmark_group("leaves");
    group.throughput(Throughput::Elements(fixture::SLOTS)).sample_size(20);
    group.bench_function("walk_first_time", |bencher| {
        let again = |store: &mut MemIavl, _| *store = opened(dir.path());
        bencher.iter_custom(|times| timed(times, &mut store, again, |store| visit(store)));
    });
    group.bench_function("walk_again", |bencher| bencher.iter(|| visit(&store)));
    let view = store.view();
    let (_, mapped) = view.mapped_trees().next().expect("a tree that is mapped");
    group.bench_function("plain", |bencher| {
        bencher.iter(|| {
            for leaf in mapped.leaves(0..mapped.leaf_count()) {
                let leaf = leaf.expect("a whole tree");
                black_box((leaf.key, leaf.value));
            }
        });
    });
    group.finish();
}

fn opened(dir: &Path) -> MemIavl {
    memiavl::open(dir, Options::read_only()).expect("a store").replay().expect("a whole store")
}

fn visit(store: &MemIavl) {
    let mut seen = 0;
    let visit = &mut |key: &[u8], value: &[u8]| {
        black_box((key, value));
        seen += 1;
        ControlFlow::Continue(())
    };
    store.walk("evm", None, visit).expect("a whole tree");
    assert_eq!(seen, fixture::SLOTS);
}
