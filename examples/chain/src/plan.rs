//! The migration as chain state: how many keys a block moves, and the write mode that the chain is on the way to.
//!
//! A transaction sets the plan; every block evaluates it anew, whatever the node remembers. So a node that was restarted,
//! that replays old blocks, or that joined today does at each block what all others did.
//!
//! The record is u64 BE keys per block ‖ name of the write mode.

use ferry::{Mode, Node};

use crate::error::Error;
use crate::keys::{MIGRATION, PARAMS};
use crate::state::{Overlay, Read};

/// More keys than a block has time to move.
const KEYS_PER_BLOCK_MAX: u64 = 100_000;

/// What the chain has decided about its migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How many keys each block moves; 0 pauses.
    pub keys_per_block: u64,
    /// The write mode that the chain is on the way to.
    pub goal: Mode,
}

impl Plan {
    /// Nothing is to move.
    pub const NONE: Self = Self { keys_per_block: 0, goal: Mode::MemiavlOnly };

    pub(crate) fn new(keys_per_block: u64, goal: &str) -> Result<Self, ferry::UnknownMode> {
        Ok(Self { keys_per_block, goal: goal.parse()? })
    }

    /// The plan that the state holds.
    ///
    /// # Errors
    /// The store's; a record that does not read.
    pub fn read(state: &impl Read) -> Result<Self, Error> {
        let Some(record) = state.get(PARAMS, MIGRATION)? else { return Ok(Self::NONE) };
        let Some((keys, goal)) = record.split_first_chunk() else {
            let (key, expected) = (hex::encode(MIGRATION), size_of::<u64>());
            return Err(Error::Value { module: PARAMS, key, expected, got: record.len() });
        };
        Ok(Self::new(u64::from_be_bytes(*keys), &String::from_utf8_lossy(goal))?)
    }

    /// A migration does not go back, and has a bound.
    pub(crate) fn may_follow(&self, present: &Self) -> bool {
        self.goal >= present.goal && self.keys_per_block <= KEYS_PER_BLOCK_MAX
    }

    pub(crate) fn write<R: Read>(&self, state: &mut Overlay<'_, R>) {
        let record = [&self.keys_per_block.to_be_bytes(), self.goal.as_str().as_bytes()].concat();
        state.set(PARAMS, MIGRATION.to_vec(), record);
    }

    /// Makes it so for the next block. Called on every block, before anything is written: by level, not by edge.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn apply(&self, node: &mut Node) -> Result<(), Error> {
        node.set_batch_size(self.keys_per_block)?;
        node.step_towards(self.goal)?;
        Ok(())
    }
}
