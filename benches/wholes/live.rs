//! Blocks of the first migration with a caller's writes, and readers beside them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ferry::Node;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::Arguments;
use crate::home::Homes;
use crate::keys::KeyList;
use crate::life::{self, Life};
use crate::measure::{CpuTime, Times};
use crate::readers::Readers;

/// The heading over the lines of [`line`].
const HEADER: &str = "live: batch, writes, readers | keys/s | block p50, p99, max ms | apply, root, commit p50 ms | CPU ms of a block: its thread, all | reads/s, p50, p99.9 us | reopen ms | anon MiB";

/// One run.
#[derive(Clone, Copy)]
struct Plan {
    batch: u64,
    writes: usize,
    readers: usize,
}

/// All runs, a line for each as it ends.
pub(crate) fn runs(homes: &Homes, arguments: &Arguments) -> Result<Value> {
    println!("{HEADER}");
    let mut runs = Vec::new();
    for plan in plans(arguments) {
        let run = run(homes, arguments, plan)?;
        println!("{}", line(&run));
        runs.push(run);
    }
    Ok(runs.into())
}

/// Every batch with every number of writes; readers beside the middle number of writes alone.
fn plans(arguments: &Arguments) -> Vec<Plan> {
    let quiet = arguments.readers.first().copied().unwrap_or(0);
    let middle = arguments.writes[arguments.writes.len() / 2];
    let mut plans = Vec::new();
    for batch in arguments.batch.iter().copied() {
        plans.extend(arguments.writes.iter().map(|writes| Plan { batch, writes: *writes, readers: quiet }));
        plans.extend(arguments.readers.iter().skip(1).map(|readers| Plan { batch, writes: middle, readers: *readers }));
    }
    plans
}

/// Runs blocks until the migration is over or there were enough of them.
fn run(homes: &Homes, arguments: &Arguments, plan: Plan) -> Result<Value> {
    let home = homes.copy()?;
    let Plan { batch, writes, .. } = plan;
    let mut life = Life::open(home, homes.size, life::Plan { batch, writes, seed: arguments.seed })?;
    // FlatKV is founded here, which is no block like others.
    life.block()?;
    let readers = readers(&life.node, plan.readers, arguments.seed)?;
    let (mut times, mut moved) = (Times::default(), 0);
    let mut steps = [Times::default(), Times::default(), Times::default()];
    let (began, cpu) = (Instant::now(), CpuTime::now()?);
    for _ in 0..arguments.blocks {
        let block = life.block()?;
        if block.moved == 0 {
            break;
        }
        moved += block.moved;
        times.add(block.committed);
        let parts = [block.applied, block.hashed - block.applied, block.committed - block.hashed];
        steps.iter_mut().zip(parts).for_each(|(times, part)| times.add(part));
    }
    let blocks = times.len();
    let per_block = |time: Duration| time.as_secs_f64() * 1e6 / blocks.max(1) as f64;
    let (seconds, anonymous) = (times.sum().as_secs_f64(), ferry::migrate_metrics::anonymous_bytes());
    let (elapsed, cpu) = (began.elapsed(), CpuTime::now()?.since(cpu));
    let mut read = Times::default();
    readers.stop()?.iter().try_for_each(|times| read.append(times))?;
    let reads_per_second = read.len() as f64 / elapsed.as_secs_f64();
    life.node.close()?;
    let reopening = Instant::now();
    let node = life::open(home, plan.batch)?;
    let reopen = reopening.elapsed();
    node.close()?;
    Ok(json!({
        "batch": plan.batch, "writes": plan.writes, "readers": plan.readers, "blocks": blocks, "keys": moved,
        "keys_per_second": moved as f64 / seconds, "block": times.report(),
        "apply": steps[0].report(), "working_root": steps[1].report(), "commit": steps[2].report(),
        "cpu_of_block_us": { "thread": per_block(cpu.thread), "all": per_block(cpu.all) },
        "reads_per_second": (plan.readers > 0).then_some(reads_per_second),
        "read": read.report(), "reopen_ms": reopen.as_secs_f64() * 1e3,
        "anonymous_bytes": anonymous,
    }))
}

/// Threads that read nonces of the newest view.
fn readers(node: &Node, count: usize, seed: u64) -> Result<Readers<Times>> {
    let keys = match count {
        0 => None,
        _ => Some(Arc::new(KeyList::read(node, "evm", &[0x0a], 1)?)),
    };
    Ok(Readers::start(count, |number| {
        let (views, keys) = (node.views(), keys.clone());
        let mut random = ChaCha8Rng::seed_from_u64(seed + 1 + number);
        move |stop: &AtomicBool| {
            let keys = keys.context("a reader without keys")?;
            let mut times = Times::default();
            while !stop.load(Ordering::Relaxed) {
                let (key, _) = keys.at(random.random_range(0..keys.len()));
                let began = Instant::now();
                let view = views.latest()?;
                view.get("evm", key)?.context("a nonce is gone")?;
                times.add(began.elapsed());
            }
            Ok(times)
        }
    }))
}

/// A run on one line, under [`HEADER`].
fn line(run: &Value) -> String {
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
        step("working_root"),
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
