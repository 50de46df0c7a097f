//! Takes shipped source over for the scheduler: its locks, atomics, threads and files become the scheduler's, and copies
//! with a planted fault are made beside it, which the tests must find.

use std::fs;
use std::path::{Path, PathBuf};

/// What the scheduler replaces: in which file, by what.
type Swaps<'a> = &'a [(&'a str, &'a str)];

const PUBLISH: &str = "../../../crates/migrate-core/src/publish.rs";
const PUBLISH_SWAPS: Swaps<'_> = &[
    ("use std::sync::Arc;", "use shuttle::sync::Arc;"),
    ("use std::sync::atomic::", "use shuttle::sync::atomic::"),
    ("use parking_lot::RwLock;", "use crate::parking_lot::RwLock;"),
    ("use crate::error::Error;", "use super::error::Error;"),
    ("use crate::view::{View, ViewState};", "use super::view::{View, ViewState};"),
];
/// A slot is taken without looking whether another thread has just taken it.
const SLOT_TAKEN_TWICE: (&str, &str) = (
    "slot.compare_exchange(FREE, now, Ordering::AcqRel, Ordering::Relaxed).is_ok()",
    "slot.load(Ordering::Acquire) == FREE && { slot.store(now, Ordering::Release); true }",
);
/// The list is emptied before the new version is in it.
const LIST_EMPTY_FOR_A_MOMENT: (&str, &str) = (
    "        std::mem::replace(&mut *self.0.recent.write(), Arc::new(next))",
    "        *self.0.recent.write() = Arc::default();\n        std::mem::replace(&mut *self.0.recent.write(), Arc::new(next))",
);

const SYNCER: &str = "../../../crates/memiavl/src/changelog/syncer.rs";
const SYNCER_SWAPS: Swaps<'_> = &[
    ("use std::fs::File;", "use super::file::File;"),
    ("use std::sync::Arc;", "use shuttle::sync::Arc;"),
    ("use std::thread::{self, JoinHandle};", "use shuttle::thread::{self, JoinHandle};"),
    ("thread::panicking()", "std::thread::panicking()"),
    ("use parking_lot::{Condvar, Mutex};", "use crate::parking_lot::{Condvar, Mutex};"),
    ("use crate::changelog::error::{LogError, Result};", "use super::error::{LogError, Result};"),
];
/// What is to be synced counts as synced before it is.
const PUBLISHED_BEFORE_THE_SYNC: (&str, &str) =
    ("state.working = true;", "state.working = true; state.synced = goal.synced;");
/// Nobody is told that the thread is busy.
const BUSY_UNSAID: (&str, &str) = ("state.working = true;", "state.working = false;");
/// A goal that replaces another forgets that the directory is to be synced.
const DIRECTORY_FORGOTTEN: (&str, &str) =
    ("goal.with_dir || state.goal.as_ref().is_some_and(|replaced| replaced.with_dir)", "goal.with_dir");
/// The thread is told to end and not woken.
const END_UNSAID: (&str, &str) = (
    "self.shared.state.lock().closing = true;\n        self.shared.changed.notify_all();",
    "self.shared.state.lock().closing = true;",
);

