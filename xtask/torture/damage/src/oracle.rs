//! What a chain must say at each height: its hashes, all its pairs, and the answers to point reads.
//!
//! The heights come from an undisturbed run, which is itself compared with a plain map of the pairs that were written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use ferry::{Hash, Node, Options, ScanOrder, ScanRange, View};

use crate::homes::World;
use crate::script::Block;

/// Pairs of one module.
pub(crate) type Pairs = Vec<(Bytes, Bytes)>;

/// One height, as an undisturbed node has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) app_hash: Hash,
    pub(crate) root: Option<Hash>,
    /// All pairs of each module.
    pub(crate) scans: Vec<Pairs>,
    /// The value of each key of [`Oracle::keys`].
    pub(crate) reads: Vec<Option<Bytes>>,
}

/// The heights of a chain.
pub(crate) struct Oracle {
    pub(crate) options: Options,
    pub(crate) modules: Vec<String>,
    pub(crate) blocks: BTreeMap<u64, Block>,
    /// Every key that the chain ever has, and some that it never has.
    pub(crate) keys: Vec<(String, Bytes)>,
    pub(crate) heights: BTreeMap<u64, Expected>,
}

impl Oracle {
    /// Runs `world` from its first height in the empty directory `dir`.
    pub(crate) fn of(world: World, dir: &Path) -> Result<Self> {
        let options = world.options();
        let blocks: BTreeMap<u64, Block> = world.blocks()?.into_iter().map(|block| (block.height, block)).collect();
        world.begin(dir)?;
        let mut node = Node::open(dir, options.clone())?;
        let mut keys = BTreeSet::new();
        let mut map = BTreeMap::new();
        for module in &options.modules {
            for (key, value) in pairs(&node.view()?, module)? {
                keys.insert((module.clone(), key.clone()));
                map.insert((module.clone(), key), value);
            }
        }
        for set in blocks.values().flat_map(|block| block.flushes.iter().flatten()) {
            keys.extend(set.pairs().iter().map(|pair| (set.name.clone(), pair.key.clone())));
        }
        keys.extend(options.modules.iter().map(|module| (module.clone(), Bytes::from_static(b"\x42 never there"))));
        let modules = options.modules.clone();
        let mut oracle = Self { options, modules, blocks, keys: keys.into_iter().collect(), heights: BTreeMap::new() };
        let first = oracle.seen(&node.view()?)?;
        oracle.heights.insert(node.height(), first);
        for block in oracle.blocks.values().cloned().collect::<Vec<_>>() {
            run_block(&mut node, &block)?;
            let view = node.view()?;
            let seen = oracle.seen(&view)?;
            write(&mut map, &block);
            oracle.compare_with_map(&seen, &map).with_context(|| format!("height {}", block.height))?;
            world.compare_with_recording(&block, &view)?;
            oracle.heights.insert(block.height, seen);
        }
        node.close()?;
        Ok(oracle)
    }

    /// What a view says.
    pub(crate) fn seen(&self, view: &View) -> Result<Expected, ferry::Error> {
        Ok(Expected {
            app_hash: view.app_hash(),
            root: view.root(),
            scans: self.modules.iter().map(|module| pairs(view, module)).collect::<Result<_, _>>()?,
            reads: self.keys.iter().map(|(module, key)| view.get(module, key)).collect::<Result<_, _>>()?,
        })
    }

    fn compare_with_map(&self, seen: &Expected, map: &BTreeMap<(String, Bytes), Bytes>) -> Result<()> {
        for (key, got) in self.keys.iter().zip(&seen.reads) {
            ensure!(map.get(key) == got.as_ref(), "the undisturbed run differs from the map: key={key:02x?}");
        }
        Ok(())
    }
}

fn pairs(view: &View, module: &str) -> Result<Pairs, ferry::Error> {
    Ok(view.scan(module, &ScanRange::ALL, ScanOrder::Ascending)?.collect::<Result<_, _>>()?)
}

fn write(map: &mut BTreeMap<(String, Bytes), Bytes>, block: &Block) {
    for set in block.flushes.iter().flatten() {
        for pair in set.pairs() {
            let key = (set.name.clone(), pair.key.clone());
            match pair.delete {
                true => drop(map.remove(&key)),
                false => drop(map.insert(key, pair.value.clone())),
            }
        }
    }
}

/// Runs one block; the app hash it leads to.
pub(crate) fn run_block(node: &mut Node, block: &Block) -> Result<Hash, ferry::Error> {
    node.set_batch_size(block.batch)?;
    while node.mode() != block.mode {
        let next = node.mode().next().unwrap_or(block.mode);
        node.set_mode(next)?;
    }
    for flush in &block.flushes {
        node.apply(flush.clone())?;
    }
    Ok(node.commit()?.app_hash)
}
