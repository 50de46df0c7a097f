//! Point reads of evm: of un-migrated, migrated and absent keys, uniform and by Zipf's distribution, while a whole migration
//! goes on, and behind it.

mod reader;
mod record;
mod scheduler;
mod zipf;

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use ferry::{Node, View, Views};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::home::{Homes, Size};
use crate::keys::KeyList;
use crate::life::{self, Life, Plan};
use crate::measure::Times;
use crate::readers::Readers;
use crate::{Arguments, on_all_cores, threads};
use reader::{Reader, together};
use record::{Choice, Record};

/// Threads that read while the migration goes on.
const READERS: usize = 2;
/// Keys that readers choose from, at most: every n-th of the module.
const KEYS_MAX: u64 = 400_000;
/// Reads of each thread behind the migration.
const READS: u64 = 400_000;

/// Reads during a migration, then behind it.
pub(crate) fn run(homes: &Homes, arguments: &Arguments) -> Result<Value> {
    let home = homes.copy()?;
    let mut life = Life::open(home, homes.size, Plan::usual(arguments.seed))?;
    let keys = Arc::new(keys(&life.node, homes.size, arguments.seed, &[])?);
    let (during, summary) = during(&mut life, &keys, arguments)?;
    life.node.close()?;
    let node = life::open(home, 0)?;
    let mut rows = during.rows("during");
    let mut worst = during.worst("during");
    let nonces = self::keys(&node, homes.size, arguments.seed, &[0x0a])?;
    let mut after = Vec::new();
    for (number, keys) in ["nonces, cold", "nonces, warm"].into_iter().enumerate() {
        let per_second = plain_pass(&node.view()?, &nonces, arguments.seed + 100 * number as u64)?;
        after.push(json!({ "when": "after", "keys": keys, "readers": threads(), "per_second": per_second }));
    }
    let mut behind = Record::default();
    for choice in [Choice::Uniform, Choice::Zipf] {
        behind.append(&timed_pass(&node.views(), &keys, choice, arguments.seed)?)?;
    }
    rows.extend(behind.rows("after"));
    worst.extend(behind.worst("after"));
    node.close()?;
    Ok(json!({ "during": [summary], "after": after, "rows": rows, "worst": worst }))
}

/// Keys for readers, in an order that says how hot each is.
fn keys(node: &Node, size: Size, seed: u64, prefix: &[u8]) -> Result<KeyList> {
    let about = size.slots() + size.balances();
    let step = if prefix.is_empty() { usize::try_from(about.div_ceil(KEYS_MAX))? } else { 1 };
    KeyList::read(node, "evm", prefix, step)?.shuffled(&mut ChaCha8Rng::seed_from_u64(seed))
}

/// The whole migration of evm, with readers beside it.
fn during(life: &mut Life, keys: &Arc<KeyList>, arguments: &Arguments) -> Result<(Record, Value)> {
    // FlatKV is founded here, which is no block like others.
    life.block()?;
    let views = life.node.views();
    let began = Instant::now();
    let readers = Readers::start(READERS, |number| {
        let reader = Reader::new(views.clone(), Arc::clone(keys), arguments.seed + 1 + number);
        move |stop: &_| reader.read_until(stop)
    });
    let mut blocks = Times::default();
    let moved = life.migrate("reads", |block| blocks.add(block.committed))?;
    let record = together(readers.stop()?)?;
    let seconds = began.elapsed().as_secs_f64();
    let summary = json!({
        "when": "during", "readers": READERS, "keys": moved, "blocks": blocks.len(), "block": blocks.report(),
        "keys_per_second": moved as f64 / blocks.sum().as_secs_f64(),
        "reads": record.count(), "per_second": record.count() as f64 / seconds, "read": record.all()?.report(),
    });
    Ok((record, summary))
}

/// Reads of one view on all cores, without a clock around each; how many a second.
fn plain_pass(view: &View, keys: &KeyList, seed: u64) -> Result<f64> {
    let began = Instant::now();
    on_all_cores(|number| {
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ number);
        for _ in 0..READS {
            let (key, _) = keys.at(random.random_range(0..keys.len()));
            view.get("evm", key)?.context("a nonce is gone")?;
        }
        Ok(())
    })?;
    Ok((READS * threads() as u64) as f64 / began.elapsed().as_secs_f64())
}

/// Reads of the newest view, a view for each, on all cores.
fn timed_pass(views: &Views, keys: &Arc<KeyList>, choice: Choice, seed: u64) -> Result<Record> {
    together(on_all_cores(|number| {
        let reader = Reader::new(views.clone(), Arc::clone(keys), seed.wrapping_add(1_000 * (1 + number)));
        reader.read(READS, choice)
    })?)
}
