//! Making a life up: the model goes along, and each block keeps a copy of it.

use ferry::{Durability, KvPair, Mode, NamedChangeSet};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::life::{Action, BlockStep, FIRST_HEIGHT, Key, Life, MODULES, ROLLBACK_BLOCKS, Slot, State, Step};
use crate::model::{Cursor, Model};

/// A life in the making.
pub(crate) struct Builder {
    random: ChaCha8Rng,
    phase: &'static str,
    model: Model,
    chain: Vec<usize>,
    /// The chain at the moment of [`Action::Save`].
    saved: Vec<usize>,
    /// The block at the moment of each [`Action::Export`].
    exported: [usize; 2],
    pub(crate) life: Life,
}

impl Builder {
    pub(crate) fn new(seed: u64, snapshot_blocks: u64) -> Self {
        let model = Model::new(&MODULES, 0);
        let states = vec![State { height: 0, model: model.clone() }];
        let life = Life {
            steps: Vec::new(),
            states,
            keys: keys(),
            snapshot_blocks,
            rollback_blocks: ROLLBACK_BLOCKS,
            durability: Durability::Sync,
        };
        let random = ChaCha8Rng::seed_from_u64(seed);
        Self { random, phase: "", model, chain: vec![0], saved: Vec::new(), exported: [0; 2], life }
    }

    pub(crate) fn phase(&mut self, phase: &'static str) {
        self.phase = phase;
    }

    pub(crate) fn act(&mut self, action: Action) {
        if let Action::Reopen | Action::Save = action {
            self.model.reopen();
        }
        if self.model.version == 3 && matches!(action, Action::Snapshot) {
            // In some lives the last migration is over by then, and memiavl rests.
            return;
        }
        let after = *self.chain.last().unwrap_or(&0);
        self.life.steps.push(Step { phase: self.phase, action, after });
    }

    /// The chain's state before the migrations: four in five of the keys.
    pub(crate) fn genesis(&mut self) {
        let keys = self.life.keys.clone();
        let chosen: Vec<Key> = keys.into_iter().filter(|_| self.random.random_ratio(4, 5)).collect();
        let pairs = chosen.into_iter().map(|(store, key)| self.write(&store, key)).collect();
        self.flush_and_commit(0, vec![pairs]);
    }

    /// A block of random writes in two flushes, which moves `batch` keys.
    pub(crate) fn block(&mut self, batch: u64, writes: usize) {
        let mut flushes = Vec::new();
        for part in [writes.div_ceil(2), writes / 2] {
            let mut pairs: Vec<(String, KvPair)> = Vec::new();
            for _ in 0..part {
                // UNWRAP: the list of keys is written below and not empty.
                let (store, key) = self.life.keys.choose(&mut self.random).expect("keys").clone();
                let is_delete = self.random.random_ratio(1, 4);
                pairs.push(if is_delete { (store, KvPair::delete(key)) } else { self.write(&store, key) });
            }
            flushes.push(pairs);
        }
        self.flush_and_commit(batch, flushes);
    }

    /// The first block in `mode`.
    pub(crate) fn enter(&mut self, mode: Mode, batch: u64) {
        self.model.batch = batch;
        while self.model.mode < mode {
            assert!(
                self.model.step(),
                "the life asks for a step that the rules refuse: {:?} to {mode:?}",
                self.model.mode
            );
        }
        self.block(batch, 4);
    }

    /// Blocks until the present migration is complete.
    pub(crate) fn until_complete(&mut self, batch: u64, writes: usize) {
        if self.model.moving().is_empty() {
            // The rollback before went behind the whole migration.
            if let Some(next) = self.model.mode.next() {
                self.enter(next, batch);
            }
        }
        while !self.model.migration_is_complete() {
            self.block(batch, writes);
        }
    }

    pub(crate) fn roll_back(&mut self, blocks: usize) {
        self.chain.truncate(self.chain.len() - blocks);
        let height = self.stand();
        self.act(Action::RollBack(height));
    }

    pub(crate) fn save(&mut self) {
        self.stand();
        self.act(Action::Save);
        self.saved = self.chain.clone();
    }

