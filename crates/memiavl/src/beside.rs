//! Two pieces of work at once, where there are two processors.

use std::sync::LazyLock;
use std::thread;

static HAS_TWO: LazyLock<bool> = LazyLock::new(|| thread::available_parallelism().is_ok_and(|cores| cores.get() > 1));

/// What both pieces of work come to; the second runs on a thread of its own if it is worth one. A panic of either goes on in
/// the caller.
pub(crate) fn beside<A, B: Send>(
    is_worth_it: bool,
    here: impl FnOnce() -> A,
    there: impl FnOnce() -> B + Send,
) -> (A, B) {
    if !is_worth_it || !*HAS_TWO {
        return (here(), there());
    }
    thread::scope(|scope| {
        let there = scope.spawn(there);
        let here = here();
        match there.join() {
            Ok(there) => (here, there),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
