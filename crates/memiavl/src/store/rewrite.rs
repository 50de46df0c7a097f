//! When a snapshot is rewritten, and how the store takes its state over.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use changeset::Hash;
use memiavl_iter::EMPTY_ROOT;

use crate::changelog::Log;
use crate::error::{Error, Result};
use crate::multitree::{Committed, Forest};
use crate::open::replay;
use crate::snapshot::{Job, Keep, Order, Report, Rewrite};
use crate::store::live::MemIavl;

/// More than this is replayed by the worker once more, and not by the thread that commits: some milliseconds' worth.
const INLINE_BYTES_MAX: u64 = 256 << 10;
/// Blocks after a failed rewrite before the next one starts by itself: a full disk stays full for a while.
const RETRY_BLOCKS: u64 = 100;
/// A snapshot is worth writing for this part of its bytes in the log, or in changed nodes: less would write more than it
/// spares, more would make opening wait, or take memory.
const SHARE: u64 = 16;

/// What the store knows about rewrites of its snapshot.
pub(super) struct Rewrites {
    /// The one under way, and whether its snapshot was allowed to become current.
    running: Option<(Rewrite, bool)>,
    /// Whether someone asked for a snapshot that has not started.
    is_requested: bool,
    /// What went wrong in the background and was not told yet.
    failure: Option<Error>,
    /// No rewrite starts by itself before this version.
    not_before: u64,
    /// Bytes of the log behind the current snapshot, and how many of them were there when the running rewrite started.
    replay_bytes: u64,
    covered_bytes: u64,
    /// When the last rewrite started, or the store was opened.
    last_start: Instant,
    /// When the last snapshot became current, and how long it took until then.
    last_end: Instant,
    took: Duration,
    /// The last version that the owner has said is durable.
    durable_version: u64,
    /// Every version from here on stays rebuildable.
    retain_from: u64,
}

impl Rewrites {
    pub(super) fn new(version: u64, replay_bytes: u64) -> Self {
        Self {
            running: None,
            is_requested: false,
            failure: None,
            not_before: 0,
            replay_bytes,
            covered_bytes: 0,
            last_start: Instant::now(),
            last_end: Instant::now(),
            took: Duration::ZERO,
            durable_version: version,
            retain_from: u64::MAX,
        }
    }

    /// Accounts for a committed entry.
    pub(super) fn committed(&mut self, entry_bytes: u64) {
        self.replay_bytes += entry_bytes;
        if let Some((rewrite, _)) = &self.running {
            rewrite.logged(entry_bytes);
        }
    }

    fn fail(&mut self, error: Error, version: u64) {
        tracing::error!(version, %error, "snapshot rewrite failed");
        self.not_before = version.saturating_add(RETRY_BLOCKS);
        self.failure = Some(error);
    }
}

impl MemIavl {
    /// Says that versions up to this one are durable elsewhere, for a store whose commits are not durable by themselves.
    pub fn set_durable_version(&mut self, version: u64) {
        self.rewrites.durable_version = version;
    }

    /// Keeps every version from `version` on rebuildable: no snapshot or entry that is needed for it is dropped.
    pub fn set_retain_from(&mut self, version: u64) {
        self.rewrites.retain_from = version;
    }

    /// What went wrong in the background since the last time someone asked.
    pub fn take_background_failure(&mut self) -> Option<Error> {
        self.rewrites.failure.take()
    }

    /// Writes a snapshot of the last committed version, as fast as the disk goes, and takes it over before it returns.
    ///
    /// # Errors
    /// I/O, a block in work, an earlier failure in the background. The store goes on with what it had.
    pub fn snapshot_now(&mut self) -> Result<()> {
        self.check_writable()?;
        self.finish_rewrite()?;
        if self.trees.committed().version() > self.snapshot_version {
            self.start_rewrite(0)?;
            self.finish_rewrite()?;
        }
        Ok(())
    }

