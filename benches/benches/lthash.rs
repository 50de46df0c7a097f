//! Rows per second of the lattice hash, for the row sizes that a chain has.

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lthash::{LtHash, RowSum};

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
    // Many rows, whose first blocks are compressed together.
    let (mut key, row, mut count) = (vec![7; 57], vec![9; 41], 0_u64);
    group.bench_function("storage_of_many", |bencher| {
        bencher.iter_custom(|times| {
            let began = Instant::now();
            let mut sum = RowSum::default();
            for _ in 0..times {
                count += 1;
                key[5..13].copy_from_slice(&count.to_le_bytes());
                sum.add(black_box(&key), black_box(&row));
            }
            black_box(sum.finish());
            began.elapsed()
        });
    });
    group.finish();
}

/// The same through the BLAKE3 library's own output and a plain sum: what the kernels are measured against.
fn library(c: &mut Criterion) {
    let mut group = c.benchmark_group("lthash_library");
    group.throughput(Throughput::Elements(1));
    let (mut limbs, mut count) = ([0_u16; 1024], 0_u64);
    group.bench_function("storage", |bencher| {
        bencher.iter(|| {
            count += 1;
            let mut hasher = blake3::Hasher::new();
            hasher.update(black_box(&[7; 98])).update(&count.to_le_bytes());
            let mut bytes = [0; 2048];
            hasher.finalize_xof().fill(&mut bytes);
            for (limb, pair) in limbs.iter_mut().zip(bytes.as_chunks::<2>().0) {
                *limb = limb.wrapping_add(u16::from_le_bytes(*pair));
            }
        });
    });
    black_box(&limbs);
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

criterion_group!(benches, rows, library, states);
criterion_main!(benches);
