//! The life that a node leads under torture: small, the same for the same seed, and through everything that writes.
//!
//! The rules say what every block must read: the model of the facade's own tests goes along while the life is made up, and
//! each block keeps a copy of it.

use ferry::{KvPair, Mode, NamedChangeSet};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::model::{Cursor, Model};

/// The chain's modules: one for each way through the migrations, and one more.
pub(crate) const MODULES: [&str; 4] = ["acc", "bank", "evm", "wasm"];
/// The chain's first height. FlatKV drops old records every 64 blocks: this way the life comes by one such height.
pub(crate) const FIRST_HEIGHT: u64 = 57;
/// How many blocks can be rolled back, but in the bare life.
pub(crate) const ROLLBACK_BLOCKS: u64 = 6;

/// A key of the life.
pub(crate) type Key = (String, Vec<u8>);

/// One block.
#[derive(Clone, Debug)]
pub(crate) struct BlockStep {
    pub(crate) mode: Mode,
    pub(crate) batch: u64,
    pub(crate) flushes: Vec<Vec<NamedChangeSet>>,
}

/// Something that a node is asked to do.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Block(BlockStep),
    /// Closes and opens.
    Reopen,
    /// A memiavl snapshot, waited for.
    Snapshot,
    /// Back to this height.
    RollBack(u64),
    /// Closes, puts a copy of both stores aside, and opens.
    Save,
    /// Closes, replaces both stores whole by the copy, and opens.
    Restore,
}

/// A step of the life.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// What the life is about at this point; figures are kept by it.
    pub(crate) phase: &'static str,
    pub(crate) action: Action,
    /// The state behind it: an index into [`Life::states`].
    pub(crate) after: usize,
}

/// What the rules say of a block.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) height: u64,
    pub(crate) model: Model,
}

/// Which life is led.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// All modes, with rollbacks across the seams.
    Whole,
    /// Nothing can be rolled back: what is superseded goes at once.
    Bare,
    /// The stations of the whole life, fewer blocks between them: for operations that fail.
    Small,
}

impl Kind {
    pub(crate) fn life(self, seed: u64) -> Life {
        match self {
            Self::Whole => Life::whole(seed),
            Self::Bare => Life::bare(seed),
            Self::Small => Life::small(seed),
        }
    }

    /// Its word on the command line.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Bare => "bare",
            Self::Small => "small",
        }
    }
}

/// A life.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) steps: Vec<Step>,
    /// State 0 is that before the first block.
    pub(crate) states: Vec<State>,
    /// Every key that is ever written, and some that never are.
    pub(crate) keys: Vec<Key>,
    /// memiavl's blocks between two snapshots.
    pub(crate) snapshot_blocks: u64,
    /// How many blocks can be rolled back.
    pub(crate) rollback_blocks: u64,
}

impl Life {
    /// The life for the crash points: all modes, with rollbacks across the seams.
    pub(crate) fn whole(seed: u64) -> Self {
        let mut life = Builder::new(seed, 4);
        life.phase("birth");
        life.genesis();
        life.block(0, 5);
        life.act(Action::Snapshot);
        life.block(0, 4);
        life.phase("flatkv_first_block");
        life.enter(Mode::MigrateEvm, 5);
        life.block(5, 4);
        life.block(5, 4);
        life.phase("rollback_below_flatkv");
        life.roll_back(3);
        life.phase("migrate_evm");
        life.enter(Mode::MigrateEvm, 5);
        life.block(5, 5);
        life.act(Action::Reopen);
        life.block(0, 4);
        life.until_complete(6, 5);
        life.phase("rollback_over_completion");
        life.roll_back(2);
        life.phase("replace_stores");
        life.until_complete(7, 3);
        life.save();
        life.enter(Mode::EvmMigrated, 5);
        life.restore();
        life.phase("migrate_all_but_bank");
        life.enter(Mode::EvmMigrated, 5);
        life.block(5, 3);
        life.enter(Mode::MigrateAllButBank, 7);
        life.act(Action::Snapshot);
        life.until_complete(7, 4);
        life.phase("migrate_bank");
        life.enter(Mode::AllMigratedButBank, 5);
        // More than the rollback window behind the last one: older snapshots go.
        life.act(Action::Snapshot);
        life.enter(Mode::MigrateBank, 6);
        life.act(Action::Snapshot);
        life.until_complete(6, 4);
        life.phase("memiavl_rests");
        life.enter(Mode::FlatkvOnly, 5);
        life.block(5, 5);
        life.phase("rollback_over_the_end");
        life.roll_back(3);
        life.phase("flatkv_only");
        life.until_complete(6, 4);
        life.enter(Mode::FlatkvOnly, 5);
        life.block(5, 5);
        life.act(Action::Reopen);
        life.phase("memiavl_retires");
        for _ in 0..ROLLBACK_BLOCKS {
            life.block(5, 3);
        }
        life.act(Action::Reopen);
        life.block(5, 3);
        life.done()
    }

