//! What is fuzzed: functions of bytes that panic when something is wrong, and return otherwise.
//!
//! **It is not** a fuzzer: libFuzzer drives these functions from `xtask/fuzz`, and `tests/corpus.rs` replays what it found.
//!
//! Good starting points:
//! - [`TARGETS`]: all of them by name.
//! - `trees`: a memiavl tree from damaged files.
//! - `changelog`: a segment, read and mended.
//!
//! Invariants: nothing here builds RocksDB, so that a fuzzer's build takes a minute. What stands in crates that do is
//! included as files: the row codecs of `flatkv`, the reader of recordings of `ferry-cli`, and of `ferry` those of settings,
//! of exports and of what goes through the control socket.

// The tests in the included files belong to their own crates.
#![cfg(not(test))]

// The reader of recordings asks `ferry` for what `ferry` itself has from these two.
extern crate self as ferry;

pub use changeset::{Hash, KvPair, NamedChangeSet, ScanOrder, ScanRange, TreeNameUpgrade};
pub use migrate_core::{self, Mode};

mod changelog;
mod codecs;
mod control;
mod error;
mod export;
mod recordings;
mod settings;
mod trees;

#[path = "../../../../crates/ferry-cli/src/blocks/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the program uses more of its reader than a target does")]
mod blocks;
#[path = "../../../../crates/ferry/src/drive/controls.rs"]
#[expect(dead_code, unreachable_pub, reason = "a target drives nothing")]
mod drive;
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
#[path = "../../../../crates/ferry/src/status.rs"]
#[expect(dead_code, unreachable_pub, reason = "the facade shows a status to its callers")]
mod status;

/// A target and its name, which is its corpus's too.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 13] = [
    ("blocks_file", recordings::blocks_file),
    ("boundary", codecs::boundary),
    ("changelog_segment", changelog::segment),
    ("control_message", control::message),
    ("export_chunk", export::chunk),
    ("export_manifest", export::manifest),
    ("export_stream", export::stream),
    ("http_request", control::http_request),
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
