//! Pieces of work at once, on threads that are there already.
//!
//! A block has half a dozen pieces of a millisecond or less that can be done side by side. A thread of its own for each costs
//! a tenth of that to start, and what it allocates comes from memory that no other thread has in its caches.
//!
//! **It is not** for long work: whoever waits for a disk or for a message has a thread of its own.
//!
//! Good starting points:
//! - [`beside`]: two pieces.
//! - [`each`]: any number of like ones.
//! - [`alone`]: for work in the background, which is not to stand before a block's.
//!
//! ```
//! let (sum, length) = beside::beside(true, || [1, 2, 3].iter().sum::<i32>(), || "abc".len());
//! assert_eq!((sum, length), (6, 3));
//! ```
//!
//! Invariants: the pool is ours alone, so that no host's work stands before a block's; the result does not depend on which
//! thread did what; a panic of a piece goes on in the caller.

use std::cell::Cell;
use std::sync::LazyLock;
use std::thread;

use rayon_core::{ThreadPool, ThreadPoolBuilder};

/// One thread for each processor; none where there is but one, or where threads cannot be had.
static POOL: LazyLock<Option<ThreadPool>> = LazyLock::new(|| {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    if processors < 2 {
        return None;
    }
    let name = |at| format!("ferry-pool-{at}");
    match ThreadPoolBuilder::new().num_threads(processors).thread_name(name).build() {
        Ok(pool) => Some(pool),
        Err(error) => {
            tracing::warn!(%error, "no threads for pieces of work, each is done by whoever has it");
            None
        }
    }
});

thread_local! {
    /// Whether this thread does all pieces itself.
    static IS_ALONE: Cell<bool> = const { Cell::new(false) };
}

/// The pool, for who may use it.
fn pool() -> Option<&'static ThreadPool> {
    POOL.as_ref().filter(|_| !IS_ALONE.get())
}

/// Does `work`, and all pieces that it falls into, on this thread: what no block waits for takes long pieces, and one of them
/// in the pool would stand before a block's short ones.
pub fn alone<R>(work: impl FnOnce() -> R) -> R {
    /// What the thread was before, also behind a panic.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            IS_ALONE.set(self.0);
        }
    }
    let _before = Before(IS_ALONE.replace(true));
    work()
}

/// What both pieces of work come to; the second is done by another thread if it is worth one.
pub fn beside<A, B: Send>(is_worth_it: bool, here: impl FnOnce() -> A, there: impl FnOnce() -> B + Send) -> (A, B) {
    let Some(pool) = pool().filter(|_| is_worth_it) else { return (here(), there()) };
    let mut done = None;
    let here = pool.in_place_scope(|scope| {
        scope.spawn(|_| done = Some(there()));
        here()
    });
    // UNWRAP: a scope ends when all of it is done, and a panic has gone on above.
    (here, done.expect("a piece of a scope that ended"))
}

/// What `work` makes of each of `pieces`, in their order. The first is the caller's.
pub fn each<T: Send, R: Send>(pieces: impl IntoIterator<Item = T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let mut pieces = pieces.into_iter();
    let Some(first) = pieces.next() else { return Vec::new() };
    let Some(pool) = pool() else { return std::iter::once(first).chain(pieces).map(work).collect() };
    let others: Vec<T> = pieces.collect();
    let mut done: Vec<Option<R>> = others.iter().map(|_| None).collect();
    let work = &work;
    let first = pool.in_place_scope(|scope| {
        for (piece, place) in others.into_iter().zip(&mut done) {
            scope.spawn(move |_| *place = Some(work(piece)));
        }
        work(first)
    });
    std::iter::once(first).chain(done.into_iter().flatten()).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn both_pieces_are_done_at_once_where_there_are_two_processors() {
        let here = thread::current().id();
        let both = Barrier::new(if POOL.is_some() { 2 } else { 1 });
        let there = || {
            both.wait();
            thread::current().id()
        };
        let (first, second) = beside(true, || both.wait().is_leader(), there);
        assert!(first || second != here);
        assert_eq!(second == here, POOL.is_none());
        assert_eq!(beside(false, || 1, || thread::current().id()), (1, here), "not worth a thread");
    }

    #[test]
    fn pieces_come_out_in_their_order_whoever_does_them() {
        for count in [0, 1, 2, 100_u64] {
            assert_eq!(each(0..count, |at| at * at), (0..count).map(|at| at * at).collect::<Vec<_>>());
        }
    }

    #[test]
    fn pieces_of_pieces_come_to_an_end() {
        let sums = each(0..20_u64, |at| {
            let (low, high) = beside(true, || each(0..at, |of| of), || each(0..at, |of| of));
            low.iter().chain(&high).sum::<u64>()
        });
        assert_eq!(sums, (0..20).map(|at: u64| at * at.saturating_sub(1)).collect::<Vec<_>>());
    }

    #[test]
    fn alone_a_thread_does_all_pieces_and_is_what_it_was_afterwards() {
        let here = thread::current().id();
        let ids = || {
            each(0..8, |_| thread::current().id()).into_iter().chain([beside(true, || 0, || thread::current().id()).1])
        };
        assert!(alone(|| alone(ids).chain(ids()).collect::<Vec<_>>()).iter().all(|id| *id == here));
        let panicked = std::panic::catch_unwind(|| alone(|| panic!("planted")));
        assert!(panicked.is_err());
        assert_eq!(pool().is_some(), POOL.is_some());
        assert!(ids().any(|id| id != here) || POOL.is_none());
    }

    #[test]
    fn a_panic_goes_on_in_the_caller() {
        let there = std::panic::catch_unwind(|| beside(true, || (), || panic!("planted")));
        assert!(there.is_err());
        let piece = std::panic::catch_unwind(|| each(0..9, |at| assert_ne!(at, 7, "planted")));
        assert!(piece.is_err());
        assert_eq!(beside(true, || 1, || 2), (1, 2), "the pool goes on");
    }
}
