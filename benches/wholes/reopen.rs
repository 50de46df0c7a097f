//! How long a node takes to open, by how many blocks of memiavl's changelog are to be replayed.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::Arguments;
use crate::home::Homes;
use crate::life::{self, Life, Plan};
use crate::measure::{CpuTime, Times};

/// Each opening is done so often; nothing is changed by one, so each replays the same.
const TIMES: usize = 5;

/// One life that is closed and opened after each number of blocks.
pub(crate) fn run(homes: &Homes, arguments: &Arguments) -> Result<Value> {
    let plan = Plan::usual(arguments.seed);
    let home = homes.copy()?;
    let mut rows = Vec::new();
    let mut done = 0;
    for &blocks in &arguments.reopen_blocks {
        ensure!(blocks >= done, "the numbers of blocks between openings must not fall: {blocks} behind {done}");
        eprintln!("bench: reopen: after {blocks} blocks");
        let mut life = Life::open(home, homes.size, plan)?;
        let mut keys = 0;
        for _ in done..blocks {
            keys += life.block()?.moved;
        }
        let changelog = life.node.home().memiavl().join("changelog");
        life.node.close()?;
        done = blocks;
        let (mut times, mut processor) = (Times::default(), Duration::ZERO);
        for _ in 0..TIMES {
            let (began, cpu) = (Instant::now(), CpuTime::now()?);
            let node = life::open(home, plan.batch)?;
            times.add(began.elapsed());
            processor += CpuTime::now()?.since(cpu).all;
            node.close()?;
        }
        let bytes = bytes_in(&changelog)?;
        rows.push(json!({
            "blocks": blocks, "keys": keys, "changelog_bytes": bytes, "opening": times.report(),
            "processor_us": processor.as_secs_f64() * 1e6 / TIMES as f64,
        }));
    }
    Ok(rows.into())
}

/// Bytes of the files of a directory.
fn bytes_in(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}
