//! Blocks of the first migration with a caller's writes, and readers beside them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use ferry::{KvPair, NamedChangeSet, Node};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::Arguments;
use crate::home::{self, Homes};
use crate::measure::{CpuTime, Times};

/// The heading over the lines of [`line`].
pub(crate) const HEADER: &str = "live: batch, writes, readers | keys/s | block p50, p99, max ms | apply, root, commit p50 ms | CPU ms of a block: its thread, all | reads/s, p50, p99.9 us | reopen ms | anon MiB";

/// One run.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) batch: u64,
    pub(crate) writes: usize,
    pub(crate) readers: usize,
}

/// Runs blocks until the migration is over or there were enough of them.
pub(crate) fn run(homes: &Homes, arguments: &Arguments, plan: Plan) -> Result<Value> {
    let home = homes.copy()?;
    let mut node = home::open(home, plan.batch)?;
    let written = [("bank", home::keys(&node, "bank", &[], 4)?), ("evm", home::keys(&node, "evm", &[0x03], 8)?)];
    let mut random = ChaCha8Rng::seed_from_u64(arguments.seed);
    // FlatKV is founded here, which is no block like others.
    block(&mut node, &mut random, &written, plan.writes)?;
    let readers = Readers::start(&node, plan.readers, arguments.seed)?;
    let (mut times, mut moved) = (Times::default(), 0);
    let mut steps = [Times::default(), Times::default(), Times::default()];
    let (began, cpu) = (Instant::now(), CpuTime::now()?);
    for _ in 0..arguments.blocks {
        let (keys, [applied, hashed, committed]) = block(&mut node, &mut random, &written, plan.writes)?;
        if keys == 0 {
            break;
        }
        moved += keys;
        times.add(committed);
        let parts = [applied, hashed - applied, committed - hashed];
        steps.iter_mut().zip(parts).for_each(|(times, part)| times.add(part));
    }
    let blocks = times.len();
    let per_block = |time: Duration| time.as_secs_f64() * 1e6 / blocks.max(1) as f64;
    let (seconds, anonymous) = (times.sum().as_secs_f64(), ferry::migrate_metrics::anonymous_bytes());
    let (elapsed, cpu) = (began.elapsed(), CpuTime::now()?.since(cpu));
    let mut read = readers.stop()?;
    let reads_per_second = read.len() as f64 / elapsed.as_secs_f64();
    node.close()?;
    let reopening = Instant::now();
    let node = home::open(home, plan.batch)?;
    let reopen = reopening.elapsed();
    node.close()?;
    Ok(json!({
        "batch": plan.batch, "writes": plan.writes, "readers": plan.readers, "blocks": blocks, "keys": moved,
        "keys_per_second": moved as f64 / seconds, "block": times.report(),
        "apply": steps[0].report(), "root": steps[1].report(), "commit": steps[2].report(),
        "cpu_of_block_us": { "thread": per_block(cpu.thread), "all": per_block(cpu.all) },
        "reads_per_second": reads_per_second,
        "read": read.report(), "reopen_ms": reopen.as_secs_f64() * 1e3,
        "anonymous_bytes": anonymous,
    }))
}

/// A run on one line, under [`HEADER`].
pub(crate) fn line(run: &Value) -> String {
    let number = |value: &Value| value.as_f64().unwrap_or_default();
    let ms = |name: &str| number(&run["block"][name]) / 1e3;
    let step = |name: &str| number(&run[name]["p50_us"]) / 1e3;
    format!(
        "live: {:>6} {:>5} {:>2} | {:>8.0} | {:>7.2} {:>7.2} {:>7.2} | {:>6.2} {:>6.2} {:>6.2} | {:>6.2} {:>6.2} | {:>8.0} {:>6.2} {:>8.1} | {:>6.1} | {:>5.0}",
        run["batch"],
        run["writes"],
        run["readers"],
        number(&run["keys_per_second"]),
        ms("p50_us"),
        ms("p99_us"),
        ms("max_us"),
        step("apply"),
        step("root"),
        step("commit"),
        number(&run["cpu_of_block_us"]["thread"]) / 1e3,
        number(&run["cpu_of_block_us"]["all"]) / 1e3,
        number(&run["reads_per_second"]),
        number(&run["read"]["p50_us"]),
        number(&run["read"]["p999_us"]),
        number(&run["reopen_ms"]),
        number(&run["anonymous_bytes"]) / f64::from(1 << 20),
    )
}

/// One block; keys moved, and the times from its beginning to the end of each of its three calls.
fn block(
    node: &mut Node,
    random: &mut ChaCha8Rng,
    keys: &[(&str, Vec<(Bytes, usize)>)],
    writes: usize,
) -> Result<(u64, [Duration; 3])> {
    let mut pairs = vec![Vec::new(); keys.len()];
    for _ in 0..writes {
        let module = random.random_range(0..keys.len());
        let (key, bytes) = &keys[module].1[random.random_range(0..keys[module].1.len())];
        let value: Vec<u8> = (0..*bytes).map(|_| random.random()).collect();
        pairs[module].push(KvPair::set(key.clone(), value));
    }
    let sets = keys.iter().zip(pairs).map(|((module, _), pairs)| NamedChangeSet::new(*module, pairs)).collect();
    let began = Instant::now();
    let flush = node.apply(sets)?;
    let applied = began.elapsed();
    node.working_commit_info()?;
    let hashed = began.elapsed();
    node.commit()?;
    Ok((flush.moved_keys, [applied, hashed, began.elapsed()]))
}

/// Threads that read nonces of the newest view.
struct Readers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<Times>>>,
}

impl Readers {
    fn start(node: &Node, count: usize, seed: u64) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let keys = match count {
            0 => Vec::new(),
            _ => home::keys(node, "evm", &[0x0a], 1)?,
        };
        let keys = Arc::new(keys);
        let threads = (0..count).map(|number| {
            let (views, stop, keys) = (node.views(), Arc::clone(&stop), Arc::clone(&keys));
            let mut random = ChaCha8Rng::seed_from_u64(seed + 1 + number as u64);
            thread::spawn(move || {
                let mut times = Times::default();
                while !stop.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    let view = views.latest()?;
                    let (key, _) = &keys[random.random_range(0..keys.len())];
                    view.get("evm", key)?.context("a nonce is gone")?;
                    times.add(began.elapsed());
                }
                Ok(times)
            })
        });
        let threads = threads.collect();
        Ok(Self { stop, threads })
    }

    fn stop(self) -> Result<Times> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Times::default();
        for thread in self.threads {
            all.append(&mut thread.join().map_err(|_| anyhow!("a reader panicked"))??);
        }
        Ok(all)
    }
}
