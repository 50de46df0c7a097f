//! Blocks while a snapshot of memiavl is written in the background, and blocks while none is.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::Arguments;
use crate::home::Homes;
use crate::life::{Life, Plan};
use crate::measure::Times;
use crate::progress::Progress;

/// Both, each in a fresh copy of the home.
pub(crate) fn run(homes: &Homes, arguments: &Arguments) -> Result<Value> {
    let rows = [quiet(homes, arguments)?, rewriting(homes, arguments)?];
    Ok(rows.into_iter().collect())
}

fn begin(homes: &Homes, arguments: &Arguments) -> Result<Life> {
    let mut life = Life::open(homes.copy()?, homes.size, Plan::usual(arguments.seed))?;
    // FlatKV is founded here, which is no block like others.
    life.block()?;
    Ok(life)
}

fn quiet(homes: &Homes, arguments: &Arguments) -> Result<Value> {
    let mut life = begin(homes, arguments)?;
    let (mut times, mut progress) = (Times::default(), Progress::new("rewrite"));
    for _ in 0..arguments.rewrite_blocks {
        times.add(life.block()?.committed);
        progress.tell(|| format!("{} blocks without a rewrite", times.len()));
    }
    life.node.close()?;
    Ok(json!({ "snapshot": "none", "blocks": times.len(), "rewrites": 0, "block": times.report() }))
}

/// One snapshot is asked for after the other, so that one is being written all the time.
fn rewriting(homes: &Homes, arguments: &Arguments) -> Result<Value> {
    let mut life = begin(homes, arguments)?;
    let (mut times, mut progress) = (Times::default(), Progress::new("rewrite"));
    let (mut asked, mut rewrites) = (0, 0_u64);
    // A fast machine makes that many blocks before the first snapshot is done.
    while times.len() < arguments.rewrite_blocks || (rewrites == 0 && times.len() < 10 * arguments.rewrite_blocks) {
        let taken_over = life.node.memiavl().context("memiavl is not there")?.snapshot_version();
        if asked <= taken_over {
            rewrites += u64::from(asked > 0);
            asked = life.node.height();
            life.node.snapshot()?;
        }
        times.add(life.block()?.committed);
        progress.tell(|| format!("{} blocks, {rewrites} snapshots written meanwhile", times.len()));
    }
    ensure!(rewrites > 0, "no snapshot was finished in {} blocks: nothing was measured", times.len());
    life.node.close()?;
    Ok(json!({ "snapshot": "being written", "blocks": times.len(), "rewrites": rewrites, "block": times.report() }))
}
