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

use crate::home::{self, Homes};
use crate::measure::{Times, anonymous_bytes};
use crate::{Arguments, reads};

/// The heading over the lines of [`line`].
pub(crate) const HEADER: &str = "live: batch, writes, readers | keys/s | block p50, p99, max ms | apply, root, commit p50 ms | reads/s, p50, p99.9 us | reopen ms | anon MiB";

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
    let mut written = home::keys(&node, "bank", &[], 4)?;
    written.extend(home::keys(&node, "evm", &[0x03], 8)?);
    let mut random = ChaCha8Rng::seed_from_u64(arguments.seed);
    // FlatKV is founded here, which is no block like others.
    block(&mut node, &mut random, &written, plan.writes)?;
    let readers = Readers::start(&node, plan.readers, arguments.seed)?;
    let (mut times, mut moved) = (Times::default(), 0);
    let mut steps = [Times::default(), Times::default(), Times::default()];
    let began = Instant::now();
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
    let (seconds, anonymous) = (times.sum().as_secs_f64(), anonymous_bytes());
    let elapsed = began.elapsed();
    let (mut read, worst_at) = readers.stop()?;
    let reads_per_second = read.len() as f64 * reads::GROUP as f64 / elapsed.as_secs_f64();
    node.close()?;
    let reopening = Instant::now();
    let node = home::open(home, plan.batch)?;
    let reopen = reopening.elapsed();
    node.close()?;
    Ok(json!({
        "batch": plan.batch, "writes": plan.writes, "readers": plan.readers, "blocks": times.len(), "keys": moved,
        "keys_per_second": moved as f64 / seconds, "block": times.report(),
        "apply": steps[0].report(), "root": steps[1].report(), "commit": steps[2].report(),
        "reads_per_second": reads_per_second,
        "read": read.report(), "worst_read_at_s": worst_at, "reopen_ms": reopen.as_secs_f64() * 1e3,
        "anonymous_bytes": anonymous,
    }))
}

/// A run on one line, under [`HEADER`].
pub(crate) fn line(run: &Value) -> String {
    let number = |value: &Value| value.as_f64().unwrap_or_default();
    let ms = |name: &str| number(&run["block"][name]) / 1e3;
    let step = |name: &str| number(&run[name]["p50_us"]) / 1e3;
    format!(
        "live: {:>6} {:>5} {:>2} | {:>8.0} | {:>7.2} {:>7.2} {:>7.2} | {:>6.2} {:>6.2} {:>6.2} | {:>8.0} {:>6.2} {:>8.1} | {:>6.1} | {:>5.0}",
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
    keys: &[(Bytes, usize)],
    writes: usize,
) -> Result<(u64, [Duration; 3])> {
    let mut sets = [NamedChangeSet::new("bank", Vec::new()), NamedChangeSet::new("evm", Vec::new())];
    let (mut bank, mut evm) = (Vec::new(), Vec::new());
    for _ in 0..writes {
        let (key, bytes) = &keys[random.random_range(0..keys.len())];
        let value: Vec<u8> = (0..*bytes).map(|_| random.random()).collect();
        let pairs = if key.first() == Some(&0x03) && *bytes == 32 { &mut evm } else { &mut bank };
        pairs.push(KvPair::set(key.clone(), value));
    }
    sets[0] = NamedChangeSet::new("bank", bank);
    sets[1] = NamedChangeSet::new("evm", evm);
    let began = Instant::now();
    let flush = node.apply(sets.into())?;
    let applied = began.elapsed();
    node.working_commit_info()?;
    let hashed = began.elapsed();
    node.commit()?;
    Ok((flush.moved_keys, [applied, hashed, began.elapsed()]))
}

/// Threads that read nonces of the newest view.
struct Readers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<(Times, f64)>>>,
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
                let (mut times, mut worst) = (Times::default(), (Duration::ZERO, 0.0));
                let started = Instant::now();
                while !stop.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    let view = views.latest()?;
                    let (key, _) = &keys[random.random_range(0..keys.len())];
                    view.get("evm", key)?.context("a nonce is gone")?;
                    let time = began.elapsed();
                    if time > worst.0 {
                        worst = (time, started.elapsed().as_secs_f64());
                    }
                    times.add(time);
                }
                Ok((times, worst.1))
            })
        });
        let threads = threads.collect();
        Ok(Self { stop, threads })
    }

    fn stop(self) -> Result<(Times, f64)> {
        self.stop.store(true, Ordering::Relaxed);
        let (mut all, mut worst) = (Times::default(), 0.0);
        for thread in self.threads {
            let (mut times, at) = thread.join().map_err(|_| anyhow!("a reader panicked"))??;
            all.append(&mut times);
            worst = at;
        }
        Ok((all, worst))
    }
}
