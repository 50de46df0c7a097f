//! What an operator can change of a drive while it runs.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// The most keys that a block may be set to move: an unbounded number would stop every node of the chain at the same
/// height, for want of memory.
pub const BATCH_KEYS_MAX: u64 = 1_000_000;

/// What is wished of a drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// No blocks are made.
    pub paused: bool,
    /// It ends behind the block in work.
    pub stopped: bool,
    /// Keys that a block moves.
    pub batch_keys: u64,
}

/// The wishes, shared between whoever has them and the drive, which asks between two blocks.
#[derive(Debug)]
pub struct Controls {
    wish: Mutex<Wish>,
    changed: Condvar,
}

impl Controls {
    /// Controls of a drive that is to move `batch_keys` with each block.
    pub fn new(batch_keys: u64) -> Self {
        Self { wish: Mutex::new(Wish { paused: false, stopped: false, batch_keys }), changed: Condvar::new() }
    }

    /// What is wished at this moment.
    pub fn wish(&self) -> Wish {
        *self.wish.lock()
    }

    /// Makes no more blocks until [`resume`](Self::resume).
    pub fn pause(&self) {
        self.change(|wish| wish.paused = true);
    }

    /// Goes on.
    pub fn resume(&self) {
        self.change(|wish| wish.paused = false);
    }

    /// Ends the drive behind the block in work.
    pub fn stop(&self) {
        self.change(|wish| wish.stopped = true);
    }

    /// Moves so many keys with each block from the next one on; with 0 none are made.
    pub fn set_batch(&self, keys: u64) {
        self.change(|wish| wish.batch_keys = keys);
    }

    fn change(&self, change: impl FnOnce(&mut Wish)) {
        change(&mut self.wish.lock());
        self.changed.notify_all();
    }

    /// Waits for a wish that differs from `known`, at most for `time`.
    pub(super) fn wait(&self, known: Wish, time: Duration) {
        let mut wish = self.wish.lock();
        if *wish == known {
            self.changed.wait_for(&mut wish, time);
        }
    }
}
