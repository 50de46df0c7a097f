//! What can go wrong in a migration, and what to do about it.

use boundary::{DecodeError, VersionError};
use changeset::{EntryError, EntrySum, Hash, StoreError, StoreErrorKind};

use crate::mode::Mode;

/// What is known of the block whose commit failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The block did not happen.
    NotCommitted,
    /// Reopening tells.
    Unknown,
    /// The block happened; reopening finishes what it left.
    Committed,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotCommitted => "not committed",
            Self::Unknown => "unknown",
            Self::Committed => "committed",
        })
    }
}

/// What a caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The call was wrong; the state is as before.
    Input,
    /// The configuration does not fit the home; change it.
    Configuration,
    /// Bytes on disk are not what they must be; restore from a copy.
    Corruption,
    /// The operating system failed a call.
    Io,
    /// Another process or a living view holds what is needed.
    Locked,
    /// A limit is reached for now; try again.
    Retry,
    /// Unsafe unless asked for by name.
    Refused,
    /// The directory is of another program or another version.
    Incompatible,
    /// An earlier failure left the node unusable until it is reopened.
    Poisoned,
    /// The cancellation token was pulled; the last whole block stands.
    Cancelled,
    /// The migration is paused or has not come that far.
    Unfinished,
}

impl ErrorKind {
    /// The kind in one word, for labels and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Configuration => "configuration",
            Self::Corruption => "corruption",
            Self::Io => "io",
            Self::Locked => "locked",
            Self::Retry => "retry",
            Self::Refused => "refused",
            Self::Incompatible => "incompatible",
            Self::Poisoned => "poisoned",
            Self::Cancelled => "cancelled",
            Self::Unfinished => "unfinished",
        }
    }
}

