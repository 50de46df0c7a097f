//! What is fuzzed: functions of bytes that panic when something is wrong, and return otherwise.
//!
//! **It is not** a fuzzer: libFuzzer drives these functions from `xtask/fuzz`, and `tests/corpus.rs` replays what it found.
//!
//! Good starting points:
//! - [`TARGETS`]: all of them by name.
//! - `trees`: a memiavl tree from damaged files.
//! - `changelog`: a segment, read and mended.
//!
//! Invariants: nothing here builds RocksDB, so that a fuzzer's build takes a minute. Three things are included as files
//! from crates that do: the row codecs of `flatkv`, the reader of recordings of `ferry-cli`, and that of settings of `ferry`.

// The tests in the included files belong to their own crates.
#![cfg(not(test))]

// The reader of recordings asks `ferry` for what `ferry` itself has from these two.
extern crate self as ferry;

pub use changeset::{Hash, KvPair, NamedChangeSet, ScanOrder, ScanRange, TreeNameUpgrade};
pub use migrate_core::{self, Mode};

mod changelog;
mod codecs;
mod recordings;
mod settings;
mod trees;

#[path = "../../../../crates/ferry-cli/src/blocks/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the program uses more of its reader than a target does")]
mod blocks;
mod exit;
#[path = "../../../../crates/flatkv/src/key.rs"]
#[expect(dead_code, unreachable_pub, reason = "the store uses more of its keys than a target does")]
mod key;
#[path = "../../../../crates/flatkv/src/lane.rs"]
#[expect(dead_code, unreachable_pub, reason = "the store uses more of its lanes than a target does")]
mod lane;
#[path = "../../../../crates/flatkv/src/row/mod.rs"]
#[expect(dead_code, unused_imports, unreachable_pub, reason = "the store uses more of its rows than a target does")]
mod row;

/// A target and its name, which is its corpus's too.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 8] = [
    ("blocks_file", recordings::blocks_file),
    ("boundary", codecs::boundary),
    ("changelog_segment", changelog::segment),
    ("messages", codecs::messages),
    ("node_layout", trees::node_layout),
    ("row_codecs", codecs::rows),
    ("settings_file", settings::file),
    ("snapshot_open", trees::snapshot_open),
];

/// Runs the target of this name.
///
/// # Panics
/// An unknown name; whatever the target finds.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, target) = target.unwrap_or_else(|| panic!("no such target: {name}"));
    target(bytes);
}
