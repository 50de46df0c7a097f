//! A preloaded library (`LD_PRELOAD`) that stands between a process and libc: it records every change below one directory in
//! the order in which it takes effect, and fails the operation that it is told to fail.
//!
//! **It is not** part of the program and links nothing of it. It sees what goes through libc's functions; a raw system call or
//! a store into a mapped file passes it by, and whoever uses it compares the log with the directory to find that out.
//!
//! Good starting points:
//! - `hooks`: the functions that it takes the place of.
//! - `log`: the log, byte by byte.
//! - `fault`: which operation fails, how, and for how long.
//!
//! Invariants: one lock is held around each call and its record, so that the order of the log is the order of the effects;
//! only what succeeded is recorded, with the bytes that were really written; nothing outside the directory is touched.
//!
//! ```text
//! TORTURE_HOME      the directory; absolute, without links
//! TORTURE_LOG       the log's path, outside of it; without it nothing is recorded
//! TORTURE_CONTROL   a file outside of it: what the process writes to it is an order to this library, see `control`
//! TORTURE_NO_ALLOCATION   refuse to allocate ahead, everywhere
//! ```

#![expect(unsafe_code, reason = "it takes the place of libc's functions and calls those behind it")]

mod control;
mod fault;
mod hooks;
mod log;
mod real;
mod scope;
mod state;
