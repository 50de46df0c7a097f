//! The functions that the library takes the place of, by what they are about.
//!
//! Each asks whether the call concerns the directory, asks the fault in force, calls libc's own function, and records what
//! succeeded, all under the one lock. A call that does not concern the directory runs without it, so that a pipe that
//! blocks holds nobody up.

mod bytes;
mod names;
mod syncs;
mod unseen;

use std::os::fd::RawFd;
use std::sync::MutexGuard;

use crate::fault::{Asks, Verdict};
use crate::real;
use crate::scope;
use crate::state::{State, state};

/// What a hook does instead of libc's function.
enum Turn {
    /// Nothing: the call is none of ours.
    Aside,
    /// The call fails, errno is set; with the lock, for what is to be recorded of it.
    Failed(MutexGuard<'static, State>),
    /// Ours, with the lock. A write may have been told to write less.
    Ours(MutexGuard<'static, State>, Option<usize>),
}

/// Decides about a call on a descriptor.
fn on_fd(name: &str, fd: RawFd, asks: Asks) -> Turn {
    match state() {
        Some(mut state) if state.has(fd) => {
            let path = scope::path_of(fd).unwrap_or_default();
            let verdict = state.faults.judge(name, asks, &path);
            turn(state, verdict)
        }
        _ => Turn::Aside,
    }
}

/// Decides about a call on a path.
fn on_path(name: &str, path: Option<&[u8]>, asks: Asks) -> Turn {
    match state() {
        Some(mut state) if state.below(path).is_some() => {
            let verdict = state.faults.judge(name, asks, path.unwrap_or_default());
            turn(state, verdict)
        }
        _ => Turn::Aside,
    }
}

fn turn(state: MutexGuard<'static, State>, verdict: Verdict) -> Turn {
    match verdict {
        Verdict::Goes => Turn::Ours(state, None),
        Verdict::Writes(bytes) => Turn::Ours(state, Some(bytes)),
        Verdict::Fails(errno) => {
            real::set_errno(errno);
            Turn::Failed(state)
        }
    }
}
