//! A flush: the caller's changes, and the block's one advance, worked into both stores. Nothing becomes durable here.

use std::time::Instant;

use beside::beside;
use changeset::{EntrySum, NamedChangeSet, NewStore, OldStore};

use crate::ahead::Done;
use crate::engine::Engine;
use crate::error::Error;
use crate::manager::ManagerSavepoint;
use crate::mode::{Mode, Route};
use crate::observer::FlushReport;
use crate::view::route;

/// Fewer changes than this of one store are not worth a thread: starting one took as long as some
/// 30 of them, before there was a pool.
const PAIRS_PER_THREAD_MIN: usize = 128;

/// The state before a flush, in all three places that a flush changes.
struct FlushSavepoint<O: OldStore, N: NewStore> {
    old: Option<O::Savepoint>,
    new: Option<N::Savepoint>,
    manager: Option<ManagerSavepoint>,
}

/// Keys that a flush moved, per module.
type Moved = Vec<(String, u64)>;

/// The caller's changes by where they go.
#[derive(Default)]
struct Routed {
    old: Vec<NamedChangeSet>,
    moving: Vec<NamedChangeSet>,
    new: Vec<NamedChangeSet>,
    /// Which pairs of `new` the batch moved.
    new_moved: Vec<Vec<bool>>,
}

/// What was worked on ahead of the block, per store.
type AheadOf<O, N> = (<O as OldStore>::Ahead, <N as NewStore>::Made);

/// What a flush did, for the block's account.
#[derive(Default)]
struct Flushed {
    report: FlushReport,
    moved: Moved,
    /// The sums over the entries that left memiavl and over those that entered FlatKV.
    left: EntrySum,
    entered: EntrySum,
}

impl<O: OldStore, N: NewStore> Engine<O, N> {
    /// Works one flush into the block. The block's first flush also advances the migration by one batch, unless it is
    /// paused. A failed flush leaves the state before it, the block's one advance included.
    ///
    /// # Errors
    /// A reserved, unnamed or unknown store, a value that FlatKV refuses, a block above `block_bytes_max`, I/O,
    /// corruption, cancelled, a poisoned node.
    pub fn apply(&mut self, changes: Vec<NamedChangeSet>) -> Result<FlushReport, Error> {
        self.check_usable()?;
        let bytes = self.check_size(&changes)?;
        let started = Instant::now();
        let savepoint = self.savepoint();
        match self.flush(changes) {
            Ok(mut flushed) => {
                flushed.report.elapsed = started.elapsed();
                let report = flushed.report;
                self.account(bytes, flushed, savepoint.manager);
                self.config.observer.flush(&report);
                Ok(report)
            }
            Err(error) => {
                self.restore(savepoint);
                self.config.observer.failed(error.kind());
                Err(error)
            }
        }
    }

    fn flush(&mut self, changes: Vec<NamedChangeSet>) -> Result<Flushed, Error> {
        let exists = self.new_takes_part(&self.metadata()?);
        // No row may enter FlatKV before FlatKV is in the commit info, and only an advance, or a chain born in a later
        // mode, puts it there.
        let advances = self.manager.is_some() && !self.config.batch.is_paused();
        let uses_new = exists || advances;
        let mut routed = self.route_changes(changes, uses_new)?;
        let count = |sets: &[NamedChangeSet]| sets.iter().map(|set| set.pairs().len() as u64).sum::<u64>();
        let (straight_old, straight_new) = (count(&routed.old), count(&routed.new));
        let (mut report, mut moved, mut left) = (FlushReport::default(), Moved::new(), EntrySum::default());
        let mut ahead = None;
        let done = self.take_ahead();
        if let Some(manager) = self.manager.as_ref().filter(|_| uses_new) {
            let moving = done.map(|Done { moving, old, new, .. }| {
                ahead = Some((old, new));
                moving
            });
            let changes = std::mem::take(&mut routed.moving);
            let plan = manager.plan_with(moving, self.old.as_ref(), changes, &self.config.cancel)?;
            (report, moved, left) = (plan.report, plan.moved, plan.left);
            routed.old.extend(plan.old);
            routed.new_moved.resize(routed.new.len(), Vec::new());
            routed.new_moved.extend(plan.new_moved);
            routed.new.extend(plan.new);
            if !plan.lock_wait.is_zero() {
                self.config.observer.lock_wait(plan.lock_wait);
            }
        }
        report.routed_old += straight_old;
        report.written_old += straight_old;
        report.routed_new += straight_new;
        report.written_new += straight_new;
        let entered = self.apply_to_both(routed, ahead)?;
        if left != entered {
            return Err(Error::NotConserved { height: self.next_height(), keys: report.moved_keys, left, entered });
        }
        Ok(Flushed { report, moved, left, entered })
    }

