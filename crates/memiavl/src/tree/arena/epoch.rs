//! Epochs: which lines the trees of one moment have, and when a line can be used again.
//!
//! ```text
//! committed      working
//!   epoch 7  <-  epoch 8    born: the lines that 8 wrote. left: lines of 7 and before that 8 has no more.
//! ```
//! An epoch that nobody else holds is changed in place. Otherwise a change begins the next one, which holds its parent until
//! it is *sealed*: until then it can be dropped, and its own lines with it. Once sealed it stands in a row with those sealed
//! before, and what it has left goes as ZFS frees the blocks of a file system with snapshots: a line that was born in epoch
//! b and left by epoch l is in all sealed epochs from b on before l, and goes with the last of them. Each epoch
//! has a list of what it left and its forerunner in the row still has; when the forerunner goes, those of the list that were born
//! behind the next one in the row are free, and the others are that one's to keep.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::tree::arena::lines::{Lines, Place};

/// Lines that a change takes at once.
const LOT_LINES: u32 = 256;

/// What the trees of one moment hold, beside their roots.
pub(crate) struct Epoch {
    arena: Arc<Arena>,
    number: u32,
    /// None once it is sealed.
    open: Mutex<Option<Open>>,
}

/// An epoch that can still be dropped as if it had not been.
#[derive(Default)]
struct Open {
    /// None for the first one.
    parent: Option<Arc<Epoch>>,
    changes: Changes,
}

/// What an epoch has written and left.
#[derive(Default)]
pub(crate) struct Changes {
    /// Every line that it wrote.
    born: Vec<Place>,
    /// What it left of earlier epochs' lines.
    left: Vec<Left>,
    /// What it wrote and left: nobody else has ever had it.
    spare: Vec<Place>,
}

/// A line that a tree has no more.
#[derive(Clone, Copy)]
struct Left {
    place: Place,
    /// The epoch that wrote it.
    born: u32,
}

/// The lines of a tree in all its epochs.
struct Arena {
    lines: Lines,
    state: Mutex<State>,
}

struct State {
    /// The first line of the next chunk of fresh ones; none when all are given.
    fresh: Option<u32>,
    free: Vec<Place>,
    /// The last number that an epoch got.
    last: u32,
    /// The sealed epochs that someone holds.
    sealed: BTreeMap<u32, Sealed>,
    /// The last epoch of the row; 0 before the first.
    newest: u32,
}

#[derive(Default)]
struct Sealed {
    /// The epoch before it in the row; 0 if there is none.
    before: u32,
    /// What it left, and `before` still has.
    left: Vec<Left>,
    /// Its parent, if that was not the newest when it was sealed: then it stands beside the row, and nothing of what both
    /// have may go.
    beside: Option<Arc<Epoch>>,
}

impl Epoch {
    /// The first epoch of a new tree's lines.
    pub(crate) fn first() -> Arc<Self> {
        let state = State { fresh: Some(1), free: Vec::new(), last: 1, sealed: BTreeMap::new(), newest: 0 };
        let arena = Arena { lines: Lines::new(), state: Mutex::new(state) };
        Arc::new(Self { arena: Arc::new(arena), number: 1, open: Mutex::new(Some(Open::default())) })
    }

    /// The epoch's number. Those of a tree rise.
    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// The lines of all epochs.
    pub(crate) fn lines(&self) -> &Lines {
        &self.arena.lines
    }

    /// Makes `epoch` one that can be changed: it stays if nobody else holds it, and else its child takes its place.
    pub(crate) fn open(epoch: &mut Arc<Self>) -> Result<()> {
        let is_open = |epoch: &mut Self| lock_mut(&mut epoch.open).is_some();
        if Arc::get_mut(epoch).is_some_and(is_open) {
            return Ok(());
        }
        let number = epoch.arena.number()?;
        let open = Open { parent: Some(Arc::clone(epoch)), changes: Changes::default() };
        *epoch = Arc::new(Self { arena: Arc::clone(&epoch.arena), number, open: Mutex::new(Some(open)) });
        Ok(())
    }

    /// What the epoch wrote and left, to be written again.
    pub(crate) fn spares(&self) -> Changes {
        let spare = lock(&self.open).as_mut().map(|open| mem::take(&mut open.changes.spare));
        Changes { spare: spare.unwrap_or_default(), ..Changes::default() }
    }

    /// Adds to what the epoch has written and left.
    pub(crate) fn add(&self, changes: Changes) {
        if let Some(open) = &mut *lock(&self.open) {
            open.changes.append(changes);
        }
    }

    /// From here on the epoch is never changed. It takes its place in the row behind its parent, which may go then.
    pub(crate) fn seal(&self) {
        // One after the other, the oldest first: a block may have had many thousand savepoints.
        let (mut open, mut parent) = (Vec::new(), self.open_parent());
        while let Some(epoch) = parent {
            parent = epoch.open_parent();
            open.push(epoch);
        }
        open.iter().rev().for_each(|epoch| epoch.seal_alone());
        self.seal_alone();
    }

