//! The live memiavl multi-tree: copy-on-write nodes over a mapped snapshot, and the changelog that leads on from it.
mod changelog;
mod error;
mod lock;
mod multitree;
mod open;
mod proof;
mod snapshot;
mod store;
mod tree;

pub use changelog::{Changelog, Log, LogError, LogOptions, SEGMENT_BYTES, Torn};
pub use error::{Doing, Error};
pub use lock::LockHolder;
pub use multitree::Savepoint;
pub use open::{Access, Options, Unreplayed, open, rollback};
pub use proof::{Proof, ProofOp};
pub use store::{MemIavl, View};
