//! What can go wrong, and what to do about it.

use std::io;
use std::path::PathBuf;

use changeset::{StoreError, StoreErrorKind};

use crate::key::{Hex, KeyError};
use crate::lane::Lane;
use crate::lock::Holder;
use crate::row::RowError;

/// This crate's result.
pub type Result<T> = std::result::Result<T, FlatKvError>;

/// An error of FlatKV.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlatKvError {
    /// A key that no row can have.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A value of a length that its lane does not take; nothing has changed.
    #[error("value has a wrong length: module={module} key={} expected={expected} got={got}", Hex(key))]
    ValueLength {
        /// The module.
        module: String,
        /// The module's key.
        key: Vec<u8>,
        /// The length that the key's lane takes.
        expected: usize,
        /// The value's length.
        got: usize,
    },
    /// A block that does not follow the last one.
    #[error("block does not follow the last one: expected={expected} got={got}")]
    Height {
        /// The height of the next block.
        expected: u64,
        /// The height asked for.
        got: u64,
    },
    /// A write or a commit before the first height is known.
    #[error("first height is not known, seed the store first")]
    NotSeeded,
    /// A seed for a store that has blocks, or pending writes, or the height 0.
    #[error("store cannot be seeded any more: version={version:?} seed={seed}")]
    Seeded {
        /// The last committed version.
        version: Option<u64>,
        /// The height asked for.
        seed: u64,
    },
    /// Pending writes where there may be none.
    #[error("block in work has pending writes, commit or discard it first: rows={rows}")]
    PendingWrites {
        /// Rows that the block in work has touched.
        rows: usize,
    },
    /// An earlier failure left it unknown what is on disk.
    #[error("store is poisoned by an earlier failure, reopen it: cause={cause}")]
    Poisoned {
        /// The failure.
        cause: String,
    },
    /// A row that its encoder cannot have written.
    #[error("stored row is damaged: key={}", Hex(key))]
    Row {
        /// The physical key.
        key: Vec<u8>,
        /// What is wrong with it.
        #[source]
        source: RowError,
    },
    /// A row that says it was written by a block that has not happened.
    #[error("stored row is of a later block: key={} expected=0..={version} got={got}", Hex(key))]
    RowAhead {
        /// The physical key.
        key: Vec<u8>,
        /// The last committed version.
        version: u64,
        /// The height in the row.
        got: u64,
    },
    /// A metadata record that its encoder cannot have written.
    #[error("stored record does not decode: record={record} at={at}")]
    Record {
        /// Which record.
        record: &'static str,
        /// Offset of the first byte that is wrong.
        at: usize,
    },
    /// Counts that a row's removal would make negative, or an addition too large.
    #[error("row counts do not fit the rows: lane={lane} module={module}")]
    Counts {
        /// The lane.
        lane: Lane,
        /// The module.
        module: String,
    },
    /// A block's record that must be there and is not.
    #[error("record of a block is missing: record={record} height={height}")]
    Missing {
        /// Which record: handoff, undo or block.
        record: &'static str,
        /// The block's height.
        height: u64,
    },
    /// Metadata that contradicts itself.
    #[error("metadata does not agree: what={what} expected={expected} got={got}")]
    Disagree {
        /// What was compared.
        what: &'static str,
        /// The value of the one.
        expected: String,
        /// The value of the other.
        got: String,
    },
    /// RocksDB failed a call.
    #[error("rocksdb failed: operation={operation} path={path}")]
    RocksDb {
        /// What was asked of it.
        operation: &'static str,
        /// The store's directory.
        path: PathBuf,
        /// RocksDB's words.
        #[source]
        source: rocksdb::Error,
    },
    /// The operating system failed a call.
    #[error("i/o failed: operation={operation} path={path}")]
    Io {
        /// What was asked of it.
        operation: &'static str,
        /// The path.
        path: PathBuf,
        /// Its words.
        #[source]
        source: io::Error,
    },
    /// Another process, or a view in this one, holds the store.
    #[error("store is in use, stop its holder or read it as a secondary: path={path} holder={holder}")]
    Locked {
        /// The store's directory.
        path: PathBuf,
        /// Who holds it, as far as can be found out.
        holder: Holder,
    },
    /// The directory holds the reference's Pebble store.
    #[error(
        "directory holds a Pebble FlatKV of another program, move it away or let that program migrate on: path={path} seen={seen}"
    )]
    Pebble {
        /// The directory.
        path: PathBuf,
        /// The file that gave it away.
        seen: PathBuf,
    },
    /// The directory holds something else.
    #[error("directory holds files that are not FlatKV's, name another one or move them away: path={path} seen={seen}")]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// A file or column family that gave it away.
        seen: PathBuf,
    },
    /// The store is of another format version.
    #[error(
        "store has another format version, use the release that wrote it: path={path} expected={expected} got={got}"
    )]
    Format {
        /// The directory.
        path: PathBuf,
        /// The version that this program reads.
        expected: u32,
        /// The version found.
        got: u32,
    },
    /// No store to read.
    #[error("directory holds no committed FlatKV: path={path}")]
    Absent {
        /// The directory.
        path: PathBuf,
    },
    /// A rollback to where no undo leads.
    #[error("cannot undo to this height: first={first} version={version} to={to}")]
    UndoTarget {
        /// The store's first height, which cannot be undone.
        first: u64,
        /// The last committed version.
        version: u64,
        /// The height asked for.
        to: u64,
    },
    /// A rollback to before the window that undo records are kept for.
    #[error("no rollback leads there any more: undo records lead back to block {oldest}; restore a copy: to={to}")]
    WindowPassed {
        /// The earliest height that can be gone back to.
        oldest: u64,
        /// The height asked for.
        to: u64,
    },
    /// Rows that do not come lane by lane in key order.
    #[error("rows are out of order; they were damaged or made up: lane={lane} key={}", crate::key::Hex(key))]
    RowOrder {
        /// The row's lane.
        lane: Lane,
        /// Its physical key.
        key: Vec<u8>,
    },
    /// Tables that an interrupted restore had written are gone.
    #[error("tables of an interrupted restore are gone; begin it anew: path={path} expected={expected} got={got}")]
    TablesLost {
        /// The directory.
        path: PathBuf,
        /// How many there were.
        expected: u64,
        /// How many there are.
        got: usize,
    },
    /// A directory of a secondary that lies where it must not.
    #[error("secondary's directory lies inside the store's: path={path} secondary={secondary}")]
    SecondaryInside {
        /// The store's directory.
        path: PathBuf,
        /// The secondary's.
        secondary: PathBuf,
    },
}

