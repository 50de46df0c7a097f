//! The network with its load, as a scenario sees it: wait, decide on the migration, disturb, and at the end stop.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, thread};

use anyhow::{Context, Result, bail, ensure};
use example_chain::{Action, Tx};
use ferry::Mode;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tempfile::TempDir;

use crate::Args;
use crate::config::{self, Trust, VALIDATORS};
use crate::load::{self, AUTHORITY, Load};
use crate::node::Node;
use crate::process::LOOK_EVERY;
use crate::report::machine_load;
use crate::rpc::{Header, Rpc};

/// No new block for so long is a frozen chain. Patient: the machine may have other work.
pub(crate) const FROZEN: Duration = Duration::from_secs(90);
/// The longest wait of all: a million keys, a thousand a block, on a machine that has other work.
const WAIT_MAX: Duration = Duration::from_secs(30 * 60);
/// A query is answered for the last few blocks alone.
const SAMPLE_EVERY: Duration = Duration::from_millis(300);
/// How often a decision is sent again that a killed node may have taken with it.
const SEND_AGAIN: Duration = Duration::from_secs(5);

/// What an opening may take on a machine without other work.
const OPENING_MS_MAX: u64 = 1_000;

/// The mark of the moment from which there is load.
pub(crate) const LOADED: &str = "load";
/// Blocks under load before anything is done; more where there are many keys, so that the long blocks that made them lie behind
/// a snapshot of the trees and no opening replays them.
const BLOCKS_BEFORE: u64 = 12;
const KEYS_PER_BLOCK_BEFORE: u64 = 10_000;

/// While the network is disturbed, a block moves so much less.
const SLOWER: u64 = 20;

/// How far the network was at a moment.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) at: Duration,
    pub(crate) height: u64,
    pub(crate) mode: Mode,
    pub(crate) remaining_keys: u64,
    pub(crate) boundary: String,
}

/// A network and its load.
pub(crate) struct World {
    pub(crate) name: &'static str,
    pub(crate) seed: u64,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) rate: u64,
    pub(crate) nodes: Vec<Node>,
    pub(crate) samples: Vec<Sample>,
    /// What was done, and when.
    pub(crate) marks: Vec<(Duration, String)>,
    pub(crate) kills: u64,
    /// Nodes that joined by a snapshot.
    pub(crate) joins: u64,
    pub(crate) load_before: Option<f64>,
    /// The longest that an opening may take, in milliseconds; none on a machine that has other work.
    pub(crate) opening_ms_max: Option<u64>,
    /// Keys before the migration begins, about.
    pub(crate) keys: u64,
    load: Option<Load>,
    sent: u64,
    began: Instant,
    directory: Option<TempDir>,
}

/// Where the network stood when it was stopped.
pub(crate) struct Last {
    /// The transactions of all blocks, by height from 1.
    pub(crate) blocks: Vec<Vec<Vec<u8>>>,
    /// By node: its headers.
    pub(crate) headers: Vec<(usize, Vec<Header>)>,
}

impl World {
    pub(crate) fn make(args: &Args, name: &'static str, seed: u64) -> Result<Self> {
        let parent = env::temp_dir();
        let directory = tempfile::Builder::new().prefix("chain-").tempdir_in(parent).context("a folder")?;
        let places = config::make(&args.engine, directory.path(), &load::genesis())?;
        let node = |(index, place)| Node::new(index, place, args);
        Ok(Self {
            name,
            seed,
            rng: ChaCha8Rng::seed_from_u64(seed),
            rate: args.rate,
            nodes: places.into_iter().enumerate().map(node).collect(),
            samples: Vec::new(),
            marks: Vec::new(),
            kills: 0,
            joins: 0,
            load_before: machine_load(),
            opening_ms_max: args.quiet_machine.then_some(OPENING_MS_MAX),
            keys: args.keys,
            load: None,
            sent: 0,
            began: Instant::now(),
            directory: Some(directory),
        })
    }

    /// Starts all nodes and the load, and makes the keys that are to be migrated.
    pub(crate) fn start(&mut self) -> Result<()> {
        for index in 0..VALIDATORS {
            self.start_node(index, &[])?;
        }
        self.wait("the first blocks", |sample| sample.height >= 2)?;
        for (drop, count) in (0..).zip(load::drops(self.keys)) {
            let seed = self.seed.wrapping_mul(1_000).wrapping_add(drop);
            self.decide(Action::Airdrop { seed, count })?;
        }
        self.load = Some(Load::start(self.seed, self.nodes.iter().map(Node::rpc).collect()));
        self.mark(LOADED);
        self.wait_blocks(BLOCKS_BEFORE.max(self.keys / KEYS_PER_BLOCK_BEFORE))?;
        Ok(())
    }