const ROW_CACHE: &str = "../../../crates/flatkv/src/row_cache.rs";
const ROW_CACHE_SWAPS: Swaps<'_> = &[
    ("use std::sync::atomic::", "use shuttle::sync::atomic::"),
    ("use parking_lot::Mutex;", "use crate::parking_lot::Mutex;"),
    ("use quick_cache::sync::Cache;", "use super::super::quick_cache::sync::Cache;"),
    ("use quick_cache::{", "use super::super::quick_cache::{"),
    ("use crate::block::", "use super::block::"),
    ("use crate::lane::Lane;", "use super::lane::Lane;"),
    ("crate::row::height_of", "super::row::height_of"),
    // What the real cache does on its own, to make room.
    (
        "    fn stripe(",
        "    pub(crate) fn evict(&self, key: &[u8]) { self.rows.remove(&Wanted { lane: Lane, bytes: key }); }\n    fn stripe(",
    ),
];
/// A commit says last, not first, that it has begun.
const NEWEST_LATE: (&str, &str) = (
    "        self.newest.store(version, Ordering::Release);\n        for (lane, rows) in written.iter() {\n            for (key, pending) in rows {\n                self.replace(lane, key, pending.now.clone(), version);\n            }\n        }",
    "        for (lane, rows) in written.iter() {\n            for (key, pending) in rows {\n                self.replace(lane, key, pending.now.clone(), version);\n            }\n        }\n        self.newest.store(version, Ordering::Release);",
);
/// A reader does not look again once it has the lock.
const NOT_LOOKED_AGAIN: (&str, &str) = (
    "        if self.newest.load(Ordering::Acquire) == version {\n            self.rows",
    "        if version == version {\n            self.rows",
);
/// An entry answers every view.
const ANSWERS_ALL: (&str, &str) = (
    "(entry.since <= version).then_some(entry.row)",
    "(entry.since <= version || entry.since > version).then_some(entry.row)",
);
/// What is written stays as it was read.
const LEFT_AS_IT_WAS: (&str, &str) = (
    "if !self.rows.contains_key(&wanted) {",
    "if self.rows.contains_key(&wanted) || !self.rows.contains_key(&wanted) {",
);

fn main() {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo says where"));
    let make = |name: &str, source: &str, swaps: Swaps<'_>, fault: Option<(&str, &str)>| {
        println!("cargo::rerun-if-changed={source}");
        fs::write(out.join(name), take_over(Path::new(source), swaps, fault)).expect("the source is written");
    };
    println!("cargo::rerun-if-changed=build.rs");
    make("publish.rs", PUBLISH, PUBLISH_SWAPS, None);
    make("publish_slot.rs", PUBLISH, PUBLISH_SWAPS, Some(SLOT_TAKEN_TWICE));
    make("publish_list.rs", PUBLISH, PUBLISH_SWAPS, Some(LIST_EMPTY_FOR_A_MOMENT));
    make("syncer.rs", SYNCER, SYNCER_SWAPS, None);
    make("syncer_early.rs", SYNCER, SYNCER_SWAPS, Some(PUBLISHED_BEFORE_THE_SYNC));
    make("syncer_busy.rs", SYNCER, SYNCER_SWAPS, Some(BUSY_UNSAID));
    make("syncer_directory.rs", SYNCER, SYNCER_SWAPS, Some(DIRECTORY_FORGOTTEN));
    make("row_cache.rs", ROW_CACHE, ROW_CACHE_SWAPS, None);
    make("row_cache_newest.rs", ROW_CACHE, ROW_CACHE_SWAPS, Some(NEWEST_LATE));
    make("row_cache_unchecked.rs", ROW_CACHE, ROW_CACHE_SWAPS, Some(NOT_LOOKED_AGAIN));
    make("row_cache_always.rs", ROW_CACHE, ROW_CACHE_SWAPS, Some(ANSWERS_ALL));
    make("row_cache_left.rs", ROW_CACHE, ROW_CACHE_SWAPS, Some(LEFT_AS_IT_WAS));
    make("syncer_end.rs", SYNCER, SYNCER_SWAPS, Some(END_UNSAID));
}

/// The source without its tests and its header, each swap made exactly once.
fn take_over(source: &Path, swaps: Swaps<'_>, fault: Option<(&str, &str)>) -> String {
    let text = fs::read_to_string(source).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut text: String =
        text.lines().filter(|line| !line.starts_with("//!")).map(|line| format!("{line}\n")).collect();
    for (from, to) in swaps.iter().copied().chain(fault) {
        assert_eq!(text.matches(from).count(), 1, "{} has changed, look at the swap: {from}", source.display());
        text = text.replace(from, to);
    }
    text
}
