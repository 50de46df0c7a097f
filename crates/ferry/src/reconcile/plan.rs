//! What is to be mended, how it is known to be right, and what cannot be mended.

use std::fmt;

use changeset::AppHash;

use crate::error::Hex;
use crate::verify::{Finding, VerifyReport};

/// Bytes of a plan's name.
const ID_BYTES: usize = 8;

/// What is mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum RepairKind {
    /// A row of FlatKV.
    Row,
    /// A key of memiavl that has moved.
    Residue,
    /// An entry of memiavl's changelog.
    ChangelogEntry,
    /// Entries of memiavl's changelog behind FlatKV's last block.
    ChangelogEnd,
    /// A snapshot of memiavl that is given up; an older one and the changelog lead to the same state.
    Snapshot,
    /// States and counts that FlatKV keeps of its rows.
    States,
    /// Another record of FlatKV.
    Record,
    /// Records of earlier blocks, which only a rollback needs.
    History,
}

/// One thing to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// What is mended.
    pub kind: RepairKind,
    /// The module; empty where it is about none.
    pub module: String,
    /// FlatKV's lane; none where it is about no row.
    pub lane: Option<flatkv::Lane>,
    /// The module's key; an account's row stands under its nonce's.
    pub key: Option<Vec<u8>>,
    /// What there is.
    pub before: String,
    /// What there will be.
    pub after: String,
    /// How it is known to be right.
    pub proof: String,
}

/// What cannot be mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it is about.
    pub what: String,
    /// Why not.
    pub why: String,
    /// What to do instead.
    pub remedy: String,
}

/// Something that was found, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosed {
    /// What was found.
    pub finding: Finding,
    /// What mends it; none where nothing does.
    pub mended_by: Option<RepairKind>,
}

/// What a reconciliation would do to a home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReconcilePlan {
    /// Its name: a hash over the block and everything that would be done. Whoever confirms it confirms just this.
    pub id: String,
    /// The last block.
    pub height: u64,
    /// Its app hash, which the mended home must lead to; none where nothing vouches for one.
    pub app_hash: Option<AppHash>,
    /// What vouches for the app hash.
    pub vouched_by: String,
    /// What the check of the home came to.
    pub report: VerifyReport,
    /// What it found, in the order in which it was found.
    pub found: Vec<Diagnosed>,
    /// What is to be mended.
    pub repairs: Vec<Repair>,
    /// What cannot be mended. As long as there is any of it, nothing is.
    pub refusals: Vec<Refusal>,
}

impl RepairKind {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Row => "row",
            Self::Residue => "residue",
            Self::ChangelogEntry => "changelog_entry",
            Self::ChangelogEnd => "changelog_end",
            Self::Snapshot => "snapshot",
            Self::States => "states",
            Self::Record => "record",
            Self::History => "history",
        }
    }

    /// Whether memiavl is what it mends.
    pub fn is_of_memiavl(self) -> bool {
        matches!(self, Self::Residue | Self::ChangelogEntry | Self::ChangelogEnd | Self::Snapshot)
    }
}

impl fmt::Display for RepairKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Repair {
    /// A repair of no module.
    pub(super) fn general(kind: RepairKind, before: impl fmt::Display, after: impl fmt::Display, proof: &str) -> Self {
        let (before, after, proof) = (before.to_string(), after.to_string(), proof.to_owned());
        Self { kind, module: String::new(), lane: None, key: None, before, after, proof }
    }

    /// A repair of a row.
    pub(super) fn of_row(mend: &flatkv::RowMend, proof: &str) -> Self {
        let (module, key) = flatkv::split(mend.lane, &mend.key).unwrap_or(("", &mend.key));
        let row = |row: &Option<Vec<u8>>| row.as_ref().map_or_else(|| "none".to_owned(), |row| Hex(row).to_string());
        Self {
            kind: RepairKind::Row,
            module: module.to_owned(),
            lane: Some(mend.lane),
            key: Some(key.to_vec()),
            before: row(&mend.before),
            after: row(&mend.after),
            proof: proof.to_owned(),
        }
    }
}

impl ReconcilePlan {
    /// Whether there is nothing to mend and nothing that cannot be mended.
    pub fn is_clean(&self) -> bool {
        self.repairs.is_empty() && self.refusals.is_empty()
    }

    /// Whether all that is wrong can be mended.
    pub fn is_possible(&self) -> bool {
        self.refusals.is_empty()
    }
}

/// The name of a plan.
pub(super) fn id(height: u64, app_hash: Option<AppHash>, repairs: &[Repair]) -> String {
    let mut hash = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(&height.to_be_bytes());
    part(app_hash.as_ref().map_or(&[][..], |hash| hash.as_slice()));
    for repair in repairs {
        let Repair { kind, module, lane, key, before, after, proof: _ } = repair;
        let lane = lane.map_or("", flatkv::Lane::name);
        for text in [kind.as_str(), module, lane, before, after] {
            part(text.as_bytes());
        }
        part(key.as_deref().unwrap_or_default());
    }
    Hex(&hash.finalize().as_bytes()[..ID_BYTES]).to_string()
}
