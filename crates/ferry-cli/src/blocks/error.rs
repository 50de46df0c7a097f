//! What can be wrong with a recording. Each error names the line, counted from 1, and what to do.

use std::io;
use std::path::PathBuf;

use crate::exit::Exit;

/// A recording that cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BlocksError {
    /// The operating system failed a call.
    #[error("recording cannot be read: path={} line={line}", path.display())]
    Io { path: PathBuf, line: u64, source: io::Error },
    /// The data stop in the middle: a gzip stream without its end, or half a line.
    #[error(
        "recording is cut in the middle: copy it again, or replay what is whole with --until={whole}, path={} line={line}",
        path.display()
    )]
    Cut { path: PathBuf, line: u64, whole: u64 },
    /// Bytes that are no gzip stream where one was announced.
    #[error("recording is no sound gzip stream: copy it again, path={} line={line}", path.display())]
    Gzip { path: PathBuf, line: u64, source: io::Error },
    /// A line beyond the limit.
    #[error("recording has a line that is too long: limit_bytes={limit}, path={} line={line}", path.display())]
    LineTooLong { path: PathBuf, line: u64, limit: usize },
    /// A line that is no block in JSON.
    #[error("recording has a line that is no block: path={} line={line}", path.display())]
    Json { path: PathBuf, line: u64, source: serde_json::Error },
    /// A pair that neither sets nor deletes, or does both.
    #[error(
        "recording has a pair that must have either v or delete: store={store} key={key}, path={} line={line}",
        path.display()
    )]
    Pair { path: PathBuf, line: u64, store: String, key: String },
    /// A write mode that does not exist.
    #[error("recording names a write mode that does not exist: path={} line={line}", path.display())]
    Mode { path: PathBuf, line: u64, source: ferry::migrate_core::UnknownMode },
    /// A line that is neither of a node's life (`write_mode`, `flushes`) nor of memiavl alone (`changesets`), or of the
    /// other kind than the line before.
    #[error(
        "recording has a line of another kind: expected write_mode and flushes, or changesets, as on the first line, path={} line={line}",
        path.display()
    )]
    Kind { path: PathBuf, line: u64 },
    /// Heights that do not follow each other.
    #[error("recording skips or repeats a height: expected={expected} got={got}, path={} line={line}", path.display())]
    Height { path: PathBuf, line: u64, expected: u64, got: u64 },
    /// Not a single block.
    #[error("recording has no block: path={}", path.display())]
    Empty { path: PathBuf },
}

impl BlocksError {
    /// I/O is the device's fault; everything else is the file's.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Io { .. } => Exit::Io,
            _ => Exit::Other,
        }
    }
}
