//! What callers write: a seeded mix of changed, new and deleted keys, and the stamps.
//!
//! Nonces are never deleted and no value is all zero, so what a read returns does not depend on how far the migration
//! has come; the rules for those cases are the recorded lives' business (`ferry replay`).

use std::collections::BTreeSet;

use ferry::{KvPair, NamedChangeSet};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::keyspace::Class;

use super::model::Model;

/// Makes block after block.
pub(super) struct Workload {
    rng: ChaCha8Rng,
    writes: u64,
    /// Per kind, the index of the next new key.
    fresh: [(Class, u64); 5],
}

/// The kinds that callers write, with their share in percent.
const SHARES: [(Class, u32); 5] =
    [(Class::Slot, 50), (Class::Nonce, 20), (Class::Balance, 20), (Class::WasmEntry, 8), (Class::Code, 2)];

impl Workload {
    pub(super) fn new(seed: u64, writes: u64, model: &Model) -> Self {
        let fresh = SHARES.map(|(class, _)| (class, model.keyspace().count(class)));
        Self { rng: ChaCha8Rng::seed_from_u64(seed), writes, fresh }
    }

    /// The changes of block `height`, which the model takes over.
    pub(super) fn block(&mut self, height: u64, model: &mut Model) -> Vec<NamedChangeSet> {
        let mut changes = Changes { height, model, sets: Vec::new() };
        for stamp in Class::STAMPS {
            changes.set(stamp, 0);
        }
        let mut seen = BTreeSet::new();
        for _ in 0..self.writes {
            let which = self.class();
            let (class, fresh) = self.fresh[which];
            let new = class == Class::Code || self.rng.random_ratio(1, 10);
            let index = if new { fresh } else { self.rng.random_range(0..fresh) };
            if !seen.insert((class, index)) {
                continue;
            }
            if new {
                self.fresh[which].1 += 1;
            }
            let may_go = matches!(class, Class::Slot | Class::Balance | Class::WasmEntry);
            if class == Class::Code {
                changes.deploy(index);
            } else if may_go && !new && self.rng.random_ratio(1, 10) {
                changes.delete(class, index);
            } else {
                changes.set(class, index);
            }
        }
        changes.sets
    }

    /// A kind by its share: its place in [`SHARES`].
    fn class(&mut self) -> usize {
        let mut left = self.rng.random_range(0..100);
        for (which, (_, share)) in SHARES.iter().enumerate() {
            if left < *share {
                return which;
            }
            left -= share;
        }
        0
    }
}

/// A block's changes on their way into the model.
struct Changes<'a> {
    height: u64,
    model: &'a mut Model,
    sets: Vec<NamedChangeSet>,
}

impl Changes<'_> {
    fn set(&mut self, class: Class, index: u64) {
        let keyspace = self.model.keyspace();
        let pair = KvPair::set(keyspace.key(class, index), keyspace.value(class, index, self.height));
        self.model.set(class, index, self.height);
        self.push(class, pair);
    }

    fn delete(&mut self, class: Class, index: u64) {
        let pair = KvPair::delete(self.model.keyspace().key(class, index));
        self.model.delete(class, index);
        self.push(class, pair);
    }

    /// A new contract: an account with its code.
    fn deploy(&mut self, contract: u64) {
        let account = self.model.keyspace().contract_account(contract);
        self.set(Class::Nonce, account);
        for class in [Class::Code, Class::CodeHash, Class::CodeSize] {
            self.set(class, contract);
        }
    }

    fn push(&mut self, class: Class, pair: KvPair) {
        match self.sets.iter_mut().find(|set| set.name == class.store()) {
            Some(set) => set.changeset.pairs.push(pair),
            None => self.sets.push(NamedChangeSet::new(class.store(), vec![pair])),
        }
    }
}