/// An error of the migration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A migration must lead upwards.
    #[error("a migration's start version must be below its target version: start={start} target={target}")]
    VersionOrder {
        /// The version it leads from.
        start: u64,
        /// The version it leads to.
        target: u64,
    },
    /// The stores are at a version that the migration neither leads from nor to.
    #[error("the stores are at another migration version: start={start} target={target} got={got}")]
    UnexpectedVersion {
        /// The version it leads from.
        start: u64,
        /// The version it leads to.
        target: u64,
        /// The version found.
        got: u64,
    },
    /// A version that the chain does not have.
    #[error("the stores are at a migration version that does not exist; restore from a copy: version={got}")]
    UnknownVersion {
        /// The version found.
        got: u64,
    },
    /// The version record does not decode.
    #[error("the version record does not decode; restore from a copy")]
    VersionRecord(#[from] VersionError),
    /// The boundary record does not decode.
    #[error("the boundary record does not decode; restore from a copy")]
    BoundaryRecord(#[from] DecodeError),
    /// A boundary that says complete, beside a version that says it is not.
    #[error("the boundary says complete and the version does not, and no block would mend it: version={version}")]
    CompleteAtStart {
        /// The version found.
        version: u64,
    },
    /// A boundary behind the last migration.
    #[error("a boundary exists at the last version, where nothing is left to move: version={version}")]
    BoundaryAtEnd {
        /// The version found.
        version: u64,
    },
    /// A migration that has work to do was given no old store.
    #[error("the migration is not complete and has no old store: version={version}")]
    OldStoreAbsent {
        /// The version found.
        version: u64,
    },
    /// The metadata store is nobody's but the migration's.
    #[error("store {store:?} is reserved for the migration's own records")]
    ReservedStore {
        /// Its name.
        store: &'static str,
    },
    /// A store without a name.
    #[error("a store has no name")]
    UnnamedStore,
    /// A store that is not among the configured modules.
    #[error("unknown module; add it to the configured modules of every node: module={module}")]
    UnknownModule {
        /// Its name.
        module: String,
    },
    /// A tree of the walk is gone.
    #[error("a tree that was to be moved is gone: module={module}")]
    TreeVanished {
        /// Its name.
        module: String,
    },
    /// The old store failed.
    #[error("memiavl: {action}")]
    Old {
        /// What was being done.
        action: &'static str,
        /// The store's error.
        #[source]
        source: StoreError,
    },
    /// The new store failed.
    #[error("FlatKV: {action}")]
    New {
        /// What was being done.
        action: &'static str,
        /// The store's error.
        #[source]
        source: StoreError,
    },
    /// What entered the new store is not what left the old one. The flush is undone, so nothing of it can be committed.
    #[error(
        "moved keys did not arrive as they left, and the flush was undone; reopen the node, and if it happens again test this machine's memory: height={height} keys={keys} left={left} entered={entered}"
    )]
    NotConserved {
        /// The block in work.
        height: u64,
        /// Keys that its batch moved.
        keys: u64,
        /// The sum over what left the old store.
        left: EntrySum,
        /// The sum over what entered the new one.
        entered: EntrySum,
    },
    /// Both stores failed.
    #[error("both stores failed, {action}: memiavl: {old}; FlatKV: {new}")]
    Both {
        /// What was being done.
        action: &'static str,
        /// memiavl's error.
        old: StoreError,
        /// FlatKV's error.
        #[source]
        new: StoreError,
    },
    /// The first migration cannot start while the batch size is 0.
    #[error("the migration is paused: {to} needs a batch size above 0")]
    Paused {
        /// The mode asked for.
        to: Mode,
    },
    /// A mode that is not the next one.
    #[error("a chain goes through its modes one by one: from={from} to={to}")]
    ModeStep {
        /// The mode in force.
        from: Mode,
        /// The mode asked for.
        to: Mode,
    },
    /// The present migration is not complete.
    #[error("the present migration is not complete: mode={mode} to={to}")]
    MigrationUnfinished {
        /// The mode in force.
        mode: Mode,
        /// The mode asked for.
        to: Mode,
    },
    /// Something that is only possible between blocks.
    #[error("a block is in work: commit or discard it first: height={height}")]
    BlockInWork {
        /// The height of the block in work.
        height: u64,
    },
    /// A mode that does not fit what is on disk.
    #[error("the write mode does not fit the stores: mode={mode} version={version} in_flight={in_flight}")]
    ModeMismatch {
        /// The mode configured.
        mode: Mode,
        /// The migration's version.
        version: u64,
        /// Whether a migration is in flight.
        in_flight: bool,
    },
    /// FlatKV has blocks but no migration metadata: the chain was born in a later mode, which only the operator knows.
    #[error(
        "FlatKV has blocks and no migration metadata: set the write mode that the chain was born in: height={height}"
    )]
    ModeUnknown {
        /// FlatKV's height.
        height: u64,
    },
    /// A fixed later mode on a chain whose state is still in memiavl.
    #[error("memiavl has blocks and FlatKV none: {mode} would leave its state behind: height={height}")]
    StateLeftBehind {
        /// The mode configured.
        mode: Mode,
        /// memiavl's height.
        height: u64,
    },
    /// A block larger than configured.
    #[error("the block is larger than block_bytes_max: expected_max={expected_max} got={got}")]
    BlockTooLarge {
        /// The limit, bytes of keys and values.
        expected_max: u64,
        /// The block's bytes so far, the refused flush included.
        got: u64,
    },
    /// The cancellation token was pulled.
    #[error("cancelled; the last whole block stands")]
    Cancelled,
    /// An earlier failure.
    #[error("the node failed while committing and must be reopened: block={height} outcome={outcome}")]
    Poisoned {
        /// The block's height.
        height: u64,
        /// What is known of it.
        outcome: Outcome,
        /// The error that poisoned it; none when it was reported before.
        #[source]
        source: Option<StoreError>,
    },
    /// memiavl has more than FlatKV, which no crash of ours can leave.
    #[error(
        "memiavl is ahead of FlatKV: another program drove it on, or FlatKV is an older copy; to go back to what both have run `ferry rollback --to {flatkv} --apply`: memiavl={memiavl} flatkv={flatkv}"
    )]
    OldAhead {
        /// memiavl's height.
        memiavl: u64,
        /// The height that FlatKV expects it at.
        flatkv: u64,
    },
    /// memiavl's changelog lacks an entry that FlatKV no longer holds.
    #[error(
        "memiavl lacks a block whose handoff is gone; restore memiavl's directory from a copy that reaches block {height}: memiavl={memiavl} flatkv={flatkv}"
    )]
    HandoffMissing {
        /// The block.
        height: u64,
        /// memiavl's height.
        memiavl: u64,
        /// The height that FlatKV expects it at.
        flatkv: u64,
    },
    /// FlatKV needs memiavl's directory and there is none.
    #[error("FlatKV expects memiavl at block {height} and its directory has no block; restore it from a copy")]
    OldMissing {
        /// The height that FlatKV expects it at.
        height: u64,
    },
    /// A block's own record is not kept.
    #[error("FlatKV does not hold the record of block {height}; restore from a copy")]
    RecordMissing {
        /// The block.
        height: u64,
    },
    /// A store's root is not the one that was committed.
    #[error("a root differs from the one stored with its block; restore from a copy: store={store} block={height} expected={} got={}", hex(.expected), hex(.got))]
    RootMismatch {
        /// The store.
        store: String,
        /// The block.
        height: u64,
        /// The root stored with the block; none if the block does not name the store.
        expected: Option<Hash>,
        /// The root found; none if the store is not there.
        got: Option<Hash>,
    },
    /// The app hash after the last entry is not the one in its seal.
    #[error("the app hash differs from the one in the changelog: FlatKV's directory is missing, or files were mixed; restore from a copy: block={height} expected={} got={}", hex(&Some(*.expected)), hex(&Some(*.got)))]
    AppHashMismatch {
        /// The block.
        height: u64,
        /// The app hash in the entry.
        expected: Hash,
        /// The app hash found.
        got: Hash,
    },
    /// A changelog entry does not decode.
    #[error("the changelog entry of block {height} is damaged; restore from a copy")]
    Entry {
        /// The block.
        height: u64,
        /// What is wrong with it.
        #[source]
        source: EntryError,
    },
    /// All views are taken.
    #[error("too many views are open; close one and try again: max={max}")]
    TooManyViews {
        /// The limit.
        max: usize,
    },
    /// The node that published the views is closed.
    #[error("the node that published these views is closed; take them from the one that was opened after it")]
    Closed,
    /// A height whose view is not kept.
    #[error("no view of that height is kept: height={height} oldest={oldest} newest={newest}")]
    ViewGone {
        /// The height asked for.
        height: u64,
        /// The oldest height kept.
        oldest: u64,
        /// The newest height.
        newest: u64,
    },
    /// A rollback to a height that it cannot lead to.
    #[error("a rollback leads to an earlier block: to={to} last={from}")]
    RollbackTarget {
        /// The last block.
        from: u64,
        /// The height asked for.
        to: u64,
    },
    /// A rollback to before an import.
    #[error(
        "no rollback leads to before an import, which block {imported} is followed by; restore a copy of the home instead: to={to}"
    )]
    RollbackBelowImport {
        /// The block behind which the state was imported: the earliest to go back to.
        imported: u64,
        /// The height asked for.
        to: u64,
    },
    /// A call that needs memiavl, after its end.
    #[error("memiavl rests since the last migration ended: {what}")]
    OldRests {
        /// What was asked for.
        what: &'static str,
    },
    /// A proof of absence for a module that has or had a part in a migration.
    #[error(
        "no proof: the key is not in memiavl, and module {module} has a part in a migration, so its absence there proves nothing"
    )]
    AbsenceUnprovable {
        /// The module.
        module: String,
    },
    /// A proof from a store whose root is not in the app hash.
    #[error("no proof: memiavl's roots are no longer part of the app hash")]
    OldNotInAppHash,
}

