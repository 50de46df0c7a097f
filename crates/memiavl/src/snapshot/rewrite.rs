//! A snapshot written in the background, and the state replayed on top of it.
//!
//! ```text
//! worker  write under a temporary name, sync, rename ─► may it become current? ─► map it, replay the log as far as the
//!         owner has told ─► ready ─► was it taken over? ─► point current, free the old nodes, prune old snapshots
//! owner   commits meanwhile; at a commit that finds "ready": replay the last entries, compare roots, take over
//! ```
//! A snapshot that does not lead to the live roots never becomes current.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};
use memiavl_iter::Snapshot;

use crate::changelog::Log;
use crate::error::{Doing, Error, Result};
use crate::multitree::{Committed, Forest};
use crate::open::replay;
use crate::snapshot::current::point_current;
use crate::snapshot::disk::{IoResult, temporary_name};
use crate::snapshot::pace::{Cancel, CancelHandle, Pace};
use crate::snapshot::prune::{Keep, prune_snapshots};
use crate::snapshot::write::write_snapshot;

/// What a rewrite works on.
pub(crate) struct Job {
    /// The store's directory.
    pub(crate) dir: PathBuf,
    /// The version to write.
    pub(crate) committed: Arc<Committed>,
    /// Most bytes per second, beside those that blocks log meanwhile allow; 0 for as many as the disk takes.
    pub(crate) bytes_per_second: u64,
}

/// What the worker tells the owner.
pub(crate) enum Report {
    /// The snapshot is written, and the state on top of it has come so far.
    Ready(Forest),
    /// The snapshot is current, and old ones are gone; the log is not needed before the oldest that is left.
    Pruned { oldest: u64 },
    /// The rewrite is over before it was done; the store goes on with what it has.
    Failed(Error),
}

/// What the owner tells the worker.
pub(crate) enum Order {
    /// The snapshot's version is durable: it may become current. This much of the log is to be replayed on it.
    Replay { log: Log },
    /// The log has gone on too far since: replay the rest of it.
    CatchUp { forest: Forest, log: Log },
    /// The state was taken over: make the snapshot current, free the old state, and keep only these snapshots.
    Finish { old: Arc<Committed>, keep: Keep },
}

/// A rewrite under way. Dropping it ends and joins the worker; what is unfinished is garbage that the next opening removes.
pub(crate) struct Rewrite {
    /// The version being written.
    pub(crate) version: u64,
    /// Bytes that blocks have logged since it began.
    logged: Arc<AtomicU64>,
    orders: Sender<Order>,
    reports: Receiver<Report>,
    /// None once it was dropped, which is what ends the worker.
    cancel: Option<CancelHandle>,
    /// None once it was joined.
    thread: Option<JoinHandle<()>>,
}

impl Rewrite {
    /// Starts the worker.
    pub(crate) fn start(job: Job) -> Result<Self> {
        let Job { dir, committed, bytes_per_second } = job;
        let (version, path) = (committed.version(), dir.clone());
        let (cancel_handle, cancel) = Cancel::new();
        // Neither side ever waits to be heard: each says at most two things before it listens.
        let (order_sender, orders) = bounded(4);
        let (report_sender, reports) = bounded(4);
        let logged = Arc::new(AtomicU64::new(0));
        let worker =
            Worker { dir, bytes_per_second, logged: Arc::clone(&logged), orders, reports: report_sender, cancel };
        let thread = thread::Builder::new()
            .name("memiavl-rewrite".to_owned())
            .spawn(move || worker.run(committed))
            .doing(Doing::Spawn, &path)?;
        Ok(Self { version, logged, orders: order_sender, reports, cancel: Some(cancel_handle), thread: Some(thread) })
    }

    /// Accounts for an entry that a block has logged meanwhile.
    pub(crate) fn logged(&self, entry_bytes: u64) {
        self.logged.fetch_add(entry_bytes, Ordering::Relaxed);
    }

