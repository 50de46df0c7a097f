//! A node's life: blocks of the first migration with a caller's writes, one after the other.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use ferry::{KvPair, Mode, ModeSetting, NamedChangeSet, Node, Options};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::home::Size;
use crate::keys::KeyList;
use crate::progress::Progress;

/// So many keys of a module are written at most, every n-th of them: their list must not weigh in what a node takes.
const WRITTEN_KEYS_MAX: u64 = 400_000;

/// How a node's blocks are.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// Keys that one block moves.
    pub(crate) batch: u64,
    /// The caller's writes in one block, spread evenly over balances and slots.
    pub(crate) writes: usize,
    /// What they follow from.
    pub(crate) seed: u64,
}

impl Plan {
    /// The blocks of the runs that are not about blocks.
    pub(crate) fn usual(seed: u64) -> Self {
        Self { batch: 1_000, writes: 500, seed }
    }
}

/// A node that is migrating.
pub(crate) struct Life {
    pub(crate) node: Node,
    plan: Plan,
    written: [(&'static str, KeyList); 2],
    random: ChaCha8Rng,
}

/// One block: keys moved, and the times from its beginning to the end of each of its three calls.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    pub(crate) moved: u64,
    pub(crate) applied: Duration,
    pub(crate) hashed: Duration,
    pub(crate) committed: Duration,
}

impl Life {
    /// Opens the home, of which `size` tells how many keys there are about.
    pub(crate) fn open(home: &Path, size: Size, plan: Plan) -> Result<Self> {
        let node = open(home, plan.batch)?;
        let step = |keys: u64, least: u64| usize::try_from(least.max(keys / WRITTEN_KEYS_MAX)).unwrap_or(usize::MAX);
        let bank = KeyList::read(&node, "bank", &[], step(size.balances(), 4))?;
        let slots = KeyList::read(&node, "evm", &[0x03], step(size.slots(), 8))?;
        let random = ChaCha8Rng::seed_from_u64(plan.seed);
        Ok(Self { node, plan, written: [("bank", bank), ("evm", slots)], random })
    }

    /// One block.
    pub(crate) fn block(&mut self) -> Result<Block> {
        let sets = self.changes();
        let began = Instant::now();
        let flush = self.node.apply(sets)?;
        let applied = began.elapsed();
        self.node.working_commit_info()?;
        let hashed = began.elapsed();
        self.node.commit()?;
        Ok(Block { moved: flush.moved_keys, applied, hashed, committed: began.elapsed() })
    }

    /// Blocks until evm has moved, each handed to `each`; how many keys they moved.
    ///
    /// # Errors
    /// A migration that stands still before its end, I/O.
    pub(crate) fn migrate(&mut self, part: &'static str, mut each: impl FnMut(Block)) -> Result<u64> {
        let total = self.remaining()?;
        let (mut moved, mut progress) = (0, Progress::new(part));
        loop {
            let block = self.block()?;
            if block.moved == 0 {
                break;
            }
            moved += block.moved;
            each(block);
            progress.tell(|| format!("{moved} of {total} keys moved"));
        }
        let left = self.remaining()?;
        ensure!(left == 0 && moved > 0, "the migration ended early: moved={moved} left={left}");
        Ok(moved)
    }

    /// Keys of evm that are in memiavl.
    fn remaining(&self) -> Result<u64> {
        let modules = self.node.view()?.remaining()?;
        Ok(modules.into_iter().filter(|(module, _)| module == "evm").map(|(_, keys)| keys).sum())
    }

    /// Bytes that the lists of written keys take.
    pub(crate) fn list_bytes(&self) -> u64 {
        self.written.iter().map(|(_, list)| list.bytes()).sum()
    }

    fn changes(&mut self) -> Vec<NamedChangeSet> {
        let Self { plan, written, random, .. } = self;
        let mut pairs = [Vec::new(), Vec::new()];
        for _ in 0..plan.writes {
            let module = random.random_range(0..written.len());
            let list = &written[module].1;
            let (key, bytes) = list.at(random.random_range(0..list.len()));
            let value: Vec<u8> = (0..bytes).map(|_| random.random()).collect();
            pairs[module].push(KvPair::set(Bytes::copy_from_slice(key), value));
        }
        written.iter().zip(pairs).map(|((module, _), pairs)| NamedChangeSet::new(*module, pairs)).collect()
    }
}

/// Opens a node that begins, or goes on with, the first migration.
pub(crate) fn open(home: &Path, batch: u64) -> Result<Node> {
    let mode = ModeSetting::Auto;
    let mut node = Node::open(home, Options { mode, ..Options::default() })?;
    node.set_batch_size(batch)?;
    if node.mode() == Mode::MemiavlOnly {
        node.set_mode(Mode::MigrateEvm)?;
    }
    Ok(node)
}
