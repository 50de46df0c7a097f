//! A block of 1 500 writes spread over both stores of a half-migrated node: worked out, hashed, and committed with its sync.

use benches::fixture;
use bytes::Bytes;
use criterion::{Criterion, Throughput};
use ferry::Node;

use crate::timed;

const WRITES: usize = 1_500;

pub(crate) fn commit(c: &mut Criterion) {
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut node = fixture::half_migrated(home.path());
    let step = usize::try_from(fixture::SLOTS).expect("a small number") / WRITES;
    let keys: Vec<Bytes> = fixture::slots(step).into_iter().take(WRITES).collect();
    let mut block = 0;
    let mut changes = || {
        block += 1;
        vec![fixture::sets(&keys, block)]
    };
    let mut group = c.benchmark_group("block_of_1500_writes");
    group.throughput(Throughput::Elements(WRITES as u64)).sample_size(30);
    group.bench_function("apply", |bencher| {
        bencher.iter_custom(|times| {
            let mut state = (&mut node, Vec::new());
            let before = |(node, sets): &mut (&mut Node, Vec<_>), _| {
                node.discard().expect("a block in work");
                *sets = changes();
            };
            timed(times, &mut state, before, |(node, sets)| node.apply(std::mem::take(sets)).expect("a flush"))
        });
    });
    node.discard().expect("a block in work");
    group.bench_function("hash", |bencher| {
        bencher.iter_custom(|times| {
            let before = |node: &mut Node, _| {
                node.discard().expect("a block in work");
                node.apply(changes()).expect("a flush");
            };
            timed(times, &mut node, before, |node| node.working_commit_info().expect("a commit info"))
        });
    });
    node.discard().expect("a block in work");
    group.bench_function("commit", |bencher| {
        bencher.iter_custom(|times| {
            let before = |node: &mut Node, _| {
                node.apply(changes()).expect("a flush");
                node.working_commit_info().expect("a commit info");
            };
            timed(times, &mut node, before, |node| node.commit().expect("a commit"))
        });
    });
    group.finish();
    node.close().expect("a node that closes");
}
