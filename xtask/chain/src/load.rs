//! The load: random transactions of many senders, sent to whatever node answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use example_chain::{Action, Address, Genesis, Tx};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::rpc::Rpc;

/// Who sends. Each sends a few transactions and then waits for its turn, so that none is in doubt of its nonce for long.
const SENDERS: u8 = 60;
/// Between two turns.
const PAUSE: Duration = Duration::from_millis(40);
/// The transactions of the beginning: the accounts that each makes, of three keys. Many at once where there are to be many.
pub(crate) fn drops(keys: u64) -> impl Iterator<Item = u32> {
    const LEAST: u64 = 500;
    const MOST: u64 = 3_000;
    let accounts = keys.div_ceil(3);
    let count = (accounts / 100).clamp(LEAST, MOST);
    (0..accounts.div_ceil(count)).map(move |_| count as u32)
}

/// Who decides on the migration, and pays for the beginning.
pub(crate) const AUTHORITY: Address = Address([0xee; 20]);

/// The state that the network begins with.
pub(crate) fn genesis() -> Genesis {
    let senders = (0..SENDERS).map(|index| (sender(index), 1_000_000));
    Genesis { authority: AUTHORITY, accounts: senders.chain([(AUTHORITY, u64::MAX / 2)]).collect() }
}

/// A thread that sends until it is stopped.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    pub(crate) fn start(seed: u64, nodes: Vec<Rpc>) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut sending = Sending {
            rng: ChaCha8Rng::seed_from_u64(seed),
            nodes,
            contracts: vec![sender(0)],
            stop: Arc::clone(&stop),
            sent: Arc::clone(&sent),
        };
        let thread = thread::spawn(move || sending.run());
        Self { stop, sent, thread: Some(thread) }
    }

    /// How many transactions nodes have taken.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(crate) fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the load does not panic");
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Sending {
    rng: ChaCha8Rng,
    nodes: Vec<Rpc>,
    contracts: Vec<Address>,
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
}

impl Sending {
    fn run(&mut self) {
        for index in (0..SENDERS).cycle() {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            // Nodes are killed meanwhile: one that does not answer gets nothing.
            if let Ok(sent) = self.turn(sender(index)) {
                self.sent.fetch_add(sent, Ordering::Relaxed);
            }
            thread::sleep(PAUSE);
        }
    }

    fn turn(&mut self, sender: Address) -> anyhow::Result<u64> {
        let Some(node) = self.nodes.choose(&mut self.rng).copied() else { return Ok(0) };
        let first = nonce(node, sender)?;
        let count = self.rng.random_range(1..5);
        for nonce in first..first + count {
            let action = self.action(sender, nonce);
            node.send(&Tx { sender, nonce, action }.to_bytes())?;
        }
        Ok(count)
    }

    fn action(&mut self, me: Address, nonce: u64) -> Action {
        let other = sender(self.rng.random_range(0..SENDERS));
        let contract = *self.contracts.choose(&mut self.rng).unwrap_or(&me);
        match self.rng.random_range(0..12) {
            0..3 => Action::Transfer { to: other, amount: self.rng.random_range(1..500) },
            3 => Action::Airdrop { seed: self.rng.random(), count: self.rng.random_range(1..30) },
            4..6 => {
                self.contracts.push(Address::contract(me, nonce));
                Action::Deploy { code: vec![self.rng.random(); self.rng.random_range(1..200)] }
            }
            6 => Action::Destroy { contract },
            7..10 => {
                let mut slot = || (self.rng.random_range(0..50), self.rng.random_range(0..3));
                Action::Store { contract, slots: (0..10).map(|_| slot()).collect() }
            }
            10 => Action::Delegate { validator: other, amount: self.rng.random_range(1..300) },
            _ => Action::Undelegate { validator: other },
        }
    }
}

/// The sender's next nonce, as `node` knows it.
pub(crate) fn nonce(node: Rpc, sender: Address) -> anyhow::Result<u64> {
    let value = node.query("store/evm", &[&[0x0a], sender.0.as_slice()].concat(), 0)?;
    Ok(value.as_slice().try_into().map_or(0, u64::from_be_bytes))
}

fn sender(index: u8) -> Address {
    Address::derive(&[b"sender", &[index]])
}
