//! Looking at the parts of a home one by one: a snapshot, a changelog, FlatKV's own records. Reads only.

mod changelog;
mod records;
mod snapshot;

use std::path::PathBuf;

pub use changelog::{ChangelogLook, SegmentLook, look_at_changelog};
pub use records::{FlatKvLook, PartLook, look_at_flatkv};
pub use snapshot::{SnapshotLook, TreeLook, look_at_snapshot};

/// A directory that holds something else than what is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {what} of memiavl in this directory; name {example} of a home: path={}", path.display())]
pub struct NoPart {
    /// What was looked for.
    pub what: &'static str,
    /// Where one stands in a home.
    pub example: &'static str,
    /// The directory.
    pub path: PathBuf,
}
