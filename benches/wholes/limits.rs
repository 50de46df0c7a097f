//! What this machine can do at most of what a migration must do.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use lthash::RowSum;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rocksdb::{BlockBasedOptions, Cache, DB, DBCompressionType, Options, WriteBatch, WriteOptions};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{on_all_cores, threads};

const ROWS: u64 = 200_000;
const BATCHES: usize = 40;
/// A storage row: physical key and row.
const KEY_BYTES: usize = 57;
const ROW_BYTES: usize = 41;
/// A row's part of the handoff and of the undo record.
const RECORD_BYTES: usize = 60;
/// All rows fit.
const READ_CACHE_BYTES: usize = 256 << 20;

/// Measures all limits; the database is made below `scratch`.
pub(crate) fn measure(scratch: &Path) -> Result<Value> {
    let lthash = rate(|seed| {
        let (mut state, mut key) = (RowSum::default(), [7; KEY_BYTES]);
        for number in 0..ROWS {
            key[20..28].copy_from_slice(&(number ^ seed << 40).to_be_bytes());
            state.add(&key, &[9; ROW_BYTES]);
        }
        std::hint::black_box(state.finish().root());
        Ok(())
    })?;
    let sha256 = rate(|seed| {
        for number in 0..ROWS {
            let mut hasher = Sha256::new();
            hasher.update([1; 60]);
            hasher.update((number ^ seed).to_be_bytes());
            std::hint::black_box(hasher.finalize());
        }
        Ok(())
    })?;
    let batches = [1_500_usize, 10_500].map(|rows| synced_batch(scratch, rows));
    let [small, large] = batches;
    let reads = point_reads(scratch)?;
    Ok(json!([
        { "limit": "LtHash of a storage row", "per_second": lthash },
        { "limit": "SHA-256 of a leaf", "per_second": sha256 },
        { "limit": "RocksDB point read out of its cache", "per_second": reads },
        { "limit": "synced batch with its records, 1 500 rows", "ms": small? },
        { "limit": "synced batch with its records, 10 500 rows", "ms": large? },
    ]))
}

/// How many a second all cores do together of what `work` does [`ROWS`] times on each.
fn rate(work: impl Fn(u64) -> Result<()> + Sync) -> Result<f64> {
    let began = Instant::now();
    on_all_cores(work)?;
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

/// Reads of rows that lie in RocksDB's block cache, uniform, on all cores; how many a second.
fn point_reads(scratch: &Path) -> Result<f64> {
    let dir = scratch.join("limit");
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_compression_type(DBCompressionType::Lz4);
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&Cache::new_lru_cache(READ_CACHE_BYTES));
    table.set_bloom_filter(10.0, false);
    options.set_block_based_table_factory(&table);
    DB::destroy(&options, &dir)?;
    let db = DB::open(&options, &dir)?;
    let key = |number: u64| {
        let mut key = [7; KEY_BYTES];
        key[20..28].copy_from_slice(&number.to_be_bytes());
        key
    };
    for number in 0..ROWS {
        db.put(key(number), [9; ROW_BYTES])?;
    }
    db.flush()?;
    db.compact_range::<&[u8], &[u8]>(None, None);
    let read = |seed: u64| {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for _ in 0..ROWS {
            let row = db.get_pinned(key(random.random_range(0..ROWS)))?;
            row.context("a row of the limit is gone")?;
        }
        Ok(())
    };
    // The first pass fills the cache.
    rate(read)?;
    let reads = rate(read)?;
    drop(db);
    DB::destroy(&options, &dir)?;
    Ok(reads)
}