    /// Waits until the snapshot that is being written, if any, is done and taken over.
    ///
    /// # Errors
    /// As [`snapshot_now`](Self::snapshot_now).
    pub fn finish_rewrite(&mut self) -> Result<()> {
        if self.rewrites.running.is_some() {
            if !self.trees.is_between_blocks() {
                return Err(Error::BlockInWork { version: self.trees.next_version() });
            }
            self.log.sync()?;
            self.poll_rewrite(true)?;
        }
        self.rewrites.failure.take().map_or(Ok(()), Err)
    }

    /// Asks for a snapshot in the background.
    pub(super) fn request_rewrite(&mut self) -> Result<()> {
        self.rewrites.is_requested = true;
        self.start_if_due();
        self.rewrites.failure.take().map_or(Ok(()), Err)
    }

    /// Between two blocks: hears the worker, and starts one if it is time.
    pub(super) fn tend_rewrites(&mut self) {
        if let Err(error) = self.poll_rewrite(false) {
            self.rewrites.fail(error, self.trees.committed().version());
        }
        self.start_if_due();
    }

    fn start_if_due(&mut self) {
        let version = self.trees.committed().version();
        if version <= self.snapshot_version {
            self.rewrites.is_requested = false;
            return;
        }
        let is_due = self.rewrites.is_requested || (version >= self.rewrites.not_before && self.is_due(version));
        if self.rewrites.running.is_none() && is_due {
            self.rewrites.is_requested = false;
            if let Err(error) = self.start_rewrite(self.options.snapshot_write_bytes_per_second) {
                self.rewrites.fail(error, version);
            }
        }
    }

    fn is_due(&self, version: u64) -> bool {
        let number = |version: u64| version.checked_div(self.options.snapshot_interval_blocks);
        number(version) > number(self.snapshot_version)
            || self.cow_bytes() >= self.options.cow_bytes_max
            || self.rewrites.replay_bytes >= self.options.replay_bytes_max
            || self.is_long_to_replay()
            || self.is_large_in_memory()
    }

    /// Whether opening would take long beside what a snapshot takes to be written.
    fn is_long_to_replay(&self) -> bool {
        let behind = self.rewrites.replay_bytes;
        behind >= self.options.replay_bytes_min
            && behind >= self.trees.committed().snapshot_bytes() / SHARE
            && self.rewrites.last_start.elapsed() >= self.options.replay_rest
    }

    /// Whether changed nodes take much memory beside the snapshot. However fast they come, snapshots are written for half of the
    /// time at most.
    fn is_large_in_memory(&self) -> bool {
        let changed = self.cow_bytes();
        changed >= self.options.cow_bytes_min
            && changed >= self.trees.committed().snapshot_bytes() / SHARE
            && self.rewrites.last_end.elapsed() >= self.rewrites.took
    }

    fn start_rewrite(&mut self, bytes_per_second: u64) -> Result<()> {
        if self.options.commits_are_durable {
            // The snapshot may only become current once the log is on disk up to its version.
            self.log.request_sync()?;
        }
        let rewrite = Rewrite::start(Job {
            dir: self.dir.clone(),
            committed: Arc::clone(self.trees.committed()),
            bytes_per_second,
        })?;
        self.rewrites.covered_bytes = self.rewrites.replay_bytes;
        self.rewrites.last_start = Instant::now();
        self.rewrites.running = Some((rewrite, false));
        Ok(())
    }

    /// Hears what the worker has to say; until its end if `wait`. Any error ends the rewrite.
    fn poll_rewrite(&mut self, wait: bool) -> Result<()> {
        match self.hear_rewrite(wait) {
            Ok(()) => Ok(()),
            Err(error @ Error::NotDurable { .. }) => Err(error),
            Err(error) => self.end_rewrite().and(Err(error)),
        }
    }

