//! What this machine can do at most of what a migration must do.

use std::path::Path;
use std::thread;
use std::time::Instant;

use anyhow::{Result, anyhow};
use lthash::LtHash;
use rocksdb::{DB, Options, WriteBatch, WriteOptions};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::threads;

const ROWS: u64 = 200_000;
const BATCHES: usize = 40;
/// A storage row: physical key and row.
const KEY_BYTES: usize = 57;
const ROW_BYTES: usize = 41;
/// A row's part of the handoff and of the undo record.
const RECORD_BYTES: usize = 60;

/// Measures all limits; the database is made below `scratch`.
pub(crate) fn measure(scratch: &Path) -> Result<Value> {
    let lthash = on_all_cores(|seed| {
        let (mut state, mut key) = (LtHash::new(), [7; KEY_BYTES]);
        for number in 0..ROWS {
            key[20..28].copy_from_slice(&(number ^ seed << 40).to_be_bytes());
            state.add(&key, &[9; ROW_BYTES]);
        }
        std::hint::black_box(state.root());
    })?;
    let sha256 = on_all_cores(|seed| {
        for number in 0..ROWS {
            let mut hasher = Sha256::new();
            hasher.update([1; 60]);
            hasher.update((number ^ seed).to_be_bytes());
            std::hint::black_box(hasher.finalize());
        }
    })?;
    let batches = [1_500_usize, 10_500].map(|rows| synced_batch(scratch, rows));
    let [small, large] = batches;
    Ok(json!({
        "lthash_rows_per_second": lthash, "leaf_hashes_per_second": sha256,
        "synced_batch_1500_ms": small?, "synced_batch_10500_ms": large?,
    }))
}

/// The figures in words.
pub(crate) fn table(limits: &Value) -> String {
    let number = |name: &str| limits[name].as_f64().unwrap_or_default();
    format!(
        "limits, {} threads: LtHash {:.0} rows/s, SHA-256 {:.0} leaves/s; a synced batch with its records: \
         1 500 rows {:.2} ms, 10 500 rows {:.2} ms",
        threads(),
        number("lthash_rows_per_second"),
        number("leaf_hashes_per_second"),
        number("synced_batch_1500_ms"),
        number("synced_batch_10500_ms"),
    )
}

fn on_all_cores(work: impl Fn(u64) + Sync) -> Result<f64> {
    let began = Instant::now();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads() as u64)
            .map(|number| {
                scope.spawn({
                    let work = &work;
                    move || work(number)
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| anyhow!("a worker panicked")))
    })?;
    Ok((ROWS * threads() as u64) as f64 / began.elapsed().as_secs_f64())
}

/// The median time of a synced batch of rows and the two records that go with them, in milliseconds.
fn synced_batch(scratch: &Path, rows: usize) -> Result<f64> {
    let dir = scratch.join("limit");
    let mut options = Options::default();
    options.create_if_missing(true);
    DB::destroy(&options, &dir)?;
    let db = DB::open(&options, &dir)?;
    let mut write = WriteOptions::default();
    write.set_sync(true);
    let mut times = Vec::new();
    let mut number = 0_u64;
    for _ in 0..BATCHES {
        let began = Instant::now();
        let mut batch = WriteBatch::default();
        let mut key = [7; KEY_BYTES];
        for _ in 0..rows {
            number += 1;
            key[20..28].copy_from_slice(&number.to_be_bytes());
            batch.put(key, [9; ROW_BYTES]);
        }
        batch.put(b"handoff", vec![1; rows * RECORD_BYTES]);
        batch.put(b"undo", vec![2; rows * RECORD_BYTES]);
        db.write_opt(batch, &write)?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    drop(db);
    DB::destroy(&options, &dir)?;
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
