//! What must hold at the end, whatever was done to the network.
//!
//! - Every program's own record has one app hash a height, and all programs the same; the headers of every engine carry it.
//! - No height is missing: the records of all nodes together have each.
//! - Every home opens again, equals the model of all transactions, and has its root with all that stopped at its height.
//! - Every opening is in the store's log; on a machine without other work, none takes longer than a second.
//! - A node that was made to part is found at the first block that it worked otherwise, by the records and by its engine.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use example_chain::{Action, Chain, Settings, Tx};
use ferry::Mode;

use crate::model::{self, Model};
use crate::node::Node;
use crate::rpc::Header;
use crate::world::{Last, World};

/// What was compared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checked {
    pub(crate) height: u64,
    pub(crate) app_hash: String,
    pub(crate) root: Option<String>,
    pub(crate) keys: u64,
    pub(crate) txs: u64,
    pub(crate) openings_ms: Vec<u64>,
    /// Heights, and the milliseconds from the block before, by the engine's clock.
    pub(crate) block_times: Vec<(u64, f64)>,
    /// Where the node parted that was made to.
    pub(crate) parted_at: Option<u64>,
}

/// The app hashes that were told of each height, and by which node first.
type Told = BTreeMap<u64, (String, usize)>;

/// Compares. `parts` is the node that was made to part from the others.
pub(crate) fn check(world: &World, last: Last, parts: Option<usize>) -> Result<Checked> {
    let mut checked = Checked::default();
    let mut told = Told::new();
    let honest = || world.nodes.iter().filter(|node| node.starts > 0 && Some(node.index) != parts);
    for node in honest() {
        let record = node.record()?;
        let openings = record.openings_ms.len() as u64;
        ensure!(
            openings >= node.starts,
            "an opening is not in the log: node={} starts={} got={openings}",
            node.index,
            node.starts
        );
        checked.openings_ms.extend(&record.openings_ms);
        for (height, hash) in record.app_hashes {
            agree(&mut told, height, hash, node.index, "the program's record")?;
        }
    }
    if let (Some(max), Some(slowest)) = (world.opening_ms_max, checked.openings_ms.iter().max()) {
        ensure!(*slowest <= max, "an opening took too long: expected_ms={max} got_ms={slowest}");
    }
    for (height, hashes) in (1u64..).zip(told.keys()) {
        ensure!(height == *hashes, "no program has told of a height: height={height}");
    }
    // Block 1's header carries what genesis says, which is nothing.
    checked.block_times = block_times(last.headers.first().map_or(&[], |(_, headers)| headers));
    for (index, headers) in last.headers {
        for header in headers.into_iter().filter(|header| header.height > 1) {
            agree(&mut told, header.height - 1, header.last_app_hash, index, "a header")?;
        }
    }
    if let Some(index) = parts {
        checked.parted_at = Some(found_out(&world.nodes[index], &told, &last.blocks)?);
    }
    let mut model = Model::default();
    last.blocks.iter().try_for_each(|txs| model.run(txs))?;
    checked.keys = model.pairs.len() as u64;
    checked.txs = last.blocks.iter().map(|txs| txs.len() as u64).sum();
    let mut roots = Told::new();
    for node in honest() {
        let began = Instant::now();
        home(node, &model, &mut told, &mut roots, &mut checked)
            .with_context(|| format!("the home of node {} after {:.1?}", node.index, began.elapsed()))?;
    }
    Ok(checked)
}

fn block_times(headers: &[Header]) -> Vec<(u64, f64)> {
    const DAY_SECONDS: f64 = 86_400.0;
    let mut headers: Vec<&Header> = headers.iter().collect();
    headers.sort_by_key(|header| header.height);
    let between = |pair: &[&Header]| (pair[1].day_seconds - pair[0].day_seconds).rem_euclid(DAY_SECONDS) * 1_000.0;
    headers.windows(2).map(|pair| (pair[1].height, between(pair))).collect()
}

fn agree(told: &mut Told, height: u64, hash: String, node: usize, source: &str) -> Result<()> {
    let (first, by) = told.entry(height).or_insert_with(|| (hash.clone(), node));
    if *first != hash {
        bail!("app hashes differ: height={height} expected={first} (node {by}) got={hash} (node {node}, {source})");
    }
    Ok(())
}

/// Opens a home that was stopped, and compares all of it.
fn home(node: &Node, model: &Model, told: &mut Told, roots: &mut Told, checked: &mut Checked) -> Result<()> {
    let chain = Chain::open(&node.place.home, Settings::default())?;
    // What came behind the last block that was asked for is empty: the load had stopped.
    ensure!(chain.height() >= model.height, "a node lost blocks: expected={} got={}", model.height, chain.height());
    let app_hash = chain.app_hash().map(hex::encode).context("no block")?;
    agree(told, chain.height(), app_hash.clone(), node.index, "the opened home")?;
    if let Some(difference) = model::difference(&chain, &model.pairs)? {
        bail!("the state differs from the model's: {difference}");
    }
    let view = chain.views().latest()?;
    ensure!(view.mode() == Mode::FlatkvOnly, "the migration has not ended: mode={}", view.mode());
    let root = view.root().map(hex::encode).context("FlatKV has no root")?;
    drop(view);
    agree(roots, chain.height(), root.clone(), node.index, "the root of FlatKV")?;
    if chain.height() >= checked.height {
        (checked.height, checked.app_hash, checked.root) = (chain.height(), app_hash, Some(root));
    }
    Ok(chain.close()?)
}

/// At which block the node parted; an error if that is not the first one that moved keys, or if its engine missed it.
fn found_out(node: &Node, told: &Told, blocks: &[Vec<Vec<u8>>]) -> Result<u64> {
    let differs = |(height, hash): &(u64, String)| told.get(height).is_some_and(|(expected, _)| expected != hash);
    let record = node.record()?.app_hashes;
    let parted = record.iter().find(|line| differs(line)).map(|(height, _)| *height);
    let parted = parted.context("a node was made to part, and no record shows it")?;
    let decides = |tx: &Vec<u8>| {
        let action = serde_json::from_slice::<Tx>(tx).map(|tx| tx.action);
        action.is_ok_and(|action| matches!(action, Action::Migrate { .. }))
    };
    let decided = (1u64..).zip(blocks).find(|(_, txs)| txs.iter().any(decides)).map(|(height, _)| height);
    let expected = decided.context("no block decides on the migration")? + 1;
    ensure!(parted == expected, "a node parted at another block: expected={expected} got={parted}");
    ensure!(node.engine_says("CONSENSUS FAILURE")?, "the engine of a node that parted went on: node={}", node.index);
    Ok(parted)
}
