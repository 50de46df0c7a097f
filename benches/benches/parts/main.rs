//! The parts of a node one by one: trees, the walk over leaves, rows, the commit of a block, reads and scans.
//!
//! One program, so that RocksDB is linked once.

mod commit;
mod read;
mod rows;
mod tree;
mod walk;

use std::time::{Duration, Instant};

use criterion::{criterion_group, criterion_main};

/// The time of `work`, `times` times, each after `before`, which is not counted.
fn timed<S, T>(
    times: u64,
    state: &mut S,
    mut before: impl FnMut(&mut S, u64),
    mut work: impl FnMut(&mut S) -> T,
) -> Duration {
    let mut total = Duration::ZERO;
    for round in 0..times {
        before(state, round);
        let began = Instant::now();
        let done = work(state);
        total += began.elapsed();
        drop(done);
    }
    total
}

criterion_group!(benches, tree::tree, walk::walk, rows::rows, commit::commit, read::read);
criterion_main!(benches);
