//! The most anonymous memory that the process takes while something goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use ferry::migrate_metrics::anonymous_bytes;

/// So often it is asked for; a question takes 37 to 55 µs (on a loaded machine).
const INTERVAL: Duration = Duration::from_millis(10);

/// A thread that watches.
pub(crate) struct Peak {
    most: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Peak {
    pub(crate) fn watch() -> Self {
        let (most, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let watcher = (Arc::clone(&most), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let (most, stop) = watcher;
            while !stop.load(Ordering::Relaxed) {
                most.fetch_max(anonymous_bytes().unwrap_or(0), Ordering::Relaxed);
                thread::sleep(INTERVAL);
            }
        });
        Self { most, stop, thread }
    }

    /// The most bytes since it began.
    ///
    /// # Errors
    /// A system that does not tell.
    pub(crate) fn end(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the watcher of memory panicked"))?;
        let last = anonymous_bytes().context("the system does not tell RssAnon")?;
        Ok(self.most.load(Ordering::Relaxed).max(last))
    }
}