    fn hear_rewrite(&mut self, wait: bool) -> Result<()> {
        loop {
            let may_replace = self.may_replace();
            let Some((rewrite, was_told)) = &mut self.rewrites.running else {
                return Ok(());
            };
            if may_replace && !mem::replace(was_told, true) {
                rewrite.order(Order::Replay { log: Log::clone(&self.log) });
            }
            if wait && !*was_told {
                return Err(Error::NotDurable { version: rewrite.version });
            }
            match rewrite.report(wait) {
                Some(Report::Ready(forest)) => self.take_over(forest)?,
                Some(Report::Pruned { oldest }) => self.prune_log(oldest)?,
                Some(Report::Failed(error)) => return Err(error),
                None if wait || rewrite.is_over() => return self.end_rewrite(),
                None => return Ok(()),
            }
        }
    }

    /// A snapshot becomes current once its version can be rebuilt without it: what it stands for must not be lost while it
    /// stays.
    fn may_replace(&self) -> bool {
        let is_durable = |version| {
            let elsewhere = self.options.commits_are_durable || version <= self.rewrites.durable_version;
            elsewhere && self.log.synced_version().is_some_and(|synced| version <= synced)
        };
        self.rewrites.running.as_ref().is_some_and(|(rewrite, _)| is_durable(rewrite.version))
    }

    /// Puts the new snapshot and what was replayed on it under the store, if the roots are the same.
    fn take_over(&mut self, mut forest: Forest) -> Result<()> {
        let Some((rewrite, _)) = &self.rewrites.running else {
            return Ok(());
        };
        let version = self.trees.committed().version();
        let behind = u64::from(forest.version());
        // One entry is replayed here however long it is: the worker would never catch up with long ones.
        if version > behind + 1 && self.log.bytes_after(behind) > INLINE_BYTES_MAX {
            rewrite.order(Order::CatchUp { forest, log: Log::clone(&self.log) });
            return Ok(());
        }
        replay(&self.log, &mut forest, version, || Ok(()))?;
        let fresh = Committed::hashed(forest)?;
        check_same_roots(self.trees.committed(), &fresh)?;
        let old = self.trees.rebase(Arc::new(fresh));
        self.snapshot_version = rewrite.version;
        self.rewrites.last_end = Instant::now();
        self.rewrites.took = self.rewrites.last_start.elapsed();
        self.rewrites.replay_bytes -= self.rewrites.covered_bytes;
        let keep = Keep {
            current: self.snapshot_version,
            recent: self.options.snapshot_keep_recent,
            retain_from: self.rewrites.retain_from,
        };
        rewrite.order(Order::Finish { old, keep });
        Ok(())
    }

    /// Drops the log's segments before the one with the entry of `oldest`. Cutting that one too would mean to copy and sync
    /// up to 20 MiB on the thread that commits.
    fn prune_log(&mut self, oldest: u64) -> Result<()> {
        match self.log.segment_start(oldest) {
            Some(start) => Ok(self.log.truncate_before(start)?),
            None => Ok(()),
        }
    }

    pub(super) fn end_rewrite(&mut self) -> Result<()> {
        let ended = self.rewrites.running.take().map_or(Ok(()), |(rewrite, _)| rewrite.end());
        // A worker that panicked may have left anything; what is on disk is found out by reopening.
        self.is_poisoned |= ended.is_err();
        ended
    }
}

/// The state on top of a new snapshot must be the live one, tree by tree.
fn check_same_roots(live: &Committed, fresh: &Committed) -> Result<()> {
    let (live_roots, fresh_roots): (Vec<_>, Vec<_>) = (live.roots().collect(), fresh.roots().collect());
    for at in 0..live_roots.len().max(fresh_roots.len()) {
        let (expected, got) = (live_roots.get(at).copied(), fresh_roots.get(at).copied());
        if expected != got {
            let name = expected.or(got).map_or("", |(name, _)| name).to_owned();
            let root = |tree: Option<(&str, Hash)>| tree.map_or(EMPTY_ROOT, |(_, root)| root);
            let (version, expected, got) = (live.version(), root(expected), root(got));
            return Err(Error::RewriteDiverged { name, version, expected, got });
        }
    }
    Ok(())
}