impl FlatKvError {
    /// What to do about it.
    pub fn kind(&self) -> StoreErrorKind {
        match self {
            Self::Key(KeyError::Physical { .. })
            | Self::Row { .. }
            | Self::RowAhead { .. }
            | Self::Record { .. }
            | Self::Counts { .. }
            | Self::Missing { .. }
            | Self::Disagree { .. }
            | Self::RowOrder { .. }
            | Self::TablesLost { .. } => StoreErrorKind::Corruption,
            Self::Key(_)
            | Self::ValueLength { .. }
            | Self::Height { .. }
            | Self::NotSeeded
            | Self::Seeded { .. }
            | Self::PendingWrites { .. }
            | Self::UndoTarget { .. } => StoreErrorKind::Input,
            Self::Poisoned { .. } => StoreErrorKind::Poisoned,
            Self::RocksDb { source, .. } => match source.kind() {
                rocksdb::ErrorKind::Corruption => StoreErrorKind::Corruption,
                _ => StoreErrorKind::Io,
            },
            Self::Io { .. } => StoreErrorKind::Io,
            Self::Locked { .. } => StoreErrorKind::Locked,
            Self::Pebble { .. } | Self::Foreign { .. } | Self::Format { .. } => StoreErrorKind::Incompatible,
            Self::WindowPassed { .. } => StoreErrorKind::Refused,
            Self::Absent { .. } | Self::SecondaryInside { .. } => StoreErrorKind::Configuration,
        }
    }
}

impl From<FlatKvError> for StoreError {
    fn from(error: FlatKvError) -> Self {
        Self::new(error.kind(), error)
    }
}
