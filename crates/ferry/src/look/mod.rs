//! Looking at the parts of a home one by one: a snapshot, a changelog, FlatKV's own records. Reads only.

mod changelog;
mod records;
mod snapshot;

pub use changelog::{ChangelogLook, SegmentLook, look_at_changelog};
pub use records::{FlatKvLook, PartLook, look_at_flatkv};
pub use snapshot::{SnapshotLook, TreeLook, look_at_snapshot};
