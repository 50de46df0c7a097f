//! The pace of a write, and its end before time.

use std::convert::Infallible;
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

/// Keeps writes at or below a number of bytes per second, until they are cancelled.
pub(crate) struct Pace<'c> {
    cancel: &'c Cancel,
    /// 0 for as fast as the disk goes.
    bytes_per_second: u64,
    started: Instant,
    bytes: u64,
}

impl<'c> Pace<'c> {
    pub(crate) fn new(cancel: &'c Cancel, bytes_per_second: u64) -> Self {
        Self { cancel, bytes_per_second, started: Instant::now(), bytes: 0 }
    }

    /// Accounts for `bytes` about to be written; waits until they may be.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<()> {
        self.cancel.check()?;
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if self.bytes_per_second == 0 {
            return Ok(());
        }
        let due = Duration::from_secs_f64(self.bytes as f64 / self.bytes_per_second as f64);
        match due.checked_sub(self.started.elapsed()) {
            Some(early) => self.cancel.wait(early),
            None => Ok(()),
        }
    }
}
