//! Putting blocks on disk that were left to the operating system: a thread beside the committing one.
//!
//! Before FlatKV exists that is memiavl's changelog. Later FlatKV's log is synced first. Only when that has covered a block is
//! memiavl told that it is durable, and asked to sync its changelog: a power cut then seldom finds memiavl ahead.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use changeset::{StoreError, StoreErrorKind, StoreResult, Syncer};
use parking_lot::{Condvar, Mutex};

use crate::error::Error;

/// A block is on disk at most so long after it was acknowledged, or after so many bytes: what a power cut may take.
const SYNC_INTERVAL: Duration = Duration::from_secs(2);
const SYNC_BYTES: u64 = 32 << 20;

/// Whose log is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// memiavl's changelog, before FlatKV exists.
    Old,
    /// FlatKV's.
    New,
}

#[derive(Default)]
struct State {
    committed: u64,
    durable: u64,
    /// Bytes of the blocks that no sync has covered yet.
    bytes: u64,
    is_closing: bool,
    failure: Option<StoreError>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// The thread's handle. Dropping it puts on disk what is left, and ends the thread.
pub(crate) struct BackgroundSync {
    shared: Arc<Shared>,
    /// None once it was joined.
    thread: Option<JoinHandle<()>>,
}

impl BackgroundSync {
    /// Starts the thread for a store whose blocks up to `durable` are on disk.
    pub(crate) fn start(syncer: Syncer, durable: u64) -> StoreResult<Self> {
        let shared = Arc::new(Shared::default());
        shared.state.lock().committed = durable;
        shared.state.lock().durable = durable;
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("ferry-sync".to_owned())
            .spawn(move || theirs.work(&syncer))
            .map_err(|source| StoreError::new(StoreErrorKind::Io, source))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Tells of a block that was left to the operating system, with its size.
    pub(crate) fn committed(&self, height: u64, bytes: u64) {
        let mut state = self.shared.state.lock();
        state.committed = height;
        state.bytes = state.bytes.saturating_add(bytes);
        if state.bytes >= SYNC_BYTES {
            self.shared.changed.notify_all();
        }
    }

    /// The last block that is known to be on disk.
    pub(crate) fn durable(&self) -> u64 {
        self.shared.state.lock().durable
    }

    /// A failure that was not told yet. Whatever was acknowledged since the last sync may be gone after a power cut.
    pub(crate) fn check(&self) -> StoreResult<()> {
        match self.shared.state.lock().failure.take() {
            Some(failure) => Err(failure),
            None if self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) => Ok(()),
            None => Err(StoreError::new(StoreErrorKind::Io, io::Error::other("the syncing thread has ended"))),
        }
    }

    /// Puts on disk what is left and ends the thread.
    pub(crate) fn close(mut self) -> Result<(), Error> {
        self.end();
        match self.shared.state.lock().failure.take() {
            Some(failure) => Err(Error::New { action: "putting its log on disk", source: failure }),
            None => Ok(()),
        }
    }

    fn end(&mut self) {
        self.shared.state.lock().is_closing = true;
        self.shared.changed.notify_all();
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            let panicked = StoreError::new(StoreErrorKind::Io, io::Error::other("the syncing thread panicked"));
            self.shared.state.lock().failure.get_or_insert(panicked);
        }
    }
}

impl Drop for BackgroundSync {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn work(&self, syncer: &Syncer) {
        let mut state = self.state.lock();
        loop {
            if !state.is_closing && state.bytes < SYNC_BYTES {
                self.changed.wait_for(&mut state, SYNC_INTERVAL);
            }
            if state.committed > state.durable {
                let goal = state.committed;
                state.bytes = 0;
                let done = parking_lot::MutexGuard::unlocked(&mut state, syncer);
                match done {
                    Ok(()) => state.durable = goal,
                    // It is not tried again: the system may have dropped the pages, and a second sync would succeed.
                    Err(failure) => {
                        state.failure = Some(failure);
                        return;
                    }
                }
            }
            if state.is_closing && state.committed == state.durable {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn counting() -> (Arc<AtomicU64>, Syncer) {
        let syncs = Arc::new(AtomicU64::new(0));
        let theirs = Arc::clone(&syncs);
        let sync = move || {
            theirs.fetch_add(1, Ordering::SeqCst);
            Ok(())
        };
        (syncs, Box::new(sync))
    }

    #[test]
    fn closing_puts_the_last_blocks_on_disk() {
        let (syncs, syncer) = counting();
        let background = BackgroundSync::start(syncer, 4).expect("starts");
        background.committed(5, 100);
        background.check().expect("sound");
        background.close().expect("closes");
        assert_eq!(syncs.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn nothing_new_is_not_synced() {
        let (syncs, syncer) = counting();
        BackgroundSync::start(syncer, 4).expect("starts").close().expect("closes");
        assert_eq!(syncs.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn many_bytes_are_synced_at_once() {
        let (done, told) = std::sync::mpsc::channel();
        let syncer: Syncer = Box::new(move || {
            done.send(()).expect("the test listens");
            Ok(())
        });
        let background = BackgroundSync::start(syncer, 0).expect("starts");
        background.committed(1, SYNC_BYTES);
        told.recv_timeout(Duration::from_secs(60)).expect("synced");
        background.close().expect("closes");
    }

    #[test]
    fn a_failed_sync_is_told_once_and_never_repeated() {
        let failing: Syncer = Box::new(|| Err(StoreError::new(StoreErrorKind::Io, io::Error::other("no disk"))));
        let background = BackgroundSync::start(failing, 0).expect("starts");
        background.committed(1, SYNC_BYTES);
        while background.check().is_ok() {
            thread::yield_now();
        }
        assert_eq!(background.durable(), 0);
        background.check().expect_err("the thread has ended for good");
    }
}
