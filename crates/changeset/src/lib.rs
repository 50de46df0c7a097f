//! What stores exchange: the change messages, their deterministic grouping, commit info and its app hash, and the few
//! traits that a store implements.
//!
//! **It is not** a store: nothing here reads a file or keeps state.
//!
//! Good starting points:
//! - [`NamedChangeSet`]: the changes of one store, as a caller hands them in and as the changelog keeps them.
//! - [`group`]: any pile of changes as one changeset per store, in byte order, the last write of a key winning.
//! - [`OldStore`] and [`NewStore`]: what the migration asks of the store it empties and of the store it fills.
//! - [`app_hash`]: the Merkle root over a block's store hashes.
//!
//! Invariants: a delete is the flag alone, and an empty value is a value; messages encode to the bytes of the
//! reference's protobuf encoder; grouping depends on the changes alone, never on hash order or time.
//!
//! ```
//! use changeset::{KvPair, NamedChangeSet, group};
//!
//! let grouped = group([
//!     NamedChangeSet::new("evm", vec![KvPair::set("b", "1"), KvPair::set("a", "2")]),
//!     NamedChangeSet::new("bank", vec![KvPair::set("x", "3")]),
//!     NamedChangeSet::new("evm", vec![KvPair::delete("b")]),
//! ]);
//! assert_eq!(grouped[0].name, "bank");
//! assert_eq!(grouped[1].pairs(), [KvPair::set("a", "2"), KvPair::delete("b")]);
//! ```

mod commit_info;
mod conservation;
mod entry;
mod error;
mod group;
mod history;
mod message;
mod record;
mod traits;

pub use commit_info::{AppHash, AppHashPath, Hash, LATTICE_STORE, app_hash, app_hash_path};
pub use conservation::{ENTRY_SUM_BYTES, EntrySum, EntrySums};
pub use entry::{EntryError, SealedEntry, check_seal, open_entry, open_entry_in_place, seal_entry};
pub use error::{StoreError, StoreErrorKind, StoreResult};
pub use group::{append_in_order, group};
pub use history::{History, OldSite, Undo};
pub use message::{
    ChangeSet, ChangelogEntry, CommitId, CommitInfo, KvPair, MultiTreeMetadata, NamedChangeSet, StoreInfo,
    TreeNameUpgrade,
};
pub use record::{BlockRecord, Handoff, JournalLine, ModuleCount};
pub use traits::{NewStore, OldLog, OldStore, Pair, PairIter, Read, Scan, ScanOrder, ScanRange, Syncer, Walk, Write};