    pub(crate) fn restore(&mut self) {
        self.chain = self.saved.clone();
        self.stand();
        self.act(Action::Restore);
    }

    pub(crate) fn export(&mut self, slot: Slot) {
        self.exported[slot as usize] = *self.chain.last().unwrap_or(&0);
        self.act(Action::Export(slot));
    }

    /// Nothing leads back behind a restored block.
    pub(crate) fn receive(&mut self, slot: Slot) {
        self.chain = vec![self.exported[slot as usize]];
        self.stand();
        self.act(Action::Receive(slot));
    }

    /// The block stays, and everything up to `to` has moved.
    pub(crate) fn import(&mut self, to: Mode) {
        let at_height = self.stand();
        self.model.batch = u64::MAX;
        while self.model.version < to.base_version() {
            self.model.step();
            self.model.flushed = false;
            assert!(self.model.flush(&[]).is_ok(), "an import moves what the rules refuse");
        }
        self.model.reopen();
        self.life.states.push(State { height: at_height, model: self.model.clone() });
        self.chain = vec![self.life.states.len() - 1];
        self.act(Action::Import { at_height, to });
    }

    /// The model as a node shows it that was just opened at the chain's last block; the block's height.
    fn stand(&mut self) -> u64 {
        let state = &self.life.states[*self.chain.last().unwrap_or(&0)];
        self.model = state.model.clone();
        self.model.reopen();
        state.height
    }

    fn write(&mut self, store: &str, key: Vec<u8>) -> (String, KvPair) {
        let value: Vec<u8> = match (store, key.first()) {
            ("evm", Some(0x0a)) => self.random.random_range(0..4_u64).to_be_bytes().to_vec(),
            ("evm", Some(0x08)) => vec![self.random.random_range(1..9); 32],
            ("evm", Some(0x03)) => vec![self.random.random_range(0..9); 32],
            _ => {
                let bytes = self.random.random_range(1..80);
                let value: Vec<u8> = (0..bytes).map(|_| self.random.random()).collect();
                // Some values are empty, which is not absent; code that is empty is.
                if store != "evm" && value[0] < 32 { Vec::new() } else { value }
            }
        };
        (store.to_owned(), KvPair::set(key, value))
    }

    fn flush_and_commit(&mut self, batch: u64, flushes: Vec<Vec<(String, KvPair)>>) {
        self.model.batch = batch;
        self.model.flushed = false;
        let flushes: Vec<Vec<NamedChangeSet>> = flushes
            .into_iter()
            .map(|pairs| pairs.into_iter().map(|(store, pair)| NamedChangeSet::new(store, vec![pair])).collect())
            .collect();
        for flush in &flushes {
            assert!(self.model.flush(flush).is_ok(), "the life writes what the rules refuse");
        }
        let height = match self.life.states[*self.chain.last().unwrap_or(&0)].height {
            0 => FIRST_HEIGHT,
            last => last + 1,
        };
        self.life.states.push(State { height, model: self.model.clone() });
        self.chain.push(self.life.states.len() - 1);
        self.act(Action::Block(BlockStep { mode: self.model.mode, batch, flushes }));
    }

    pub(crate) fn done(self) -> Life {
        assert_eq!(self.model.version, 3, "the life ends before the migrations do");
        assert!(!matches!(self.model.cursor, Cursor::At(..)), "the life ends in the middle");
        self.life
    }
}

fn keys() -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    for byte in 1..=6_u8 {
        let address = [byte; 20];
        let evm = |prefix: u8| [&[prefix], address.as_slice()].concat();
        keys.push(("evm".to_owned(), evm(0x0a)));
        if byte % 2 == 0 {
            keys.push(("evm".to_owned(), evm(0x08)));
            keys.push(("evm".to_owned(), evm(0x07)));
        }
        for slot in 0..2_u8 {
            keys.push(("evm".to_owned(), [evm(0x03), vec![slot; 32]].concat()));
        }
        keys.push(("evm".to_owned(), vec![0x15, byte]));
    }
    for (store, count) in [("acc", 16_u8), ("bank", 16), ("wasm", 10)] {
        keys.extend((0..count).map(|number| (store.to_owned(), format!("{store}/{number:02}").into_bytes())));
    }
    keys
}
