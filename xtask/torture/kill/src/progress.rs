//! Progress on stderr: a line every ten seconds with rate, remaining and ETA.

use std::time::{Duration, Instant};

const LINE_INTERVAL: Duration = Duration::from_secs(10);

pub(crate) struct Progress {
    began: Instant,
    said: Instant,
}

impl Progress {
    pub(crate) fn start() -> Self {
        let now = Instant::now();
        Self { began: now, said: now }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Says how far `label` has come, if it is time to.
    pub(crate) fn set(&mut self, label: &str, done: u64, wanted: u64, note: &str) {
        if self.said.elapsed() < LINE_INTERVAL {
            return;
        }
        self.said = Instant::now();
        let rate = done as f64 / self.seconds().max(1e-3);
        let remaining = wanted.saturating_sub(done);
        let eta = if done > 0 { format!("{:.0} s", remaining as f64 / rate) } else { "unknown".to_owned() };
        eprintln!("{label}: {done} of {wanted}, {rate:.1}/s, {remaining} remaining, ETA {eta}, {note}");
    }
}
