//! Threads that read beside the one that makes blocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Result, anyhow};

/// Threads that work until they are stopped, and then tell what they saw.
pub(crate) struct Readers<R> {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<R>>>,
}

impl<R: Send + 'static> Readers<R> {
    /// Starts `count` threads. `make` gives each its work, which must end once it is told to stop.
    pub(crate) fn start<W>(count: usize, make: impl Fn(u64) -> W) -> Self
    where
        W: FnOnce(&AtomicBool) -> Result<R> + Send + 'static,
    {
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..count as u64).map(|number| {
            let (stop, work) = (Arc::clone(&stop), make(number));
            thread::spawn(move || work(&stop))
        });
        let threads = threads.collect();
        Self { stop, threads }
    }

    /// Ends the threads; what each saw, or why one could not go on.
    pub(crate) fn stop(self) -> Result<Vec<R>> {
        self.stop.store(true, Ordering::Relaxed);
        let seen = self.threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a reader panicked"))?);
        seen.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_meets_is_told_when_it_is_stopped() {
        let readers = Readers::start(2, |number| {
            move |stop: &AtomicBool| {
                while !stop.load(Ordering::Relaxed) {
                    thread::yield_now();
                }
                if number == 1 { Err(anyhow!("a key is gone")) } else { Ok(number) }
            }
        });
        assert_eq!(readers.stop().expect_err("the second failed").to_string(), "a key is gone");
    }
}
