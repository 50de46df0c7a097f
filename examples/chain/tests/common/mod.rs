//! What the tests share: a chain in a temporary home, and a load of random transactions for it.

use example_chain::{Action, Address, Genesis, Tx};
use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

pub(crate) const AUTHORITY: Address = Address([1; 20]);
pub(crate) const USERS: u8 = 6;

pub(crate) fn genesis() -> Genesis {
    let accounts = (0..USERS).map(|user| (self::user(user), 100_000)).chain([(AUTHORITY, 1)]).collect();
    Genesis { authority: AUTHORITY, accounts }
}

pub(crate) fn user(index: u8) -> Address {
    Address([0x10 + index; 20])
}

pub(crate) fn migrate(nonce: u64, keys_per_block: u64, goal: &str) -> Vec<u8> {
    let action = Action::Migrate { keys_per_block, goal: goal.to_owned() };
    Tx { sender: AUTHORITY, nonce, action }.to_bytes()
}

/// Random transactions, most of which succeed.
pub(crate) struct Load {
    rng: ChaCha8Rng,
    nonces: [u64; USERS as usize],
    contracts: Vec<Address>,
}

impl Load {
    pub(crate) fn new(seed: u64) -> Self {
        println!("seed={seed}");
        Self { rng: ChaCha8Rng::seed_from_u64(seed), nonces: [0; USERS as usize], contracts: vec![user(0)] }
    }

    pub(crate) fn txs(&mut self, count: usize) -> Vec<Vec<u8>> {
        (0..count).map(|_| self.tx()).collect()
    }

    fn tx(&mut self) -> Vec<u8> {
        let index = self.rng.random_range(0..USERS);
        let (sender, nonce) = (user(index), self.nonces[usize::from(index)]);
        self.nonces[usize::from(index)] += 1;
        let other = user(self.rng.random_range(0..USERS));
        let contract = self.contracts[self.rng.random_range(0..self.contracts.len())];
        let action = match self.rng.random_range(0..12) {
            0..3 => Action::Transfer { to: other, amount: self.rng.random_range(0..500) },
            3 => Action::Airdrop { seed: self.rng.random(), count: self.rng.random_range(0..20) },
            4..6 => {
                self.contracts.push(Address::contract(sender, nonce));
                Action::Deploy { code: vec![self.rng.random(); self.rng.random_range(1..60)] }
            }
            6 => Action::Destroy { contract },
            7..10 => {
                let mut slot = || (self.rng.random_range(0..8), self.rng.random_range(0..3));
                Action::Store { contract, slots: (0..4).map(|_| slot()).collect() }
            }
            10 => Action::Delegate { validator: other, amount: self.rng.random_range(0..300) },
            _ => Action::Undelegate { validator: other },
        };
        Tx { sender, nonce, action }.to_bytes()
    }
}
