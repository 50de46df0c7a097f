//! Publishing views: the newest versions stand ready, and readers take them without meeting the committing thread.
//!
//! The committing thread holds the slot's lock only to swap a pointer. Open views are counted in a table of slots, each
//! claimed and freed with one atomic operation.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::RwLock;

use crate::error::Error;
use crate::view::{View, ViewState};

/// How many versions [`Views::at`] can go back, the newest included. Each pins what RocksDB would otherwise compact.
pub const RECENT_VIEWS: usize = 8;

const FREE: u64 = 0;

/// The table of open views: per slot the time at which it was taken, in microseconds since the table was made, plus 1.
#[derive(Debug)]
pub struct OpenViews {
    made: Instant,
    slots: Box<[AtomicU64]>,
}

impl OpenViews {
    fn new(max: usize) -> Self {
        Self { made: Instant::now(), slots: (0..max).map(|_| AtomicU64::new(FREE)).collect() }
    }

    /// How many views are open.
    pub fn count(&self) -> usize {
        self.slots.iter().filter(|slot| slot.load(Ordering::Acquire) != FREE).count()
    }

    /// How long the oldest open view has been open; none if none is.
    pub fn oldest_age(&self) -> Option<Duration> {
        let taken = |slot: &AtomicU64| Some(slot.load(Ordering::Acquire)).filter(|taken| *taken != FREE);
        let oldest = self.slots.iter().filter_map(taken).min()?;
        Some(self.made.elapsed().saturating_sub(Duration::from_micros(oldest - 1)))
    }

    fn claim(self: &Arc<Self>) -> Result<Ticket, Error> {
        let now = u64::try_from(self.made.elapsed().as_micros()).unwrap_or(u64::MAX - 1) + 1;
        let claimed = |slot: &AtomicU64| slot.compare_exchange(FREE, now, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        let slot = self.slots.iter().position(claimed).ok_or(Error::TooManyViews { max: self.slots.len() })?;
        Ok(Ticket { table: Arc::clone(self), slot })
    }
}

/// An open view's place in the table; dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Ticket {
    table: Arc<OpenViews>,
    slot: usize,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.table.slots[self.slot].store(FREE, Ordering::Release);
    }
}

/// The published versions. Clone it into as many reader threads as you like. Of a node that is closed it gives no view, and
/// holds nothing: the stores are closed with the last open view.
pub struct Views<O, N> {
    recent: Arc<RwLock<Arc<Recent<O, N>>>>,
    open: Arc<OpenViews>,
}

type Recent<O, N> = VecDeque<Arc<ViewState<O, N>>>;

impl<O, N> Clone for Views<O, N> {
    fn clone(&self) -> Self {
        Self { recent: Arc::clone(&self.recent), open: Arc::clone(&self.open) }
    }
}

impl<O, N> Views<O, N> {
    /// A view of the newest version.
    ///
    /// # Errors
    /// All views taken, a node that is closed.
    pub fn latest(&self) -> Result<View<O, N>, Error> {
        let ticket = Arc::new(self.open.claim()?);
        let state = self.recent.read().back().cloned().ok_or(Error::Closed)?;
        Ok(View { state, _ticket: ticket })
    }

    /// A view of the version at `height`, one of the last [`RECENT_VIEWS`].
    ///
    /// # Errors
    /// A height that is not kept, all views taken, a node that is closed.
    pub fn at(&self, height: u64) -> Result<View<O, N>, Error> {
        // First of all: what holds a version is counted as long as it does.
        let ticket = Arc::new(self.open.claim()?);
        let recent = Arc::clone(&self.recent.read());
        let (Some(oldest), Some(newest)) = (recent.front(), recent.back()) else { return Err(Error::Closed) };
        let gone = || Error::ViewGone { height, oldest: oldest.height, newest: newest.height };
        let state = recent.iter().find(|state| state.height == height).cloned().ok_or_else(gone)?;
        Ok(View { state, _ticket: ticket })
    }

    /// The open views, for whoever counts them.
    pub fn open(&self) -> &Arc<OpenViews> {
        &self.open
    }
}

/// The side that publishes. When it goes, its versions go with it.
pub(crate) struct Publisher<O, N>(Views<O, N>);

impl<O, N> Publisher<O, N> {
    pub(crate) fn new(first: ViewState<O, N>, max: usize) -> Self {
        let recent = VecDeque::from([Arc::new(first)]);
        Self(Views { recent: Arc::new(RwLock::new(Arc::new(recent))), open: Arc::new(OpenViews::new(max)) })
    }

    /// What readers have.
    pub(crate) fn views(&self) -> &Views<O, N> {
        &self.0
    }

    pub(crate) fn newest(&self) -> Arc<ViewState<O, N>> {
        let recent = self.0.recent.read();
        // UNWRAP: the deque starts with one version and publishing never leaves it empty.
        Arc::clone(recent.back().expect("a version is always published"))
    }

    /// Puts a version in front of readers. The pointer is swapped last, so a reader sees the old list or the new one. What is
    /// returned holds the version that is not kept any more: freeing it takes a while, and is left to whoever has the time.
    pub(crate) fn publish(&self, state: ViewState<O, N>) -> Arc<Recent<O, N>> {
        let mut next: Recent<O, N> = self.0.recent.read().iter().cloned().collect();
        next.push_back(Arc::new(state));
        while next.len() > RECENT_VIEWS {
            next.pop_front();
        }
        self.swap(next)
    }

    fn swap(&self, next: Recent<O, N>) -> Arc<Recent<O, N>> {
        std::mem::replace(&mut *self.0.recent.write(), Arc::new(next))
    }
}

impl<O, N> Drop for Publisher<O, N> {
    fn drop(&mut self) {
        // What the list held last is freed here, not under the lock.
        drop(self.swap(Recent::new()));
    }
}
