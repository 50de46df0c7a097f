//! FlatKV's rows: from values to bytes and back, and where a key lies.

use std::hint::black_box;

use benches::fixture;
use criterion::Criterion;
use flatkv::{AccountRow, CodeRow, MiscRow, StorageRow, locate};

const HEIGHT: u64 = 1_234_567;
/// A small contract's code.
const CODE_BYTES: usize = 3_000;

pub(crate) fn rows(c: &mut Criterion) {
    let account = AccountRow { height: HEIGHT, balance: [0; 32], nonce: 7, code_hash: [5; 32] };
    let storage = StorageRow { height: HEIGHT, value: [9; 32] };
    let code = CodeRow { height: HEIGHT, code: &[0x60; CODE_BYTES] };
    let misc = MiscRow { height: HEIGHT, value: &[3; 20] };
    let mut group = c.benchmark_group("flatkv_encode");
    group.bench_function("account", |bencher| bencher.iter(|| black_box(&account).encode()));
    group.bench_function("storage", |bencher| bencher.iter(|| black_box(&storage).encode()));
    group.bench_function("code_3000_bytes", |bencher| bencher.iter(|| black_box(&code).encode()));
    group.bench_function("misc", |bencher| bencher.iter(|| black_box(&misc).encode()));
    group.finish();
    let (account, storage, code, misc) = (account.encode(), storage.encode(), code.encode(), misc.encode());
    let mut group = c.benchmark_group("flatkv_decode");
    group.bench_function("account", |bencher| bencher.iter(|| AccountRow::decode(black_box(&account)).expect("a row")));
    group.bench_function("storage", |bencher| bencher.iter(|| StorageRow::decode(black_box(&storage)).expect("a row")));
    group.bench_function("code_3000_bytes", |bencher| {
        bencher.iter(|| {
            CodeRow::decode(black_box(&code)).expect("a row");
        });
    });
    group.bench_function("misc", |bencher| {
        bencher.iter(|| {
            MiscRow::decode(black_box(&misc)).expect("a row");
        });
    });
    group.finish();
    let (key, mut physical) = (fixture::slot(7, fixture::SLOTS), Vec::new());
    c.bench_function("flatkv_locate", |bencher| {
        bencher.iter(|| locate("evm", black_box(&key), &mut physical).expect("a key with a place"));
    });
}