    /// Starts a node; `environment` is what a rig tells the chain's program.
    pub(crate) fn start_node(&mut self, index: usize, environment: &[(&str, String)]) -> Result<()> {
        self.nodes[index].start(environment)
    }

    /// Has the chain move so many keys a block on the way to `goal`. Goes on once the decision is a block's.
    pub(crate) fn migrate(&mut self, keys_per_block: u64, goal: Mode) -> Result<()> {
        self.mark(&format!("{keys_per_block} keys a block to {goal}"));
        self.decide(Action::Migrate { keys_per_block, goal: goal.as_str().to_owned() })
    }

    /// Sends a transaction of the authority until it is in a block.
    fn decide(&mut self, action: Action) -> Result<()> {
        let nonce = self.highest(|node| load::nonce(node, AUTHORITY))?;
        let tx = Tx { sender: AUTHORITY, nonce, action }.to_bytes();
        let until = Instant::now() + FROZEN;
        while Instant::now() < until {
            self.any(|node| node.send(&tx))?;
            let again = Instant::now() + SEND_AGAIN;
            while Instant::now() < again {
                if self.highest(|node| load::nonce(node, AUTHORITY))? > nonce {
                    return Ok(());
                }
                thread::sleep(LOOK_EVERY);
            }
        }
        bail!("a decision does not get into a block");
    }

    /// Waits until the newest sample is as it is to be. Nothing may freeze meanwhile, and no node end by itself.
    pub(crate) fn wait(&mut self, what: &str, reached: impl Fn(&Sample) -> bool) -> Result<()> {
        let until = Instant::now() + WAIT_MAX;
        let mut grown = Instant::now();
        let mut height = 0;
        loop {
            let sample = self.any(|node| node.status(0)).and_then(|status| self.sample(&status));
            if let Ok(sample) = sample {
                if sample.height > height {
                    (height, grown) = (sample.height, Instant::now());
                }
                let done = reached(&sample);
                self.samples.push(sample);
                if done {
                    return Ok(());
                }
            }
            if grown.elapsed() > FROZEN {
                bail!("the network is frozen while waiting for {what}: height={height}");
            }
            ensure!(Instant::now() < until, "blocks go on, and there is never {what}: height={height}");
            for node in &mut self.nodes {
                if node.has_ended()? {
                    bail!("a node has ended by itself while waiting for {what}: node={}", node.index);
                }
            }
            thread::sleep(SAMPLE_EVERY);
        }
    }

    /// Waits for so many more blocks.
    pub(crate) fn wait_blocks(&mut self, blocks: u64) -> Result<()> {
        let mut first = None;
        while first.is_none() {
            self.wait("a block", |_| true)?;
            first = self.samples.last().map(|sample| sample.height);
        }
        let target = first.unwrap_or(0) + blocks;
        self.wait("more blocks", move |sample| sample.height >= target)
    }

    /// Waits until one node has stored the block that the others are at.
    pub(crate) fn wait_node(&mut self, index: usize) -> Result<()> {
        self.wait_node_for(index, FROZEN)
    }

    /// Waits so long until one node has stored the block that the others are at.
    pub(crate) fn wait_node_for(&mut self, index: usize, patience: Duration) -> Result<()> {
        let others = self.nodes.iter().filter(|node| node.index != index && node.is_running());
        // What was seen last counts too: the others may be down, and then nobody else says how far they were.
        let seen = self.samples.last().map_or(1, |sample| sample.height);
        let target = others.filter_map(|node| node.rpc().height().ok()).fold(seen, u64::max);
        self.wait_height(index, target, patience)
    }

