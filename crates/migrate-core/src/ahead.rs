//! The next block's batch, worked on while this block becomes durable.
//!
//! ```text
//! taken     the next pairs of the walk, from the trees as this block leaves them
//! made      the rows that they become in FlatKV
//! removed   their leaves, from a copy of the trees
//! ```
//! The last of it is for whoever comes to it first: the thread beside when the rows are made, or the next block, which would
//! only wait.
//!
//! It changes no result. Whoever advances next compares what the work began with, the cursor, the limits, the height and the
//! very nodes of the trees, with what there is then, and drops the work if anything differs. The stores in turn take from it
//! only what is the same as they are asked for. An error here is not told: the block meets it again.

use std::mem;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use boundary::Boundary;
use changeset::{NamedChangeSet, NewStore, OldStore, Walk, Write};

use crate::batch::{BatchLimit, next_batch};
use crate::cancel::CancelToken;
use crate::engine::Engine;
use crate::error::Error;
use crate::manager::Manager;
use crate::plan::Moving;

/// Larger batches are not worked on ahead: a second one in memory is what it costs.
const KEYS_MAX: u64 = 50_000;
/// Nor are heavier ones: three times what the most keys weigh where values are slots and accounts.
const BYTES_MAX: u64 = 16 << 20;
/// What errors say of the work; nobody hears them.
const ACTION: &str = "working on the next batch";

/// What the work begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Start {
    /// The height of the block that it is for.
    height: u64,
    boundary: Boundary,
    limit: BatchLimit,
    trees: Vec<String>,
}

impl Start {
    /// What the next advance of `manager` begins with in the block at `height`; none if there is nothing to work on.
    fn of(manager: &Manager, height: u64) -> Option<Self> {
        let (boundary, limit) = (manager.boundary(), manager.batch());
        let moves = boundary != Boundary::Complete && !limit.is_paused() && limit.keys <= KEYS_MAX;
        moves.then(|| Self { height, boundary, limit, trees: manager.trees().to_vec() })
    }
}

/// Work that was done, or is being done.
pub(crate) struct Ahead<A, M> {
    start: Start,
    removals: Arc<Mutex<Receiver<Removal<A>>>>,
    made: Receiver<Made<A, M>>,
}

/// The leaves of a batch, still to be removed or removed already.
struct Removal<A> {
    old: A,
    moving: Moving,
}

/// What the thread beside has come to.
struct Made<A, M> {
    /// What enters FlatKV. The removal's batch is without it: rows are made of it meanwhile.
    enters: Vec<NamedChangeSet>,
    new: M,
    /// None if the block has taken it.
    removed: Option<Removal<A>>,
}

/// Work that was done.
pub(crate) struct Done<A, M> {
    /// The batch.
    pub(crate) moving: Moving,
    /// Trees without it.
    pub(crate) old: A,
    /// Rows of it.
    pub(crate) new: M,
}

impl<O: OldStore, N: NewStore> Engine<O, N> {
    /// Begins to work on the batch of the block behind the one that is about to become durable.
    pub(crate) fn work_ahead(&mut self) {
        self.ahead = None;
        let height = self.next_height() + 1;
        let Some(manager) = self.manager.as_ref().filter(|_| self.worker.is_beside()) else { return };
        let (Some(start), Some(old)) = (Start::of(manager, height), &self.old) else { return };
        let Ok(old) = old.ahead() else { return };
        let ((offer, offered), (done, made)) = (sync_channel(1), sync_channel(1));
        let removals = Arc::new(Mutex::new(offered));
        let cancel = self.config.cancel.clone();
        let (own, first) = (Arc::clone(&removals), start.clone());
        self.worker.hand(move || {
            let height = first.height;
            if let Ok(Some(enters)) = begin(first, old, offer, &cancel)
                && let Ok(new) = N::make_moved(&enters, height)
                && let Ok(removed) = take_of(&own, false).map(Removal::remove).transpose()
            {
                // Nobody listens if the block went another way.
                drop(done.send(Made { enters, new, removed }));
            }
        });
        self.ahead = Some(Ahead { start, removals, made });
    }

