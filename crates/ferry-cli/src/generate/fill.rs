//! Fills a fresh home, block by block, in bounded memory.
//!
//! Keys come in the order of their tree, so that a block touches one edge of it. What memory holds are the nodes made
//! since the last snapshot; after every [`SNAPSHOT_KEYS`] keys the node writes one and goes on from it.

use std::fs;
use std::path::Path;

use anyhow::Context;
use ferry::{AppHash, DEFAULT_MODULES, KvPair, Mode, ModeSetting, NamedChangeSet, Node, Options};

use crate::keyspace::{Class, Keyspace};
use crate::signals::Signals;

/// A block's size, whichever comes first.
const BLOCK_KEYS: u64 = 20_000;
const BLOCK_BYTES: u64 = 8 << 20;
/// Between two snapshots: a key and its nodes take about half a kilobyte, so this is half a gigabyte.
const SNAPSHOT_KEYS: u64 = 1_000_000;
const SNAPSHOT_BYTES: u64 = 256 << 20;

/// What a home was filled with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filled {
    pub(crate) height: u64,
    pub(crate) app_hash: AppHash,
    pub(crate) keys: u64,
    pub(crate) key_bytes: u64,
    pub(crate) value_bytes: u64,
}

/// Fills the home with all keys of `keyspace`, and tells `written` of each key and the height that wrote it. A signal
/// ends it between two blocks.
///
/// # Errors
/// I/O, and whatever else the node fails with.
pub(crate) fn fill(
    home: &Path,
    keyspace: &Keyspace,
    signals: &Signals,
    written: &mut dyn FnMut(Class, u64, u64),
) -> anyhow::Result<Filled> {
    fs::create_dir_all(home).with_context(|| format!("creating the home: home={}", home.display()))?;
    let mut filler =
        Filler { node: open(home)?, block: Block::default(), since_snapshot: (0, 0), filled: Filled::default() };
    'keys: for class in keyspace.classes() {
        for index in 0..keyspace.count(class) {
            let height = filler.node.next_height();
            let pair = KvPair::set(keyspace.key(class, index), keyspace.value(class, index, height));
            filler.block.push(class.store(), pair);
            written(class, index, height);
            if filler.block.is_full() {
                filler.commit()?;
                if signals.received().is_some() {
                    break 'keys;
                }
            }
        }
    }
    filler.finish()
}

fn open(home: &Path) -> anyhow::Result<Node> {
    let mut options = Options {
        create: true,
        mode: ModeSetting::Fixed(Mode::MemiavlOnly),
        initial_stores: DEFAULT_MODULES.map(str::to_owned).to_vec(),
        ..Options::default()
    };
    // Snapshots are taken here, where nothing runs beside them.
    options.snapshot.interval_blocks = 0;
    options.snapshot.replay_bytes_min = u64::MAX;
    options.snapshot.changed_bytes_min = u64::MAX;
    options.snapshot.keep_recent = 0;
    Ok(Node::open(home, options)?)
}

struct Filler {
    node: Node,
    block: Block,
    /// Keys and bytes since the last snapshot.
    since_snapshot: (u64, u64),
    filled: Filled,
}

impl Filler {
    fn commit(&mut self) -> anyhow::Result<()> {
        let block = std::mem::take(&mut self.block);
        self.filled.keys += block.keys;
        self.filled.key_bytes += block.key_bytes;
        self.filled.value_bytes += block.value_bytes;
        self.since_snapshot.0 += block.keys;
        self.since_snapshot.1 += block.bytes();
        self.node.apply(block.changes)?;
        let committed = self.node.commit()?;
        self.filled.height = committed.height;
        self.filled.app_hash = committed.app_hash;
        if self.since_snapshot.0 >= SNAPSHOT_KEYS || self.since_snapshot.1 >= SNAPSHOT_BYTES {
            self.node.snapshot_now()?;
            self.since_snapshot = (0, 0);
        }
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<Filled> {
        if self.block.keys > 0 {
            self.commit()?;
        }
        if self.since_snapshot.0 > 0 {
            self.node.snapshot_now()?;
        }
        self.node.close()?;
        Ok(self.filled)
    }
}

/// A block that is being filled.
#[derive(Default)]
struct Block {
    changes: Vec<NamedChangeSet>,
    keys: u64,
    key_bytes: u64,
    value_bytes: u64,
}

impl Block {
    /// Takes a pair; stores come in order, so only the last change set can be the pair's.
    fn push(&mut self, store: &str, pair: KvPair) {
        self.keys += 1;
        self.key_bytes += pair.key.len() as u64;
        self.value_bytes += pair.value.len() as u64;
        match self.changes.last_mut() {
            Some(last) if last.name == store => last.changeset.pairs.push(pair),
            _ => self.changes.push(NamedChangeSet::new(store, vec![pair])),
        }
    }

    fn bytes(&self) -> u64 {
        self.key_bytes + self.value_bytes
    }

    fn is_full(&self) -> bool {
        self.keys >= BLOCK_KEYS || self.bytes() >= BLOCK_BYTES
    }
}