    /// Waits so long until the program of one node has a block.
    fn wait_height(&mut self, index: usize, target: u64, patience: Duration) -> Result<()> {
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if self.nodes[index].rpc().status(0).is_ok_and(|status| status["height"].as_u64() >= Some(target)) {
                return Ok(());
            }
            if self.nodes[index].has_ended()? {
                bail!("a node has ended by itself while it catches up: node={index}");
            }
            thread::sleep(LOOK_EVERY);
        }
        bail!("a node does not catch up: node={index} height={target}");
    }

    /// What a node that joins by a snapshot is to trust: the newest block that all validators which run have. Its engine waits
    /// half a minute for one of them that lacks it, and gives up.
    pub(crate) fn trust(&self) -> Result<Trust> {
        let running: Vec<Rpc> =
            self.nodes[..VALIDATORS].iter().filter(|node| node.is_running()).map(Node::rpc).collect();
        let heights = running.iter().map(|node| node.height()).collect::<Result<Vec<_>>>()?;
        let height = heights.into_iter().min().context("no validator runs")?;
        let block_hash = self.any(|node| node.block_hash(height))?;
        Ok(Trust { height, block_hash, rpc_ports: running.iter().map(|node| node.port).collect() })
    }

    /// Keys that a block moves while the network is disturbed.
    pub(crate) fn slow_rate(&self) -> u64 {
        (self.rate / SLOWER).max(1)
    }

    pub(crate) fn mark(&mut self, what: &str) {
        eprintln!("chain: {:>6.1} s  {what}", self.began.elapsed().as_secs_f64());
        self.marks.push((self.began.elapsed(), what.to_owned()));
    }

    /// Transactions that nodes have taken from the load.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// The highest answer of the running nodes: one that lags says less.
    fn highest(&self, ask: impl Fn(Rpc) -> Result<u64>) -> Result<u64> {
        let one = self.any(&ask)?;
        let running = self.nodes.iter().filter(|node| node.is_running());
        Ok(running.filter_map(|node| ask(node.rpc()).ok()).fold(one, u64::max))
    }

    /// Asks the running nodes in turn until one answers.
    fn any<T>(&self, ask: impl Fn(Rpc) -> Result<T>) -> Result<T> {
        let until = Instant::now() + FROZEN;
        loop {
            for node in self.nodes.iter().filter(|node| node.is_running()) {
                if let Ok(answer) = ask(node.rpc()) {
                    return Ok(answer);
                }
            }
            if Instant::now() > until {
                bail!("no node answers");
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    fn sample(&self, status: &Value) -> Result<Sample> {
        let number = |name: &str| status[name].as_u64().with_context(|| format!("a status without {name}"));
        Ok(Sample {
            at: self.began.elapsed(),
            height: number("height")?,
            mode: status["write_mode"].as_str().unwrap_or_default().parse()?,
            remaining_keys: number("remaining_keys")?,
            boundary: status["boundary"].as_str().unwrap_or_default().to_owned(),
        })
    }

    /// Stops the load, waits until all nodes that run are at one height or above, asks what is to be compared, and stops
    /// them in order.
    pub(crate) fn finish(&mut self) -> Result<Last> {
        if let Some(mut load) = self.load.take() {
            load.stop();
            self.sent = load.sent();
        }
        let running: Vec<usize> = self.nodes.iter().filter(|node| node.is_running()).map(|node| node.index).collect();
        for index in &running {
            self.wait_node(*index)?;
        }
        self.wait_empty_mempools(&running)?;
        self.wait_blocks(3)?;
        self.mark("stop");
        // The block that a node works on when it is stopped: its transactions are part of what is compared.
        let heights = running.iter().map(|index| self.nodes[*index].rpc().height()).collect::<Result<Vec<_>>>()?;
        let last = heights.into_iter().min().unwrap_or(0);
        let headers = running.iter().map(|index| Ok((*index, self.nodes[*index].rpc().headers(last)?)));
        let headers = headers.collect::<Result<_>>()?;
        // The newest height of any node is taken last: blocks behind it are empty of load.
        let newest = self.highest(|node| node.height())?;
        let blocks = (1..=newest).map(|height| self.any(|node| node.txs(height))).collect::<Result<_>>()?;
        for index in &running {
            // One that was started a moment ago goes from block to block of its peers before it takes part.
            self.wait_height(*index, newest, FROZEN)?;
        }
        for index in running {
            self.nodes[index].stop()?;
        }
        Ok(Last { blocks, headers })
    }

    /// A node that was away may have a transaction that the others have not seen. All blocks of load must be there before they
    /// are asked for.
    fn wait_empty_mempools(&self, nodes: &[usize]) -> Result<()> {
        let until = Instant::now() + FROZEN;
        while nodes.iter().any(|index| !matches!(self.nodes[*index].rpc().waiting(), Ok(0))) {
            ensure!(Instant::now() < until, "a mempool does not become empty");
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Keeps the folder for whoever looks into a failure.
    pub(crate) fn keep(&mut self, to: &Path) -> Result<PathBuf> {
        self.nodes.iter_mut().try_for_each(Node::kill_both)?;
        let directory = self.directory.take().context("the folder is kept already")?.keep();
        if to.exists() {
            fs::remove_dir_all(to).with_context(|| format!("cannot remove {}", to.display()))?;
        }
        // Another file system does not take a rename; then it stays where it is.
        Ok(match fs::rename(&directory, to) {
            Ok(()) => to.to_owned(),
            Err(_) => directory,
        })
    }
}
