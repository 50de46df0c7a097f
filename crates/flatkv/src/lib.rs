//! FlatKV: a chain's state as flat rows on RocksDB, with a homomorphic hash over them.
//!
//! **It is not** a tree: it has no proofs, and it knows nothing of the migration that fills it; the migration's own records
//! are rows of a module like any other.
//!
//! Good starting points:
//! - [`FlatKv`]: the store open for writing; it implements [`changeset::NewStore`], whose `commit` is one synced batch.
//! - [`View`]: an owned, immutable version of the store, for readers.
//! - [`locate`]: from a module's key to a lane and a physical key.
//! - [`AccountRow`], [`StorageRow`], [`CodeRow`], [`MiscRow`]: the rows, byte by byte.
//!
//! Invariants: a block is in the store whole or not at all, its hashes, counts and undo record with it; the root is the sum
//! of the lanes' states; a failed write poisons the store, and views read on; an error of RocksDB never looks like the end
//! of a scan or like an absent key.
//!
//! ```
//! use changeset::{BlockRecord, CommitInfo, JournalLine, KvPair, NamedChangeSet, NewStore, Read, Write};
//! use flatkv::{FlatKv, Options};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dir = tempfile::tempdir()?;
//! let mut store = FlatKv::open(&dir.path().join("flatkv"), &Options::default())?;
//! store.seed(7)?;
//! store.apply(&[NamedChangeSet::new("bank", vec![KvPair::set("k", "v")])])?;
//! store.commit(&BlockRecord {
//!     height: 7,
//!     commit_info: CommitInfo::new(7, [("evm_lattice", store.working_root())]),
//!     app_hash: [0; 32],
//!     handoff: None,
//!     journal: JournalLine::default(),
//!     changelog_synced: 0,
//!     retires_old: false,
//!     rollback_blocks: 1000,
//! })?;
//! let view = store.view()?;
//! assert_eq!(view.get("bank", b"k")?, Some("v".into()));
//! assert_eq!(view.version(), Some(7));
//! # Ok(())
//! # }
//! ```

mod accounts;
mod audit;
mod block;
mod bulk;
mod codec;
mod commit;
mod delta;
mod entered;
mod error;
mod history;
mod journal;
mod key;
mod lane;
mod lattice;
mod lock;
mod log_tail;
mod made;
mod meta;
mod open;
mod options;
mod patient;
mod probe;
mod rollback;
mod row;
mod row_cache;
mod row_history;
mod rows;
mod scan;
mod sorted;
mod source;
mod stats;
mod store;
mod undo;
mod upkeep;
mod verify;
mod view;

pub use accounts::Accounts;
pub use audit::{
    Audit, LoggedRow, PartDifference, PastFault, Presence, RowMend, RowRange, Search, Tally, row_after_move,
};
pub use block::Savepoint;
pub use bulk::{BulkBlock, BulkLoad, Loaded, RowBatch, RowTables, Run};
pub use error::{FlatKvError, Result};
pub use journal::Journal;
pub use key::{CODE_HASH_PREFIX, EVM, Field, KeyError, NONCE_PREFIX, locate, split};
pub use lane::Lane;
pub use lattice::Totals;
pub use lock::Holder;
pub use made::MadeRows;
pub use open::{check_ours, check_place};
pub use options::{Durability, FORMAT, Options};
pub use patient::Patient;
pub use probe::{Probe, probe};
pub use row::{AccountRow, CodeRow, MiscRow, RowError, StorageRow, check_row};
pub use row_history::LocatedRow;
pub use rows::{LaneRows, Rows, StoredRow};
pub use stats::{FamilyStats, Stats};
pub use store::FlatKv;
pub use upkeep::LogSyncer;
pub use verify::{PartReport, VerifyProgress, VerifyReport};
pub use view::View;