    /// The parent of an epoch that is not sealed.
    fn open_parent(&self) -> Option<Arc<Self>> {
        lock(&self.open).as_ref()?.parent.clone()
    }

    /// Seals the epoch, whose parent is sealed.
    fn seal_alone(&self) {
        let Some(Open { parent, changes: Changes { born: _, left, mut spare } }) = lock(&self.open).take() else {
            return;
        };
        let before = parent.as_ref().map_or(0, |parent| parent.number);
        let mut state = lock(&self.arena.state);
        let is_next = state.newest == before;
        state.free.append(&mut spare);
        let _held = if is_next {
            state.newest = self.number;
            state.sealed.insert(self.number, Sealed { before, left, beside: None });
            parent
        } else {
            state.sealed.insert(self.number, Sealed { before, left, beside: parent });
            None
        };
        // Whoever is dropped now asks for the lock again.
        drop(state);
    }

    /// Lines that are neither fresh nor free.
    #[cfg(test)]
    pub(crate) fn lines_in_use(&self) -> usize {
        let state = lock(&self.arena.state);
        state.fresh.expect("not all are given") as usize - 1 - state.free.len()
    }

    /// Fresh lines, or lines that are free again.
    pub(crate) fn take_lot(&self, lot: &mut Vec<Place>) -> Result<()> {
        let mut state = lock(&self.arena.state);
        if state.free.is_empty() {
            let first = state.fresh.ok_or(Error::TooManyNodes)?;
            let lines = first..first.saturating_add(LOT_LINES);
            state.fresh = first.checked_add(LOT_LINES);
            lot.extend(lines.rev().filter_map(Place::numbered));
            lot.iter().for_each(|place| self.arena.lines.make(*place));
        } else {
            let rest = state.free.len().saturating_sub(LOT_LINES as usize);
            lot.extend(state.free.drain(rest..));
        }
        Ok(())
    }

    /// Lines that nobody has written to.
    pub(crate) fn give_back(&self, lot: &mut Vec<Place>) {
        lock(&self.arena.state).free.append(lot);
    }
}

impl Drop for Epoch {
    fn drop(&mut self) {
        match lock_mut(&mut self.open).take() {
            // Nobody has a tree of it: whoever goes on from it holds it.
            Some(mut open) => {
                self.give_back(&mut open.changes.born);
                // One after the other, as they are sealed.
                let mut parent = open.parent;
                while let Some(mut epoch) = parent.and_then(Arc::into_inner) {
                    parent = lock_mut(&mut epoch.open).as_mut().and_then(|open| open.parent.take());
                }
            }
            None => self.arena.release(self.number),
        }
    }
}

impl Changes {
    /// A line was written.
    pub(crate) fn bear(&mut self, place: Place) {
        self.born.push(place);
    }

    /// A line of epoch `own`, whose changes these are, or of the earlier epoch `born`, is in the tree no more.
    pub(crate) fn leave(&mut self, place: Place, born: u32, own: u32) {
        if born == own {
            self.spare.push(place);
        } else {
            self.left.push(Left { place, born });
        }
    }

    /// A line that was written and left.
    pub(crate) fn spare(&mut self) -> Option<Place> {
        self.spare.pop()
    }

    fn append(&mut self, mut other: Self) {
        self.born.append(&mut other.born);
        self.left.append(&mut other.left);
        self.spare.append(&mut other.spare);
    }
}

impl Arena {
    fn number(&self) -> Result<u32> {
        let mut state = lock(&self.state);
        state.last = state.last.checked_add(1).ok_or(Error::TooManyEpochs)?;
        Ok(state.last)
    }

    /// A sealed epoch goes.
    fn release(&self, number: u32) {
        let mut state = lock(&self.state);
        let Some(mut gone) = state.sealed.remove(&number) else { return };
        let next = state.sealed.range(number..).find(|(_, next)| next.before == number).map(|(number, _)| *number);
        if let Some(next) = next.and_then(|next| state.sealed.get_mut(&next)) {
            next.before = gone.before;
            let left = mem::take(&mut next.left);
            let (free, kept): (Vec<_>, Vec<_>) = left.into_iter().partition(|left| left.born > gone.before);
            gone.left.extend(kept);
            next.left = mem::take(&mut gone.left);
            state.free.extend(free.iter().map(|left| left.place));
        } else if state.newest == number {
            // Its own lines are lost until all of the tree goes: a state is dropped behind its commit only when the store is.
            state.newest = gone.before;
        }
        // A parent that is dropped now asks for the lock again.
        drop(state);
        drop(gone.beside);
    }
}

impl std::fmt::Debug for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Epoch").field("number", &self.number).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lock_mut<T>(mutex: &mut Mutex<T>) -> &mut T {
    mutex.get_mut().unwrap_or_else(PoisonError::into_inner)
}
