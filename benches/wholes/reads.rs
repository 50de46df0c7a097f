//! Point reads of nonces once they are in FlatKV, uniform, on as many threads as there are cores.

use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::home::{self, Homes};
use crate::{Arguments, threads};

/// Reads of each thread, once cold and once warm.
const READS: usize = 400_000;

/// Moves the module at once and reads it.
pub(crate) fn run(homes: &Homes, arguments: &Arguments) -> Result<Value> {
    let home = homes.copy()?;
    let mut node = home::open(home, 50_000)?;
    loop {
        let flush = node.apply(Vec::new())?;
        node.commit()?;
        if flush.moved_keys == 0 {
            break;
        }
    }
    let keys = home::keys(&node, "evm", &[0x0a], 1)?;
    node.close()?;
    let node = home::open(home, 0)?;
    let view = node.view()?;
    let pass = |seed: u64| -> Result<f64> {
        let began = Instant::now();
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads() as u64)
                .map(|number| {
                    let (view, keys) = (view.clone(), &keys);
                    scope.spawn(move || -> Result<()> {
                        let mut random = ChaCha8Rng::seed_from_u64(seed ^ number);
                        for _ in 0..READS {
                            let (key, _) = &keys[random.random_range(0..keys.len())];
                            view.get("evm", key)?.context("a nonce is gone")?;
                        }
                        Ok(())
                    })
                })
                .collect();
            for worker in workers {
                worker.join().map_err(|_| anyhow!("a reader panicked"))??;
            }
            Ok::<_, anyhow::Error>(())
        })?;
        Ok((READS * threads()) as f64 / began.elapsed().as_secs_f64())
    };
    let (cold, warm) = (pass(arguments.seed)?, pass(arguments.seed + 100)?);
    drop(view);
    node.close()?;
    Ok(json!({ "threads": threads(), "keys": keys.len(), "cold_per_second": cold, "warm_per_second": warm }))
}

/// The figures in words.
pub(crate) fn table(reads: &Value) -> String {
    let number = |name: &str| reads[name].as_f64().unwrap_or_default();
    let (cold, warm) = (number("cold_per_second"), number("warm_per_second"));
    format!("reads behind the migration, {} threads: cold {cold:.0}/s, warm {warm:.0}/s", reads["threads"])
}
