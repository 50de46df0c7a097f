//! What a node holds, in figures.

use boundary::Boundary;
use changeset::Hash;
use migrate_core::{Mode, Route};

/// What a home holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The last committed height.
    pub height: u64,
    /// memiavl's height; none once it is retired.
    pub memiavl_height: Option<u64>,
    /// FlatKV's height; none before it exists.
    pub flatkv_height: Option<u64>,
    /// The write mode that `auto` would take.
    pub mode: Mode,
    /// The migration's version.
    pub version: u64,
    /// The migration's cursor; none when none is in flight.
    pub boundary: Option<Boundary>,
    /// FlatKV's root.
    pub root: Option<Hash>,
    /// The modules in name order.
    pub modules: Vec<ModuleStatus>,
}

/// How far a module is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleStatus {
    /// The module.
    pub name: String,
    /// Where its keys go.
    pub route: Route,
    /// Keys that migrations have moved; exact.
    pub moved: u64,
    /// Keys still in memiavl; exact.
    pub remaining: u64,
}

impl ModuleStatus {
    /// The share of its keys that has moved, in percent; 100 for a module that has nothing left to move.
    pub fn percent(&self) -> f64 {
        match (self.moved, self.remaining) {
            (_, 0) if self.route != Route::Old => 100.0,
            (0, _) => 0.0,
            (moved, remaining) => 100.0 * moved as f64 / (moved as f64 + remaining as f64),
        }
    }
}