    /// Tells the worker. One that is gone has reported why.
    pub(crate) fn order(&self, order: Order) {
        self.orders.send(order).ok();
    }

    /// What the worker has to report, if anything; waits until it has something or ends if asked to.
    pub(crate) fn report(&self, wait: bool) -> Option<Report> {
        if wait { self.reports.recv().ok() } else { self.reports.try_recv().ok() }
    }

    /// Whether the worker has ended and all its reports were taken.
    pub(crate) fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished) && self.reports.is_empty()
    }

    /// Ends the worker if it has not ended yet, and says whether it panicked.
    pub(crate) fn end(mut self) -> Result<()> {
        self.join()
    }

    fn join(&mut self) -> Result<()> {
        self.cancel = None;
        // A worker that waits for an order hears of the end by its channel.
        self.orders = bounded(0).0;
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(_)) => Err(Error::RewritePanicked { version: self.version }),
            _ => Ok(()),
        }
    }
}

impl Drop for Rewrite {
    fn drop(&mut self) {
        if let Err(error) = self.join() {
            tracing::error!(%error, "snapshot rewrite panicked");
        }
    }
}

struct Worker {
    dir: PathBuf,
    bytes_per_second: u64,
    logged: Arc<AtomicU64>,
    orders: Receiver<Order>,
    reports: Sender<Report>,
    cancel: Cancel,
}

impl Worker {
    fn run(self, committed: Arc<Committed>) {
        let version = committed.version();
        match beside::alone(|| self.rewrite(committed)) {
            Ok(()) | Err(Error::Cancelled) => {}
            Err(error) => {
                tracing::error!(version, %error, "snapshot failed");
                // An owner that is gone does not need to hear of it.
                self.tell(Report::Failed(error)).ok();
            }
        }
    }

    fn rewrite(&self, committed: Arc<Committed>) -> Result<()> {
        let version = committed.version();
        let mut pace = Pace::new(&self.cancel, self.bytes_per_second, &self.logged);
        let written = write_snapshot(&self.dir, &committed, &mut pace)?;
        // What the blocks since have replaced is held by nobody else.
        drop(committed);
        let unproven = Unproven(Some(&written));
        let Order::Replay { mut log } = self.order()? else {
            return Err(Error::Cancelled);
        };
        let mut forest = Forest::mapped(&Snapshot::open(&written)?)?;
        loop {
            self.catch_up(&log, &mut forest)?;
            self.tell(Report::Ready(forest))?;
            (forest, log) = match self.order()? {
                Order::CatchUp { forest, log } => (forest, log),
                Order::Finish { old, keep } => {
                    unproven.keep();
                    point_current(&self.dir, version)?;
                    tracing::info!(version, "snapshot is current");
                    drop(old);
                    return self.tell(Report::Pruned { oldest: prune_snapshots(&self.dir, keep)? });
                }
                Order::Replay { .. } => return Err(Error::Cancelled),
            };
        }
    }

    /// Replays the rest of the log, and hashes the result.
    fn catch_up(&self, log: &Log, forest: &mut Forest) -> Result<()> {
        self.cancel.check()?;
        replay(log, forest, log.last_version().unwrap_or(0), || self.cancel.check())?;
        forest.roots().map(drop)
    }

    fn order(&self) -> Result<Order> {
        self.orders.recv().map_err(|_| Error::Cancelled)
    }

    fn tell(&self, report: Report) -> Result<()> {
        self.reports.send(report).map_err(|_| Error::Cancelled)
    }
}

/// A snapshot that nobody has compared with the live state yet. Dropped as such it becomes garbage: a name in the directory
/// is a promise.
struct Unproven<'p>(Option<&'p Path>);

impl Unproven<'_> {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Unproven<'_> {
    fn drop(&mut self) {
        if let Some(path) = self.0
            && let Err(error) = fs::rename(path, temporary_name(path))
        {
            tracing::error!(path = %path.display(), %error, "cannot give up a snapshot");
        }
    }
}
