//! A line now and then, so that a long part is seen to go on. On the standard error stream: figures have the other one.

use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_secs(5);

/// The progress of a part.
pub(crate) struct Progress {
    part: &'static str,
    began: Instant,
    told: Instant,
}

impl Progress {
    pub(crate) fn new(part: &'static str) -> Self {
        let now = Instant::now();
        Self { part, began: now, told: now }
    }

    /// Says `what` if the last line is some seconds old.
    pub(crate) fn tell(&mut self, what: impl FnOnce() -> String) {
        if self.told.elapsed() >= INTERVAL {
            self.told = Instant::now();
            eprintln!("bench: {}, {:.0} s: {}", self.part, self.began.elapsed().as_secs_f64(), what());
        }
    }
}