    fn route_changes(&self, changes: Vec<NamedChangeSet>, uses_new: bool) -> Result<Routed, Error> {
        let mut routed = Routed::default();
        for set in changes {
            let has_tree = || match self.old.as_ref().filter(|_| !self.old_rests) {
                Some(old) => Ok(old.len(&set.name).map_err(Error::old("looking a tree up"))?.is_some()),
                None => Ok(false),
            };
            match route(self.mode, &self.modules, uses_new, &set.name, has_tree)? {
                Route::Old => routed.old.push(set),
                Route::Moving => routed.moving.push(set),
                Route::New => routed.new.push(set),
            }
        }
        Ok(routed)
    }

    /// Applies to both stores whatever the other one says, so that the errors of both are reported. They share nothing: with
    /// much to do in both, they do it at once. Returns the sum over the moved entries as FlatKV's rows have them.
    fn apply_to_both(&mut self, routed: Routed, ahead: Option<AheadOf<O, N>>) -> Result<EntrySum, Error> {
        let action = "applying a flush";
        let count = |sets: &[NamedChangeSet]| sets.iter().map(|set| set.pairs().len()).sum::<usize>();
        let is_worth_it = count(&routed.old).min(count(&routed.new)) >= PAIRS_PER_THREAD_MIN;
        if !routed.new.is_empty() {
            self.ensure_new()?;
        }
        let old = self.old.as_mut().filter(|_| !routed.old.is_empty());
        let new = self.new.as_mut().filter(|_| !routed.new.is_empty());
        let (removed, made) = ahead.unzip();
        let apply_old = || match (old, removed) {
            (Some(old), Some(removed)) => old.apply_from(removed, routed.old),
            (Some(old), None) => old.apply(&routed.old),
            (None, _) => Ok(()),
        };
        let apply_new =
            || new.map_or(Ok(EntrySum::default()), |new| new.apply_moving(&routed.new, &routed.new_moved, made));
        let (old, new) = beside(is_worth_it, apply_old, apply_new);
        match (old, new) {
            (Ok(()), Ok(entered)) => Ok(entered),
            (Err(source), Ok(_)) => Err(Error::Old { action, source }),
            (Ok(()), Err(source)) => Err(Error::New { action, source }),
            (Err(old), Err(new)) => Err(Error::Both { action, old, new }),
        }
    }

    fn check_size(&self, changes: &[NamedChangeSet]) -> Result<u64, Error> {
        let pairs = changes.iter().flat_map(NamedChangeSet::pairs);
        let flush: u64 = pairs.map(|pair| (pair.key.len() + pair.value.len()) as u64).sum();
        let got = self.block.bytes.saturating_add(flush);
        let expected_max = self.config.block_bytes_max;
        if got > expected_max { Err(Error::BlockTooLarge { expected_max, got }) } else { Ok(got) }
    }

    fn account(&mut self, bytes: u64, flushed: Flushed, manager: Option<ManagerSavepoint>) {
        let Flushed { report, moved, left, entered } = flushed;
        let block = &mut self.block;
        block.left.merge(&left);
        block.entered.merge(&entered);
        block.work += report.elapsed;
        block.begun = true;
        block.bytes = bytes;
        block.manager = block.manager.take().or(manager);
        for (module, keys) in moved {
            *block.moved.entry(module).or_default() += keys;
        }
        block.moved_keys += report.moved_keys;
        block.moved_key_bytes += report.moved_key_bytes;
        block.moved_value_bytes += report.moved_value_bytes;
    }

    fn savepoint(&self) -> FlushSavepoint<O, N> {
        FlushSavepoint {
            old: self.old.as_ref().map(OldStore::savepoint),
            new: self.new.as_ref().map(NewStore::savepoint),
            manager: self.manager.as_ref().map(|manager| manager.savepoint()),
        }
    }

    fn restore(&mut self, savepoint: FlushSavepoint<O, N>) {
        if let (Some(old), Some(savepoint)) = (&mut self.old, savepoint.old) {
            old.restore(savepoint);
        }
        match (&mut self.new, savepoint.new) {
            (Some(new), Some(savepoint)) => new.restore(savepoint),
            // The flush had FlatKV made.
            (Some(_), None) => self.drop_unborn_new(),
            (None, _) => {}
        }
        if let (Some(manager), Some(savepoint)) = (&self.manager, savepoint.manager) {
            manager.restore(savepoint);
        }
    }

    /// Whether the mode's migration stands still because the batch size is 0.
    pub fn is_paused(&self) -> bool {
        let unfinished = self.manager.as_ref().is_some_and(|manager| !manager.is_complete());
        unfinished && self.config.batch.is_paused() && self.mode != Mode::FlatkvOnly
    }
}
