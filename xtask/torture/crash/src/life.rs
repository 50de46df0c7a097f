//! The life that a node leads under torture: small, the same for the same seed, and through everything that writes.
//!
//! The rules say what every block must read: the model of the facade's own tests goes along while the life is made up, and
//! each block keeps a copy of it.

use ferry::{Durability, Mode, NamedChangeSet};

use crate::builder::Builder;
use crate::model::Model;
use crate::trace::{Course, Stage};

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
    /// Exports the state, outside the home.
    Export(Slot),
    /// Closes, restores what was exported, and opens.
    Receive(Slot),
    /// Closes, imports what is left of the migrations up to `to` behind block `at_height`, and opens.
    Import {
        at_height: u64,
        to: Mode,
    },
    /// Waits until the background has had time to sync.
    Wait,
}

/// Which export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    First,
    Second,
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
    /// Blocks are left to the operating system.
    Os,
    /// Offline imports and restores of exports, one over the other.
    Moved,
}

impl Kind {
    /// Those whose crash points are tried.
    pub(crate) const LIVES: [Self; 4] = [Self::Whole, Self::Bare, Self::Os, Self::Moved];

    pub(crate) fn life(self, seed: u64) -> Life {
        match self {
            Self::Whole => Life::whole(seed),
            Self::Bare => Life::bare(seed),
            Self::Small => Life::small(seed),
            Self::Os => Life::os(seed),
            Self::Moved => Life::moved(seed),
        }
    }

    /// Its word on the command line.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Bare => "bare",
            Self::Small => "small",
            Self::Os => "os",
            Self::Moved => "moved",
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
    /// Whether a block is on disk before it is acknowledged.
    pub(crate) durability: Durability,
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

    /// The life whose blocks are left to the operating system: what is waited for is synced in the background, and nothing
    /// else. memiavl's snapshots are made beside the blocks.
    pub(crate) fn os(seed: u64) -> Self {
        let mut life = Builder::new(seed, 3);
        life.life.durability = Durability::Os;
        life.phase("os_birth");
        life.genesis();
        life.act(Action::Wait);
        life.block(0, 4);
        life.block(0, 4);
        life.act(Action::Wait);
        life.block(0, 4);
        life.block(0, 4);
        life.phase("os_flatkv_first_block");
        life.enter(Mode::MigrateEvm, 8);
        life.act(Action::Wait);
        life.block(8, 4);
        life.phase("os_migrations");
        life.act(Action::Wait);
        life.block(8, 5);
        life.block(8, 5);
        life.until_complete(8, 4);
        life.act(Action::Reopen);
        life.enter(Mode::MigrateAllButBank, 10);
        life.block(10, 4);
        life.act(Action::Wait);
        life.until_complete(10, 4);
        life.phase("os_rollback");
        life.roll_back(2);
        life.until_complete(12, 4);
        life.act(Action::Wait);
        life.phase("os_end");
        life.enter(Mode::MigrateBank, 9);
        life.until_complete(9, 4);
        life.enter(Mode::FlatkvOnly, 4);
        life.block(5, 3);
        life.act(Action::Wait);
        for _ in 0..ROLLBACK_BLOCKS {
            life.block(5, 3);
        }
        life.done()
    }

    /// The life of a node whose operator moves it offline, and brings it back to an export: memiavl goes, and comes back.
    pub(crate) fn moved(seed: u64) -> Self {
        let mut life = Builder::new(seed, 4);
        life.phase("moved_birth");
        life.genesis();
        life.block(0, 4);
        life.enter(Mode::MigrateEvm, 6);
        life.block(6, 4);
        life.phase("export");
        life.export(Slot::First);
        life.block(6, 4);
        life.phase("restore_of_both_stores");
        life.receive(Slot::First);
        life.block(6, 4);
        life.phase("import_of_one_migration");
        life.import(Mode::EvmMigrated);
        life.enter(Mode::EvmMigrated, 5);
        life.enter(Mode::MigrateAllButBank, 7);
        life.phase("import_of_all");
        life.import(Mode::FlatkvOnly);
        life.enter(Mode::FlatkvOnly, 5);
        life.export(Slot::Second);
        life.block(5, 3);
        life.phase("restore_brings_memiavl_back");
        life.receive(Slot::First);
        life.block(6, 4);
        life.phase("restore_without_memiavl");
        life.receive(Slot::Second);
        life.block(5, 3);
        life.phase("import_of_all_at_once");
        life.receive(Slot::First);
        life.import(Mode::FlatkvOnly);
        life.block(5, 3);
        life.act(Action::Reopen);
        life.block(5, 3);
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

impl Course for Life {
    fn stage(&self, number: usize) -> Option<Stage> {
        let Step { phase, after, .. } = *self.steps.get(number)?;
        Some(Stage { phase, before: self.before(number), after })
    }
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
            Life::os(seed);
            Life::moved(seed);
        }
    }
}
