//! ferry: one state store for a chain node before, during and after its migration from memiavl to FlatKV.
//!
//! **It is not** a chain and runs no blocks by itself: the chain's binary hands it each block's changes. It adds nothing
//! to the crates below but their wiring.
//!
//! Good starting points:
//! - [`Node`]: open a home, apply flushes, commit blocks, step through the migrations.
//! - [`View`]: one committed block, for any number of reader threads; [`Views`] hands them out.
//! - [`Options`]: every setting, and which of them the whole chain must share; [`Settings`] reads them from a file.
//! - [`Error::kind`]: what to do about an error.
//! - [`Metrics::progress`](Metrics::progress): whether a migration moves, how fast, and if not, why.
//!
//! Invariants: a block that [`Node::commit`] has acknowledged is there after any crash; two nodes that were given the same
//! blocks and the same chain-wide settings have the same app hash at every height; a reader never waits for the writer.
//!
//! ```
//! use ferry::{KvPair, Mode, NamedChangeSet, Node, Options};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let home = tempfile::tempdir()?;
//! let options = Options { create: true, initial_stores: vec!["bank".into(), "evm".into()], ..Options::default() };
//! let mut node = Node::open(home.path(), options)?;
//!
//! let nonce = [&[0x0a], [7; 20].as_slice()].concat();
//! node.apply(vec![NamedChangeSet::new("evm", vec![KvPair::set(nonce.clone(), vec![0, 0, 0, 0, 0, 0, 0, 1])])])?;
//! node.commit()?;
//!
//! // The chain votes for a batch size, and the migration begins.
//! node.set_batch_size(100)?;
//! node.set_mode(Mode::MigrateEvm)?;
//! node.apply(vec![])?;
//! let block = node.commit()?;
//! assert_eq!(block.height, 2);
//! let view = node.view()?;
//! assert_eq!(view.get("evm", &nonce)?.as_deref(), Some([0, 0, 0, 0, 0, 0, 0, 1].as_slice()));
//! assert!(view.root().is_some(), "FlatKV's root is part of the app hash");
//! # Ok(())
//! # }
//! ```

mod checkpoint;
mod constants;
pub mod control;
mod digest;
mod disk;
pub mod drive;
mod error;
mod explain;
mod export;
mod home;
mod import;
mod inspect;
mod journal;
mod look;
mod node;
mod open;
mod options;
pub mod preflight;
mod proof;
mod read;
mod reclaim;
mod reconcile;
mod registry;
pub mod rehearsal;
mod replace;
mod restore;
mod rollback;
mod scratch;
pub mod settings;
mod status;
mod verify;
mod watch;

pub use boundary::{self, Boundary};
pub use changeset::{
    AppHash, ChangeSet, CommitInfo, EntrySum, Hash, JournalLine, KvPair, LATTICE_STORE, ModuleCount, NamedChangeSet,
    ScanOrder, ScanRange, TreeNameUpgrade, app_hash,
};
pub use checkpoint::{Checkpoint, checkpoint};
pub use constants::{Constant, constants};
pub use digest::{
    Digest, DigestDifference, DigestProgress, DigestRequest, ListedRow, ModuleDigest, RowsDigest, SPLIT_BYTES_MAX,
    SeiBucket, SeiDigest, digest, digest_differences, first_different_keys, sei_digest,
};
pub use disk::{disk_sizes, tree_bytes};
pub use error::Error;
pub use explain::{DecodedRow, Explanation, Passing, RowFields, Side, decode_row, explain};
pub use export::{
    CHUNK_BYTES_MAX, ChunkError, DEFAULT_CHUNK_BYTES, ExportProgress, ExportReport, Exported, Exports, Manifest,
    Source, export,
};
pub use home::Home;
pub use import::{
    Import, ImportHook, ImportPoint, ImportProgress, ImportReport, Moved, MovedModule, import, import_with,
};
pub use inspect::{inspect, status_of};
pub use journal::{HomeJournal, JournalComparison, JournalPace, compare_journals, journal_pace};
pub use look::{
    ChangelogLook, FlatKvLook, NoPart, PartLook, SegmentLook, SnapshotLook, TreeLook, look_at_changelog,
    look_at_flatkv, look_at_snapshot,
};
pub use memiavl::{Proof, ProofOp};
pub use migrate_core::{
    BatchLimit, CancelToken, Committed, DEFAULT_MODULES, Durability, ErrorKind, FlushReport, KillHook, KillPoint, Mode,
    ModeSetting, NewStorePlan, NoObserver, Observer, OpenViews, Outcome, RollbackPlan, UnknownMode,
};
pub use migrate_metrics::{Endpoint, Metrics, Progress, State};
pub use node::Node;
pub use options::{Options, SnapshotOptions};
pub use proof::prove;
pub use read::read_home;
pub use reconcile::{
    Confirmed, Diagnosed, ReconcileHook, ReconcilePlan, ReconcilePoint, ReconcileRequest, Reconciled, Refusal, Repair,
    RepairKind, plan_reconcile, reconcile, reconcile_with,
};
pub use replace::Replacement;
pub use restore::{
    Applied, Blame, Restore, RestoreHook, RestorePoint, RestoreProgress, UnfinishedRestore, discard_restore,
    unfinished_restore,
};
pub use rollback::{plan_rollback, roll_back};
pub use scratch::Scratch;
pub use settings::Settings;
pub use status::{ModuleStatus, Status};
pub use verify::{Check, Finding, FindingKind, VerifyProgress, VerifyReport, VerifyRequest, verify_home, verify_view};
pub use watch::{node_source, views_source};
pub use {flatkv, memiavl, memiavl_iter, migrate_core, migrate_metrics};

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/embedding.md")]
struct Embedding;

/// One committed block, for any number of reader threads.
pub type View = migrate_core::View<memiavl::View, flatkv::View>;
/// The published blocks of a node.
pub type Views = migrate_core::Views<memiavl::View, flatkv::View>;
