//! Driving a node without a chain: empty blocks, one after the other, until a goal is reached.
//!
//! For a rehearsal, a test network, or a chain whose nodes all do the same. A node of a living chain must never be driven
//! so: its blocks are its chain's, and one more block of its own parts it from the others for good.

mod controls;
mod run;

use std::time::Duration;

use migrate_core::Mode;

pub use controls::{BATCH_KEYS_MAX, CheckpointEnd, CheckpointNews, Controls, Wish};
pub use run::drive;

/// How a node is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drive {
    /// The mode at whose version the drive ends; one that moves nothing.
    pub to: Mode,
    /// The time from block to block; none for as fast as it goes.
    pub interval: Option<Duration>,
    /// The most blocks to make.
    pub blocks_max: Option<u64>,
    /// Makes empty blocks and nothing else: nothing moves, no mode step is taken, no goal ends it.
    pub rests: bool,
}

/// How a drive ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveEnd {
    /// The goal is reached.
    Done,
    /// All blocks that were asked for are made.
    BlocksMade,
    /// Somebody stopped it; the last whole block stands.
    Stopped,
}

/// What a drive did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriveReport {
    /// How it ended.
    pub end: DriveEnd,
    /// Blocks made.
    pub blocks: u64,
    /// Keys moved.
    pub moved_keys: u64,
}
