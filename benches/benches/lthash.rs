//! Rows per second of the lattice hash, for the row sizes that a chain has.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lthash::LtHash;

/// Physical key and row bytes: a storage row, an account without code, a small contract.
const ROWS: [(&str, usize, usize); 3] = [("storage", 57, 41), ("account", 25, 49), ("code_6kib", 25, 6153)];

fn rows(c: &mut Criterion) {
    let mut group = c.benchmark_group("lthash_rows");
    group.throughput(Throughput::Elements(1));
    for (name, key_bytes, row_bytes) in ROWS {
        let (mut key, row) = (vec![7; key_bytes], vec![9; row_bytes]);
        let (mut state, mut count) = (LtHash::new(), 0_u64);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                count += 1;
                key[5..13].copy_from_slice(&count.to_le_bytes());
                state.add(black_box(&key), black_box(&row));
            });
        });
        black_box(&state);
    }
    group.finish();
}

fn states(c: &mut Criterion) {
    let mut group = c.benchmark_group("lthash_states");
    let mut state = LtHash::new();
    state.add(b"key", b"row");
    let other = state.clone();
    group.bench_function("merge", |bencher| bencher.iter(|| state.merge(black_box(&other))));
    group.bench_function("root", |bencher| bencher.iter(|| black_box(&other).root()));
    group.finish();
}

criterion_group!(benches, rows, states);
criterion_main!(benches);
