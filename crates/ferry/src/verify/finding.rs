//! What a verification can find.

use std::fmt;

use flatkv::Lane;

use crate::error::Hex;

/// One of the three questions that a verification asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// No key that has moved is left in memiavl.
    Complete,
    /// No key is in both stores.
    Union,
    /// Hashes, counts and records are those of the bytes.
    Truth,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FindingKind {
    /// A key in memiavl that has moved.
    Residue,
    /// A key in both stores.
    Twice,
    /// Rows of a lane and module that do not add up to the kept state or counts.
    SumMismatch,
    /// A row of which one bit was flipped, or that lies at a key of which one was: proven by the kept state.
    RowFlipped,
    /// A row too many: proven by the kept state.
    RowExtra,
    /// A row that is not there and must be: proven by the kept state, its value taken from memiavl's history.
    RowMissing,
    /// A row that is another one than it must be, in more than a bit: proven as a missing one.
    RowChanged,
    /// A row that no block can have written.
    RowDamaged,
    /// A record that does not decode or is missing.
    RecordDamaged,
    /// Records that say different things about the last block.
    RecordMismatch,
    /// The boundary is not where the last block left it.
    BoundaryMoved,
    /// A root that is not the one stored with the last block.
    RootMismatch,
    /// A leaf that does not fit its hash or its place.
    LeafDamaged,
    /// A branch that does not fit its hash or its place.
    BranchDamaged,
    /// A tree that the snapshot's commit info names and its directory lacks.
    TreeMissing,
    /// Bytes that cannot be read.
    Unreadable,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub kind: FindingKind,
    /// The module; empty where it is about none.
    pub module: String,
    /// FlatKV's lane; none where it is about memiavl or a record.
    pub lane: Option<Lane>,
    /// The module's key; an account's row stands under its nonce's. None where no key can be told.
    pub key: Option<Vec<u8>>,
    /// What was compared, values last.
    pub detail: String,
}

impl Check {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Complete, Self::Union, Self::Truth];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Union => "union",
            Self::Truth => "truth",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FindingKind {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Residue,
        Self::Twice,
        Self::SumMismatch,
        Self::RowFlipped,
        Self::RowExtra,
        Self::RowMissing,
        Self::RowChanged,
        Self::RowDamaged,
        Self::RecordDamaged,
        Self::RecordMismatch,
        Self::BoundaryMoved,
        Self::RootMismatch,
        Self::LeafDamaged,
        Self::BranchDamaged,
        Self::TreeMissing,
        Self::Unreadable,
    ];

    /// The question that it answers.
    pub fn check(self) -> Check {
        match self {
            Self::Residue => Check::Complete,
            Self::Twice => Check::Union,
            _ => Check::Truth,
        }
    }

    /// Whether bytes are damaged by themselves: they do not read, decode, or fit their own hash. Otherwise all of them read
    /// well, and two of them say different things.
    pub fn is_damage(self) -> bool {
        match self {
            Self::RowDamaged
            | Self::RecordDamaged
            | Self::LeafDamaged
            | Self::BranchDamaged
            | Self::TreeMissing
            | Self::Unreadable => true,
            Self::Residue
            | Self::Twice
            | Self::SumMismatch
            | Self::RowFlipped
            | Self::RowExtra
            | Self::RowMissing
            | Self::RowChanged
            | Self::RecordMismatch
            | Self::BoundaryMoved
            | Self::RootMismatch => false,
        }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Residue => "residue",
            Self::Twice => "twice",
            Self::SumMismatch => "sum_mismatch",
            Self::RowFlipped => "row_flipped",
            Self::RowExtra => "row_extra",
            Self::RowMissing => "row_missing",
            Self::RowChanged => "row_changed",
            Self::RowDamaged => "row_damaged",
            Self::RecordDamaged => "record_damaged",
            Self::RecordMismatch => "record_mismatch",
            Self::BoundaryMoved => "boundary_moved",
            Self::RootMismatch => "root_mismatch",
            Self::LeafDamaged => "leaf_damaged",
            Self::BranchDamaged => "branch_damaged",
            Self::TreeMissing => "tree_missing",
            Self::Unreadable => "unreadable",
        }
    }
}

impl Finding {
    /// About no module.
    pub(super) fn general(kind: FindingKind, detail: impl fmt::Display) -> Self {
        Self { kind, module: String::new(), lane: None, key: None, detail: detail.to_string() }
    }

    /// About a module of memiavl.
    pub(super) fn of_module(kind: FindingKind, module: &str, key: Option<Vec<u8>>, detail: impl fmt::Display) -> Self {
        Self { kind, module: module.to_owned(), lane: None, key, detail: detail.to_string() }
    }

    /// About a row of FlatKV, by its physical key.
    pub(super) fn of_row(kind: FindingKind, lane: Lane, physical: &[u8], detail: impl fmt::Display) -> Self {
        let (module, key) = flatkv::split(lane, physical).unwrap_or(("", physical));
        Self { kind, module: module.to_owned(), lane: Some(lane), key: Some(key.to_vec()), detail: detail.to_string() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key.as_deref().unwrap_or_default();
        write!(f, "{} {} {}: {}", self.kind.as_str(), self.module, Hex(key), self.detail)
    }
}

/// An error and what it comes from, in one line.
pub(crate) fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Some errors name their cause themselves.
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text += &format!(": {cause_text}");
        }
        source = cause.source();
    }
    text
}