    /// The life without a rollback window: no older snapshot and no undo record stands by.
    pub(crate) fn bare(seed: u64) -> Self {
        let mut life = Builder::new(seed, 2);
        life.life.rollback_blocks = 0;
        life.phase("bare_birth");
        life.genesis();
        life.block(0, 4);
        life.act(Action::Snapshot);
        life.block(0, 4);
        life.act(Action::Snapshot);
        life.phase("bare_migrations");
        life.enter(Mode::MigrateEvm, 20);
        life.act(Action::Snapshot);
        life.until_complete(20, 4);
        life.enter(Mode::MigrateAllButBank, 30);
        life.act(Action::Reopen);
        life.until_complete(30, 4);
        life.enter(Mode::MigrateBank, 6);
        life.act(Action::Snapshot);
        life.until_complete(30, 4);
        life.phase("bare_end");
        life.enter(Mode::FlatkvOnly, 5);
        life.act(Action::Reopen);
        life.block(5, 3);
        life.done()
    }

    /// The life for failing operations: the same stations, fewer blocks between them.
    pub(crate) fn small(seed: u64) -> Self {
        let mut life = Builder::new(seed, 3);
        life.phase("birth");
        life.genesis();
        life.phase("migrate_evm");
        life.enter(Mode::MigrateEvm, 20);
        life.act(Action::Snapshot);
        life.until_complete(40, 4);
        life.phase("migrate_all_but_bank");
        life.enter(Mode::MigrateAllButBank, 60);
        life.phase("rollback");
        life.roll_back(2);
        life.phase("migrate_bank");
        life.until_complete(60, 4);
        life.enter(Mode::MigrateAllButBank, 60);
        life.until_complete(60, 4);
        life.enter(Mode::MigrateBank, 60);
        life.until_complete(60, 4);
        life.phase("flatkv_only");
        life.enter(Mode::FlatkvOnly, 4);
        life.done()
    }

    /// Whether a part of the life has this name.
    pub(crate) fn has_phase(&self, phase: &str) -> bool {
        self.steps.iter().any(|step| step.phase == phase)
    }

    /// The state before step `step`.
    pub(crate) fn before(&self, step: usize) -> usize {
        step.checked_sub(1).map_or(0, |before| self.steps[before].after)
    }

    /// The state at the end.
    pub(crate) fn last(&self) -> usize {
        self.before(self.steps.len())
    }
}

struct Builder {
    random: ChaCha8Rng,
    phase: &'static str,
    model: Model,
    chain: Vec<usize>,
    /// The chain at the moment of [`Action::Save`].
    saved: Vec<usize>,
    life: Life,
}

impl Builder {
    fn new(seed: u64, snapshot_blocks: u64) -> Self {
        let model = Model::new(&MODULES, 0);
        let states = vec![State { height: 0, model: model.clone() }];
        let life = Life { steps: Vec::new(), states, keys: keys(), snapshot_blocks, rollback_blocks: ROLLBACK_BLOCKS };
        Self { random: ChaCha8Rng::seed_from_u64(seed), phase: "", model, chain: vec![0], saved: Vec::new(), life }
    }

    fn phase(&mut self, phase: &'static str) {
        self.phase = phase;
    }

    fn act(&mut self, action: Action) {
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
    fn genesis(&mut self) {
        let keys = self.life.keys.clone();
        let chosen: Vec<Key> = keys.into_iter().filter(|_| self.random.random_ratio(4, 5)).collect();
        let pairs = chosen.into_iter().map(|(store, key)| self.write(&store, key)).collect();
        self.flush_and_commit(0, vec![pairs]);
    }

    /// A block of random writes in two flushes, which moves `batch` keys.
    fn block(&mut self, batch: u64, writes: usize) {
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
    fn enter(&mut self, mode: Mode, batch: u64) {
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
    fn until_complete(&mut self, batch: u64, writes: usize) {
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

    fn roll_back(&mut self, blocks: usize) {
        self.chain.truncate(self.chain.len() - blocks);
        let height = self.stand();
        self.act(Action::RollBack(height));
    }

    fn save(&mut self) {
        self.stand();
        self.act(Action::Save);
        self.saved = self.chain.clone();
    }

    fn restore(&mut self) {
        self.chain = self.saved.clone();
        self.stand();
        self.act(Action::Restore);
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

    fn done(self) -> Life {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_the_same_for_the_same_seed_and_ends_in_flatkv() {
        for seed in 0..20 {
            let (life, again) = (Life::whole(seed), Life::whole(seed));
            assert_eq!(format!("{:?}", life.steps), format!("{:?}", again.steps));
            assert!((60..=100).contains(&life.keys.len()), "{}", life.keys.len());
            assert_eq!(life.states[life.last()].model.version, 3);
            Life::small(seed);
            Life::bare(seed);
        }
    }
}
