//! The pace of a write, and its end before time.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};

use crate::error::{Error, Result};

/// Ends the work of the [`Cancel`] it was made with when it is dropped.
pub(crate) struct CancelHandle(#[expect(dead_code, reason = "dropping it is the message")] Sender<Infallible>);

/// Tells work whether it is still wanted.
pub(crate) struct Cancel(Receiver<Infallible>);

impl Cancel {
    pub(crate) fn new() -> (CancelHandle, Self) {
        let (sender, receiver) = bounded(0);
        (CancelHandle(sender), Self(receiver))
    }

    /// An error once the work is not wanted any more.
    pub(crate) fn check(&self) -> Result<()> {
        match self.0.try_recv() {
            Err(TryRecvError::Empty) => Ok(()),
            Err(TryRecvError::Disconnected) => Err(Error::Cancelled),
            Ok(never) => match never {},
        }
    }

    /// Waits, unless the work's end comes first.
    pub(crate) fn wait(&self, time: Duration) -> Result<()> {
        match self.0.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(Error::Cancelled),
            Ok(never) => match never {},
        }
    }
}

/// So many bytes may be written for each that blocks log meanwhile. What they log is replayed on the snapshot, and until then
/// what they change is in memory twice: the faster they come, the more it takes to write slowly. At two blocks a second of
/// 100 kB that is 6 MiB a second; at a hundred, in a home of ten million keys, a key moved took a tenth less time.
const BYTES_PER_LOGGED: u64 = 32;

/// Keeps writes at or below a number of bytes per second, until they are cancelled.
pub(crate) struct Pace<'c> {
    cancel: &'c Cancel,
    limit: Option<Limit<'c>>,
    bytes: u64,
}

/// How fast writes may be.
struct Limit<'c> {
    bytes_per_second: u64,
    since: Instant,
    /// Bytes that blocks have logged since.
    logged: &'c AtomicU64,
}

impl<'c> Pace<'c> {
    /// As fast as the disk goes.
    pub(crate) fn unlimited(cancel: &'c Cancel) -> Self {
        Self { cancel, limit: None, bytes: 0 }
    }

    /// So many bytes per second, 0 for as fast as the disk goes, and more of them while blocks log much.
    pub(crate) fn new(cancel: &'c Cancel, bytes_per_second: u64, logged: &'c AtomicU64) -> Self {
        let limit = (bytes_per_second > 0).then(|| Limit { bytes_per_second, since: Instant::now(), logged });
        Self { cancel, limit, bytes: 0 }
    }

    /// Accounts for `bytes` about to be written; waits until they may be.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<()> {
        self.cancel.check()?;
        self.bytes = self.bytes.saturating_add(bytes as u64);
        match self.limit.as_ref().and_then(|limit| limit.early(self.bytes)) {
            Some(early) => self.cancel.wait(early),
            None => Ok(()),
        }
    }
}

impl Limit<'_> {
    /// By how much `bytes` are too early, if they are.
    fn early(&self, bytes: u64) -> Option<Duration> {
        let free = self.logged.load(Ordering::Relaxed).saturating_mul(BYTES_PER_LOGGED);
        let seconds = bytes.saturating_sub(free) as f64 / self.bytes_per_second as f64;
        let due = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        due.checked_sub(self.since.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_blocks_log_meanwhile_lets_a_write_go_on_sooner() {
        let (logged, since) = (AtomicU64::new(0), Instant::now());
        let limit = Limit { bytes_per_second: 1 << 20, since, logged: &logged };
        let early = limit.early(1 << 30).expect("far too early");
        assert!((1000..=1024).contains(&early.as_secs()), "{early:?}");
        logged.store((1 << 29) / BYTES_PER_LOGGED, Ordering::Relaxed);
        let sooner = limit.early(1 << 30).expect("still too early");
        assert!((488..=512).contains(&sooner.as_secs()), "{sooner:?}");
        logged.store(u64::MAX, Ordering::Relaxed);
        assert_eq!(limit.early(1 << 30), None);
    }

    #[test]
    fn a_write_without_a_limit_never_waits_and_a_cancelled_one_ends() {
        let (handle, cancel) = Cancel::new();
        let logged = AtomicU64::new(0);
        Pace::unlimited(&cancel).take(usize::MAX).expect("goes on");
        Pace::new(&cancel, 0, &logged).take(usize::MAX).expect("goes on");
        drop(handle);
        assert!(matches!(Pace::new(&cancel, 1, &logged).take(1 << 20), Err(Error::Cancelled)));
    }
}