/// A hash in lower-case hex, for messages.
fn hex(hash: &Option<Hash>) -> String {
    match hash {
        Some(hash) => hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        None => "none".to_owned(),
    }
}

impl Error {
    /// What to do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::ReservedStore { .. }
            | Self::UnnamedStore
            | Self::UnknownModule { .. }
            | Self::ModeStep { .. }
            | Self::BlockInWork { .. }
            | Self::BlockTooLarge { .. }
            | Self::ViewGone { .. }
            | Self::RollbackTarget { .. } => ErrorKind::Input,
            Self::VersionOrder { .. }
            | Self::UnexpectedVersion { .. }
            | Self::OldStoreAbsent { .. }
            | Self::ModeMismatch { .. }
            | Self::ModeUnknown { .. }
            | Self::StateLeftBehind { .. } => ErrorKind::Configuration,
            Self::UnknownVersion { .. }
            | Self::VersionRecord(_)
            | Self::BoundaryRecord(_)
            | Self::CompleteAtStart { .. }
            | Self::BoundaryAtEnd { .. }
            | Self::TreeVanished { .. }
            | Self::OldAhead { .. }
            | Self::HandoffMissing { .. }
            | Self::OldMissing { .. }
            | Self::RecordMissing { .. }
            | Self::NotConserved { .. }
            | Self::RootMismatch { .. }
            | Self::AppHashMismatch { .. }
            | Self::Entry { .. } => ErrorKind::Corruption,
            Self::Paused { .. } | Self::MigrationUnfinished { .. } => ErrorKind::Unfinished,
            Self::Cancelled => ErrorKind::Cancelled,
            Self::Poisoned { .. } => ErrorKind::Poisoned,
            Self::TooManyViews { .. } | Self::Closed => ErrorKind::Retry,
            Self::AbsenceUnprovable { .. }
            | Self::OldNotInAppHash
            | Self::OldRests { .. }
            | Self::RollbackBelowImport { .. } => ErrorKind::Refused,
            Self::Old { source, .. } | Self::New { source, .. } | Self::Both { new: source, .. } => {
                kind_of_store(source.kind())
            }
        }
    }

    pub(crate) fn old(action: &'static str) -> impl FnOnce(StoreError) -> Self {
        move |source| Self::Old { action, source }
    }

    pub(crate) fn new(action: &'static str) -> impl FnOnce(StoreError) -> Self {
        move |source| Self::New { action, source }
    }
}

/// A store's kind as the migration's.
pub fn kind_of_store(kind: StoreErrorKind) -> ErrorKind {
    match kind {
        StoreErrorKind::Input => ErrorKind::Input,
        StoreErrorKind::Configuration => ErrorKind::Configuration,
        StoreErrorKind::Corruption => ErrorKind::Corruption,
        StoreErrorKind::Locked => ErrorKind::Locked,
        StoreErrorKind::Retry => ErrorKind::Retry,
        StoreErrorKind::Incompatible => ErrorKind::Incompatible,
        StoreErrorKind::Refused => ErrorKind::Refused,
        StoreErrorKind::Poisoned => ErrorKind::Poisoned,
        // An unknown kind is treated like the gravest that a retry cannot make worse.
        _ => ErrorKind::Io,
    }
}
