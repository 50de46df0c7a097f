//! The changelog: the segmented write-ahead log of blocks that a replay applies to a snapshot.
//!
//! - [`Log`]: a log as it was found, entries by version. Reading changes nothing on disk.
//! - [`Changelog`]: the log held by the writer: appended to, synced in the background, truncated at either end.
//!
//! Invariants: versions rise by one from entry to entry, and `version - index` is the same for all; entries are never held
//! in memory, only where they start; a failed sync is never tried again, it ends all writing.

mod append;
mod error;
mod find;
mod list;
mod log;
mod open;
mod scan;
mod segment;
mod step;
mod syncer;
#[cfg(test)]
mod tests;
mod truncate;

pub use append::{Changelog, LogSyncer};
pub use error::LogError;
pub use log::{Log, LogOptions, LogSegment, Torn};
pub use segment::SEGMENT_BYTES;
