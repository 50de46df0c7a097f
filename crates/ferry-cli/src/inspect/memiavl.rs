//! `ferry inspect snapshot` and `changelog`: memiavl's directories.

use std::path::PathBuf;

use ferry::{ChangelogLook, SnapshotLook};
use serde::Serialize;

use crate::exit::Exit;
use crate::output::{self, Output, Report};
use crate::{table, units};

/// List the trees of a snapshot, and whether each has the root that the snapshot's commit info says; exit code 4 if not.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  ferry inspect snapshot DIR/data/state_commit/memiavl/current")]
pub(super) struct SnapshotArgs {
    /// The snapshot's directory.
    #[arg(value_name = "SNAPSHOT")]
    directory: PathBuf,
}

/// List the segments of a changelog, check every entry's checksum, and tell of a torn end.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  ferry inspect changelog DIR/data/state_commit/memiavl/changelog")]
pub(super) struct ChangelogArgs {
    /// The changelog's directory.
    #[arg(value_name = "CHANGELOG")]
    directory: PathBuf,
}

pub(super) fn snapshot(args: &SnapshotArgs, output: Output) -> anyhow::Result<Exit> {
    let look = ferry::look_at_snapshot(&args.directory)?;
    let exit = if look.trees.iter().all(|tree| tree.agrees) { Exit::Ok } else { Exit::Corruption };
    output::print(&SnapshotReport::from(look), output)?;
    Ok(exit)
}

pub(super) fn changelog(args: &ChangelogArgs, output: Output) -> anyhow::Result<Exit> {
    let look = ferry::look_at_changelog(&args.directory)?;
    output::print(&ChangelogReport::from(look), output)?;
    Ok(Exit::Ok)
}

#[derive(Debug, Serialize)]
struct SnapshotReport {
    version: u64,
    initial_version: u32,
    app_hash: String,
    trees: Vec<Tree>,
}

#[derive(Debug, Serialize)]
struct Tree {
    name: String,
    version: u32,
    keys: u32,
    tree_bytes: u64,
    root: String,
    root_agrees: bool,
}

impl From<SnapshotLook> for SnapshotReport {
    fn from(look: SnapshotLook) -> Self {
        let trees = look.trees.into_iter().map(|tree| Tree {
            name: tree.name,
            version: tree.version,
            keys: tree.leaves,
            tree_bytes: tree.bytes,
            root: hex::encode(tree.root),
            root_agrees: tree.agrees,
        });
        Self {
            version: look.version,
            initial_version: look.initial_version,
            app_hash: hex::encode(look.app_hash),
            trees: trees.collect(),
        }
    }
}

impl Report for SnapshotReport {
    const COMMAND: &'static str = "inspect snapshot";

    fn table(&self) -> String {
        let facts = table::facts([
            ("version", units::count(self.version)),
            ("initial version", units::count(self.initial_version.into())),
            ("hash over its trees", self.app_hash.clone()),
        ]);
        let trees = self.trees.iter().map(|tree| {
            let root = if tree.root_agrees { tree.root.clone() } else { format!("{} DIFFERS", tree.root) };
            [tree.name.clone(), root, units::count(tree.keys.into()), units::bytes(tree.tree_bytes)]
        });
        format!("{facts}\n{}", table::figures(["tree", "root", "keys", "size"], trees))
    }
}

#[derive(Debug, Serialize)]
struct ChangelogReport {
    first_height: Option<u64>,
    last_height: Option<u64>,
    sealed_entries: u64,
    unsealed_entries: u64,
    pairs: u64,
    torn: Option<TornEnd>,
    segments: Vec<Segment>,
}

#[derive(Debug, Serialize)]
struct TornEnd {
    path: String,
    offset: u64,
    torn_bytes: u64,
    later_segments: usize,
}

#[derive(Debug, Serialize)]
struct Segment {
    path: String,
    first_height: u64,
    entries: u64,
    segment_bytes: u64,
}

impl From<ChangelogLook> for ChangelogReport {
    fn from(look: ChangelogLook) -> Self {
        let (first_height, last_height) = look.heights.unzip();
        let segments = look.segments.into_iter().map(|segment| Segment {
            path: segment.path.display().to_string(),
            first_height: segment.first_height,
            entries: segment.entries,
            segment_bytes: segment.bytes,
        });
        let torn = look.torn.map(|torn| TornEnd {
            path: torn.path.display().to_string(),
            offset: torn.offset,
            torn_bytes: torn.bytes,
            later_segments: torn.later.len(),
        });
        Self {
            first_height,
            last_height,
            sealed_entries: look.sealed,
            unsealed_entries: look.unsealed,
            pairs: look.pairs,
            torn,
            segments: segments.collect(),
        }
    }
}

impl Report for ChangelogReport {
    const COMMAND: &'static str = "inspect changelog";

    fn table(&self) -> String {
        let height = |height: Option<u64>| height.map_or("none".to_owned(), units::count);
        let torn = self.torn.as_ref().map_or("none".to_owned(), |torn| {
            let (bytes, offset) = (units::bytes(torn.torn_bytes), units::count(torn.offset));
            format!("{bytes} behind byte {offset} of {}, {} later files", torn.path, torn.later_segments)
        });
        let facts = table::facts([
            ("first height", height(self.first_height)),
            ("last height", height(self.last_height)),
            ("entries with a checksum that fits", units::count(self.sealed_entries)),
            ("entries without one, by the reference", units::count(self.unsealed_entries)),
            ("changes of keys", units::count(self.pairs)),
            ("torn end", torn),
        ]);
        let segments = self.segments.iter().map(|segment| {
            let Segment { path, first_height, entries, segment_bytes } = segment;
            [path.clone(), units::count(*first_height), units::count(*entries), units::bytes(*segment_bytes)]
        });
        format!("{facts}\n{}", table::figures(["segment", "first height", "entries", "size"], segments))
    }
}
