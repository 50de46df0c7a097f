//! The live memiavl multi-tree: IAVL trees whose unchanged nodes are mapped from a snapshot and whose changed ones are in
//! memory, and the changelog that leads on from the snapshot.
//!
//! **It is not** a database of its own kind: directories, hashes and log entries are the reference's, byte for byte, and
//! either program goes on where the other stopped. Nor does it know of a migration: that asks by the traits of `changeset`.
//!
//! Good starting points:
//! - [`open`]: a store's directory, locked and looked at; [`Unreplayed::replay`](changeset::OldLog::replay) makes it live.
//! - [`MemIavl`]: apply, hash, commit; [`View`]: one committed version, for as long as someone holds it.
//! - [`rollback`], [`Proof`], [`Changelog`]; [`View::nodes`] and [`Rebuild`], which copy a store to the bit.
//!
//! Invariants:
//! - A node that anyone else can reach never changes but for its hash, which follows from it; what a view reads was hashed
//!   before it was published, so a view takes no lock and waits for nobody.
//! - Nothing on disk is changed before the lock is held and the directory is known to be a store's; a reader changes nothing.
//! - A snapshot becomes current only when it and the log up to its version are on disk, and is taken over only when log and
//!   snapshot lead to the live roots.
//! - Every input ends in an answer or a typed error: no panic, no loop, no memory by a number found in a file.
//!
//! ```
//! use changeset::{KvPair, NamedChangeSet, OldLog, OldStore, Read, Write};
//! use memiavl::{Options, open};
//!
//! # let dir = tempfile::tempdir()?;
//! let mut options = Options::writer();
//! options.initial_stores = vec!["bank".to_owned(), "evm".to_owned()];
//! let mut store = open(dir.path(), options)?.replay()?;
//!
//! store.apply(&[NamedChangeSet::new("evm", vec![KvPair::set("key", "value")])])?;
//! let app_hash = [7; 32];
//! store.commit(&store.handoff(app_hash), true)?;
//!
//! let view = store.view();
//! store.apply(&[NamedChangeSet::new("evm", vec![KvPair::delete("key")])])?;
//! assert_eq!(store.get("evm", b"key")?, None);
//! assert_eq!(view.get("evm", b"key")?.as_deref(), Some(&b"value"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod changelog;
mod error;
mod lock;
mod multitree;
mod open;
mod proof;
mod rebuild;
mod retrace;
mod snapshot;
mod store;
mod tree;

pub use changelog::{Changelog, Log, LogError, LogOptions, LogSegment, LogSyncer, SEGMENT_BYTES, Torn};
pub use error::{Doing, Error};
pub use lock::{Lock, LockHolder, LockState};
pub use multitree::{Ahead, Savepoint};
pub use open::{Access, Options, Site, Unreplayed, open, rollback};
pub use proof::{Proof, ProofOp};
pub use rebuild::Rebuild;
pub use retrace::{Retrace, assemble, current_version, link_copy};
pub use store::{MemIavl, View};
pub use tree::{LeafPair, PostOrder, RankedLeaves, StoredNode};
