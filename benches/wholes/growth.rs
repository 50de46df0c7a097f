//! What a key costs in a whole live migration of evm, in homes of different sizes.
//!
//! The clock stops when RocksDB has written out its memtables and compacted all that is to be compacted: otherwise a large
//! home would leave behind work that a small one does not have.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ferry::Options;
use serde_json::{Value, json};

use crate::Arguments;
use crate::home::Homes;
use crate::life::{Life, Plan};
use crate::measure::{CpuTime, Times};
use crate::memory::Peak;

/// The migration in one home.
pub(crate) fn run(homes: &Homes, arguments: &Arguments) -> Result<Value> {
    let mut life = Life::open(homes.copy()?, homes.size, Plan::usual(arguments.seed))?;
    let keys: u64 = life.node.view()?.remaining()?.iter().map(|(_, keys)| keys).sum();
    let peak = Peak::watch();
    let (cpu, mut times) = (CpuTime::now()?, Times::default());
    let moved = life.migrate("growth", |block| times.add(block.committed))?;
    let draining = Instant::now();
    life.node.flatkv().context("FlatKV is not there behind a migration")?.drain()?;
    let drained = draining.elapsed();
    let (cpu, anonymous) = (CpuTime::now()?.since(cpu), peak.end()?);
    let lists = life.list_bytes();
    life.node.close()?;
    let options = Options::default();
    let caches = (options.block_cache_bytes + options.row_cache_bytes + options.memtable_bytes) as u64;
    let per_key = |time: Duration| time.as_secs_f64() * 1e6 / moved as f64;
    let own = anonymous.saturating_sub(lists);
    Ok(json!([{
        "home_keys": keys, "keys": moved, "blocks": times.len(), "block": times.report(),
        "wall_us_per_key": per_key(times.sum() + drained), "cpu_us_per_key": per_key(cpu.all),
        "drain_seconds": drained.as_secs_f64(), "rss_anon_bytes_max": own, "caches_bytes": caches,
        "beyond_caches_bytes": own as f64 - caches as f64,
    }]))
}
