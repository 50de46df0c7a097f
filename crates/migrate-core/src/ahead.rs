//! The next block's batch, worked on while this block becomes durable.
//!
//! ```text
//! taken     the next pairs of the walk, from the trees as this block leaves them
//! made      the rows that they become in FlatKV
//! removed   their leaves, from a copy of the trees
//! ```
//! It changes no result. Whoever advances next compares what the work began with, the cursor, the limits, the height and the
//! very nodes of the trees, with what there is then, and drops the work if anything differs. The stores in turn take from it
//! only what is the same as they are asked for. An error here is not told: the block meets it again.

use std::sync::mpsc::{Receiver, sync_channel};

use boundary::Boundary;
use changeset::{NamedChangeSet, NewStore, OldStore, StoreResult, Walk, Write};

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
pub(crate) struct Ahead<A, M>(Receiver<Done<A, M>>);

/// Work that was done.
pub(crate) struct Done<A, M> {
    start: Start,
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
        let (done, inbox) = sync_channel(1);
        let cancel = self.config.cancel.clone();
        self.worker.hand(move || {
            if let Ok(Some(work)) = work(start, old, N::make_moved, &cancel) {
                // Nobody listens if the block went another way.
                drop(done.send(work));
            }
        });
        self.ahead = Some(Ahead(inbox));
    }

    /// The work on the batch of the block in work, if it began with what there is now.
    pub(crate) fn take_ahead(&mut self) -> Option<Done<O::Ahead, N::Made>> {
        let Ahead(inbox) = self.ahead.take()?;
        let (manager, old) = (self.manager.as_ref()?, self.old.as_ref()?);
        let expected = Start::of(manager, self.next_height())?;
        let done = inbox.recv().ok()?;
        (done.start == expected && old.is_begun_by(&done.old)).then_some(done)
    }
}

/// Does the work; none if the batch is too heavy.
fn work<A: Walk + Write, M>(
    start: Start,
    mut old: A,
    make: impl Fn(&[NamedChangeSet], u64) -> StoreResult<M>,
    cancel: &CancelToken,
) -> Result<Option<Done<A, M>>, Error> {
    let action = "working on the next batch";
    let limit = start.limit.bytes.map_or(BYTES_MAX, |bytes| bytes.min(BYTES_MAX));
    let light = BatchLimit { bytes: Some(limit), ..start.limit };
    let batch = next_batch(&old, &start.trees, &start.boundary, light, cancel)?;
    if light != start.limit && batch.key_bytes.saturating_add(batch.value_bytes) >= limit {
        // The block's own may go on where this one was cut.
        return Ok(None);
    }
    let moving = Moving::of(&start.trees, batch);
    old.apply(&moving.leaves).map_err(Error::old(action))?;
    let new = make(&moving.enters, start.height).map_err(Error::new(action))?;
    Ok(Some(Done { start, moving, old, new }))
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
        let done = work(start, old, |_, _| Ok(()), &CancelToken::default()).expect("no store fails");
        done.map(|done| done.moving.leaves.iter().map(|set| set.pairs().len()).sum())
    }

    #[test]
    fn a_batch_that_its_weight_would_cut_is_not_worked_on() {
        assert_eq!(worked_on(None), None);
        assert_eq!(worked_on(Some(u64::MAX)), None);
        assert_eq!(worked_on(Some(BYTES_MAX)), Some(3));
        assert_eq!(worked_on(Some(BYTES_MAX / 2)), Some(2));
    }
}
