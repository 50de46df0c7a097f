//! What an operator can change of a drive while it runs, and ask of it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use serde::{Deserialize, Serialize};

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

/// What became of the last checkpoint that was asked for. In words, as it goes through the control socket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointNews {
    /// The number that [`Controls::ask_checkpoint`] gave it.
    pub number: u64,
    /// None while it is not made yet.
    pub end: Option<CheckpointEnd>,
}

/// How a checkpoint ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckpointEnd {
    /// It is there.
    Made {
        /// The block.
        height: u64,
        /// Its app hash, in hex.
        app_hash: String,
        /// Bytes of its files.
        bytes: u64,
    },
    /// It is not.
    Failed {
        /// The error's kind, in a word.
        kind: String,
        /// The error.
        said: String,
    },
}

/// The wishes, shared between whoever has them and the drive, which asks between two blocks.
#[derive(Debug)]
pub struct Controls {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    wish: Wish,
    /// The wish that the drive goes by.
    taken: Option<Wish>,
    /// Where a checkpoint is to be made.
    wanted: Option<PathBuf>,
    news: Option<CheckpointNews>,
}

impl Controls {
    /// Controls of a drive that is to move `batch_keys` with each block.
    pub fn new(batch_keys: u64) -> Self {
        let wish = Wish { paused: false, stopped: false, batch_keys };
        Self { state: Mutex::new(State { wish, taken: None, wanted: None, news: None }), changed: Condvar::new() }
    }

    /// What is wished at this moment.
    pub fn wish(&self) -> Wish {
        self.state.lock().wish
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

    /// Asks for a checkpoint between two blocks, in `to`; the number by which it is told of. One that was asked for and is not
    /// begun yet is forgotten.
    pub fn ask_checkpoint(&self, to: PathBuf) -> u64 {
        let mut state = self.state.lock();
        let number = state.news.as_ref().map_or(0, |news| news.number) + 1;
        state.wanted = Some(to);
        state.news = Some(CheckpointNews { number, end: None });
        self.changed.notify_all();
        number
    }

    /// What became of the last checkpoint that was asked for; none if nobody did.
    pub fn checkpoint_news(&self) -> Option<CheckpointNews> {
        self.state.lock().news.clone()
    }

    /// Waits until the drive goes by what is wished now, at most for `patience`: as long as a block is in work it does not.
    pub fn settle(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let mut state = self.state.lock();
        while state.taken != Some(state.wish) {
            if self.changed.wait_until(&mut state, until).timed_out() {
                return;
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut Wish)) {
        change(&mut self.state.lock().wish);
        self.changed.notify_all();
    }

    /// Says which wish the drive goes by.
    pub(super) fn take(&self, wish: Wish) {
        let mut state = self.state.lock();
        if state.taken.replace(wish) != Some(wish) {
            self.changed.notify_all();
        }
    }

    /// The checkpoint that is to be made, and its number.
    pub(super) fn wanted_checkpoint(&self) -> Option<(u64, PathBuf)> {
        let mut state = self.state.lock();
        let to = state.wanted.take()?;
        Some((state.news.as_ref().map_or(0, |news| news.number), to))
    }

    /// Tells of a checkpoint, unless another one was asked for meanwhile.
    pub(super) fn tell_checkpoint(&self, number: u64, end: CheckpointEnd) {
        let mut state = self.state.lock();
        if let Some(news) = state.news.as_mut().filter(|news| news.number == number) {
            news.end = Some(end);
        }
    }

    /// Waits for a wish that differs from `known`, or for somebody who wants a checkpoint, at most for `time`.
    pub(super) fn wait(&self, known: Wish, time: Duration) {
        let mut state = self.state.lock();
        if state.wish == known && state.wanted.is_none() {
            self.changed.wait_for(&mut state, time);
        }
    }
}
