//! What can be said of a migration at a moment: the content of `/status.json`.
//!
//! Units stand in the names. A field never changes its meaning within a schema version.

use serde::{Deserialize, Serialize};

use crate::state::State;

/// The version of the form that this has in JSON.
pub const SCHEMA_VERSION: u64 = 1;

/// How a migration stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u64,
    /// Whether it moves.
    pub state: State,
    /// Why it does not move, or not faster, and what makes it go on; empty while it moves.
    pub reason: String,
    /// The last committed height.
    pub height: u64,
    /// The write mode of the last block; none until a node was opened.
    pub write_mode: Option<String>,
    /// How many of the chain's migrations are complete.
    pub migration_version: u64,
    /// The module that the cursor stands in.
    pub boundary_module: Option<String>,
    /// Keys that the write mode's migration has moved since it began.
    pub moved_keys: u64,
    /// Keys that it has left to move; exact.
    pub remaining_keys: u64,
    /// Those by module.
    pub modules: Vec<ModuleRemaining>,
    /// What whoever makes the blocks wants to come to, across migrations.
    pub goal: Option<Goal>,
    /// Keys moved a second, over the last minute; 0 unless it moves.
    pub keys_per_second: f64,
    /// Seconds until nothing is left, to the goal if there is one; none unless it moves.
    pub eta_seconds: Option<f64>,
    /// Blocks since the node was opened.
    pub blocks: u64,
    /// Seconds since the last block; none before the first.
    pub last_block_seconds: Option<f64>,
    /// Milliseconds that the last blocks took from flush to published view, oldest first.
    pub block_ms: Vec<f64>,
    /// Sizes; none until they were measured.
    pub sizes: Option<Sizes>,
    /// Views that readers hold.
    pub views_open: u64,
    /// Memory of the process that no file backs.
    pub memory_anonymous_bytes: u64,
}

/// What a module has left to move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleRemaining {
    /// The module.
    pub name: String,
    /// Keys; exact.
    pub remaining_keys: u64,
}

/// Where blocks are to lead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goal {
    /// The write mode in which the goal is reached.
    pub write_mode: String,
    /// Keys to move until then, of all migrations on the way.
    pub remaining_keys: u64,
}

/// What the stores take on disk, and what is left there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// memiavl's directory.
    pub memiavl_bytes: u64,
    /// FlatKV's directory.
    pub flatkv_bytes: u64,
    /// Free on the file system of the home.
    pub disk_free_bytes: u64,
}

impl Progress {
    /// Keys to move until the goal, or until the migration's end where nobody has a goal.
    pub fn keys_to_go(&self) -> u64 {
        self.goal.as_ref().map_or(self.remaining_keys, |goal| goal.remaining_keys)
    }

    /// The share of the present migration that has moved; 1 when nothing is left.
    pub fn ratio(&self) -> f64 {
        ratio(self.moved_keys, self.remaining_keys)
    }
}

/// The share of `moved` in what was to move.
pub(crate) fn ratio(moved: u64, remaining: u64) -> f64 {
    if remaining == 0 {
        return 1.0;
    }
    moved as f64 / (moved as f64 + remaining as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_one_only_when_nothing_is_left() {
        assert_eq!(ratio(0, 0), 1.0);
        assert_eq!(ratio(5, 0), 1.0);
        assert_eq!(ratio(0, 5), 0.0);
        assert_eq!(ratio(1, 3), 0.25);
        assert!(ratio(u64::MAX, 1) <= 1.0);
    }
}
