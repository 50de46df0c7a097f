//! What the migration tells whoever watches it. The core knows no metrics library.

use std::time::Duration;

use changeset::AppHash;

use crate::error::ErrorKind;
use crate::mode::Mode;

/// What one flush did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlushReport {
    /// Keys that the batch moved.
    pub moved_keys: u64,
    /// Their key bytes.
    pub moved_key_bytes: u64,
    /// Their value bytes.
    pub moved_value_bytes: u64,
    /// Whether the flush advanced the cursor, an empty batch included.
    pub advanced: bool,
    /// The caller's pairs that were routed to memiavl.
    pub routed_old: u64,
    /// The caller's pairs that were routed to FlatKV.
    pub routed_new: u64,
    /// Pairs written to memiavl: the caller's, and the deletes of moved keys.
    pub written_old: u64,
    /// Pairs written to FlatKV: the caller's, moved ones, metadata.
    pub written_new: u64,
    /// Time the flush took.
    pub elapsed: Duration,
}

/// How the migration stands after a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockReport {
    /// The block's height.
    pub height: u64,
    /// The migration's version.
    pub version: u64,
    /// The write mode that the block ran in.
    pub mode: Mode,
    /// The module that the cursor stands in; none when no migration is in flight.
    pub boundary_module: Option<String>,
    /// Whether the batch size is 0 in a mode that migrates.
    pub paused: bool,
    /// Keys left to move in the present migration, per module; exact.
    pub remaining: Vec<(String, u64)>,
    /// Keys that the mode's migration has moved since it began.
    pub moved_keys: u64,
    /// The block's app hash.
    pub app_hash: AppHash,
    /// Time the commit took.
    pub commit_elapsed: Duration,
}

/// Receives reports on the committing thread: an implementation returns at once and never calls back into the node.
pub trait Observer: Send + Sync {
    /// A node was opened, and this is how its last block has left it; no commit is told by this.
    fn opened(&self, _: &BlockReport) {}

    /// A flush was applied to the block in work.
    fn flush(&self, report: &FlushReport);

    /// A block was committed and its view published.
    fn block(&self, report: &BlockReport);

    /// Someone waited for the manager's lock.
    fn lock_wait(&self, waited: Duration);

    /// A flush or a commit ended in an error.
    fn failed(&self, kind: ErrorKind);

    /// The node refuses all work until it is reopened.
    fn poisoned(&self);
}

/// The observer that looks away.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn flush(&self, _: &FlushReport) {}

    fn block(&self, _: &BlockReport) {}

    fn lock_wait(&self, _: Duration) {}

    fn failed(&self, _: ErrorKind) {}

    fn poisoned(&self) {}
}