    /// The work on the batch of the block in work, if it began with what there is now.
    pub(crate) fn take_ahead(&mut self) -> Option<Done<O::Ahead, N::Made>> {
        let Ahead { start, removals, made } = self.ahead.take()?;
        let (manager, old) = (self.manager.as_ref()?, self.old.as_ref()?);
        if start != Start::of(manager, self.next_height())? {
            return None;
        }
        let own = take_of(&removals, true);
        if own.as_ref().is_some_and(|removal| !old.is_begun_by(&removal.old)) {
            return None;
        }
        let own = own.map(Removal::remove).transpose().ok()?;
        let Made { enters, new, removed } = made.recv().ok()?;
        let Removal { old: trees, mut moving } = own.or(removed)?;
        moving.enters = enters;
        old.is_begun_by(&trees).then_some(Done { moving, old: trees, new })
    }
}

/// The removal, if nobody else has taken it; waits until it is offered, or never will be, if asked to.
fn take_of<A>(removals: &Mutex<Receiver<Removal<A>>>, wait: bool) -> Option<Removal<A>> {
    // Nothing is done under the lock that could panic.
    let removals = removals.lock().unwrap_or_else(PoisonError::into_inner);
    if wait { removals.recv().ok() } else { removals.try_recv().ok() }
}

impl<A: Write> Removal<A> {
    fn remove(mut self) -> Result<Self, Error> {
        self.old.apply(&self.moving.leaves).map_err(Error::old(ACTION))?;
        Ok(self)
    }
}

/// Takes the batch and offers the removal of its leaves. Returns what enters FlatKV; none if the batch is too heavy.
fn begin<A: Walk>(
    start: Start,
    old: A,
    offer: SyncSender<Removal<A>>,
    cancel: &CancelToken,
) -> Result<Option<Vec<NamedChangeSet>>, Error> {
    let limit = start.limit.bytes.map_or(BYTES_MAX, |bytes| bytes.min(BYTES_MAX));
    let light = BatchLimit { bytes: Some(limit), ..start.limit };
    let batch = next_batch(&old, &start.trees, &start.boundary, light, cancel)?;
    if light != start.limit && batch.key_bytes.saturating_add(batch.value_bytes) >= limit {
        // The block's own may go on where this one was cut.
        return Ok(None);
    }
    let mut moving = Moving::of(&start.trees, batch);
    let enters = mem::take(&mut moving.enters);
    // There is room for the one that is ever offered; who waits for it hears of the end of the sender.
    drop(offer.send(Removal { old, moving }));
    Ok(Some(enters))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStore;

    /// The keys that are worked on of a tree with three values of a third of the most bytes each, and a small one.
    fn worked_on(bytes: Option<u64>) -> Option<usize> {
        let mut old = MemoryStore::with_modules(["evm"]);
        let third = usize::try_from(BYTES_MAX).expect("fits") / 3;
        (0..3_u8).for_each(|key| old.set("evm", vec![key], vec![0; third]));
        old.set("evm", vec![3], vec![0]);
        let start = Start {
            height: 1,
            boundary: Boundary::NotStarted,
            limit: BatchLimit { keys: 4, bytes },
            trees: vec!["evm".to_owned()],
        };
        let (offer, offered) = sync_channel(1);
        let enters = begin(start, old, offer, &CancelToken::default()).expect("no store fails");
        let removal = take_of(&Mutex::new(offered), true).map(|removal| removal.remove().expect("no store fails"));
        let count = |sets: &[NamedChangeSet]| sets.iter().map(|set| set.pairs().len()).sum();
        assert_eq!(removal.map(|removal| count(&removal.moving.leaves)), enters.as_deref().map(count));
        enters.as_deref().map(count)
    }

    #[test]
    fn a_batch_that_its_weight_would_cut_is_not_worked_on() {
        assert_eq!(worked_on(None), None);
        assert_eq!(worked_on(Some(u64::MAX)), None);
        assert_eq!(worked_on(Some(BYTES_MAX)), Some(3));
        assert_eq!(worked_on(Some(BYTES_MAX / 2)), Some(2));
    }
}
