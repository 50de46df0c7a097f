//! Orders from the process: the text that it writes to the control file.
//!
//! ```text
//! mark TEXT                        a marker in the log, in its place among the operations
//! fail WAY AT once|ever             operation AT from now on fails; WAY: io, full, short, sync
//! lift                             nothing fails any more; the answer stands in CONTROL.answer:
//!                                  operations seen, operations failed, the first that failed
//! ```

use std::ffi::CString;

use crate::fault::Way;
use crate::log::{Kind, Record};
use crate::real;
use crate::state::State;

/// Obeys an order. One that is not understood ends the process: a rig that does nothing must not look like one that finds
/// nothing.
pub(crate) fn obey(state: &mut State, order: &[u8]) {
    let order = String::from_utf8_lossy(order);
    let words: Vec<&str> = order.split_whitespace().collect();
    match words.as_slice() {
        ["mark", ..] => state.record(&Record { data: order[5..].trim_end().as_bytes(), ..Record::of(Kind::Marker, 0) }),
        ["fail", way, at, duration] => {
            let way = match *way {
                "io" => Way::Io,
                "full" => Way::Full,
                "short" => Way::Short,
                "sync" => Way::Sync,
                _ => real::abort("torture-recorder: unknown way to fail"),
            };
            let Ok(at) = at.parse() else { real::abort("torture-recorder: not a number") };
            state.faults.arm(way, at, *duration == "ever");
        }
        ["lift"] => {
            state.faults.lift();
            answer(state);
        }
        _ => real::abort("torture-recorder: unknown order"),
    }
}

fn answer(state: &State) {
    let faults = &state.faults;
    let text = format!("{} {} {}", faults.seen, faults.met, faults.first);
    let path = [state.control.as_slice(), b".answer"].concat();
    let opened = CString::new(path).ok().and_then(|path| {
        // Through the raw call: the answer is nobody's operation.
        real::open(&path, libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC)
    });
    let Some(fd) = opened else { real::abort("torture-recorder: no place for an answer") };
    if !real::write_all(fd, text.as_bytes()) {
        real::abort("torture-recorder: the answer cannot be written");
    }
    // SAFETY: the descriptor is ours and used no more.
    unsafe { libc::close(fd) };
}
