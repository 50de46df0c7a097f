//! `ferry inspect flatkv`: what FlatKV says of itself.

use ferry::{Boundary, FlatKvLook};
use serde::Serialize;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::home;
use crate::output::{self, Output, Report};
use crate::settings::NodeArgs;
use crate::{table, units};

/// Show FlatKV's records beside its rows: heights, root, what is kept of its blocks, what is under way, rows per lane.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  ferry inspect flatkv --home DIR")]
pub(super) struct Args {
    #[command(flatten)]
    node: NodeArgs,
}

#[derive(Debug, Serialize)]
struct FlatKvReport {
    format: u32,
    first_height: Option<u64>,
    last_height: Option<u64>,
    /// From here on a block can be rolled back to, and `explain --height` answers.
    oldest_kept_height: Option<u64>,
    root: String,
    migration_version: Option<u64>,
    boundary: Option<String>,
    last_handoff_height: Option<u64>,
    changelog_synced_height: u64,
    memiavl_retired_at_height: Option<u64>,
    imported_at_height: Option<u64>,
    rollback_to_height: Option<u64>,
    left_to_os: bool,
    parts: Vec<Part>,
}

#[derive(Debug, Serialize)]
struct Part {
    lane: &'static str,
    module: String,
    rows: u64,
    row_bytes: u64,
}

pub(super) fn run(args: &Args, output: Output) -> anyhow::Result<Exit> {
    args.node.settings()?;
    let home = &args.node.home;
    home::require_state(home)?;
    let look = ferry::look_at_flatkv(home)?.ok_or_else(|| Failure::NoFlatKv { home: home.clone() })?;
    output::print(&FlatKvReport::from(look), output)?;
    Ok(Exit::Ok)
}

impl From<FlatKvLook> for FlatKvReport {
    fn from(look: FlatKvLook) -> Self {
        let (first_height, last_height) = look.heights.unzip();
        let parts = look.parts.into_iter().map(|part| Part {
            lane: part.lane.name(),
            module: part.module,
            rows: part.totals.rows,
            row_bytes: part.totals.bytes,
        });
        Self {
            format: look.format,
            first_height,
            last_height,
            oldest_kept_height: look.kept_heights.map(|(oldest, _)| oldest),
            root: hex::encode(look.root),
            migration_version: look.metadata.version,
            boundary: look.metadata.boundary.as_ref().map(Boundary::to_string),
            last_handoff_height: look.last_handoff,
            changelog_synced_height: look.changelog_synced,
            memiavl_retired_at_height: look.retired,
            imported_at_height: look.imported,
            rollback_to_height: look.rollback_target,
            left_to_os: look.left_to_os,
            parts: parts.collect(),
        }
    }
}

impl Report for FlatKvReport {
    const COMMAND: &'static str = "inspect flatkv";

    fn table(&self) -> String {
        let height = |height: Option<u64>| height.map_or("none".to_owned(), units::count);
        let facts = table::facts([
            ("format", self.format.to_string()),
            ("first block", height(self.first_height)),
            ("last block", height(self.last_height)),
            ("kept from", height(self.oldest_kept_height)),
            ("root", self.root.clone()),
            ("migration version", self.migration_version.map_or("none".to_owned(), |version| version.to_string())),
            ("boundary", self.boundary.clone().unwrap_or_else(|| "none".to_owned())),
            ("last block handed to memiavl", height(self.last_handoff_height)),
            ("changelog on disk up to", units::count(self.changelog_synced_height)),
            ("memiavl retired at", height(self.memiavl_retired_at_height)),
            ("imported at", height(self.imported_at_height)),
            ("rollback under way to", height(self.rollback_to_height)),
            ("left to the operating system", if self.left_to_os { "yes" } else { "no" }.to_owned()),
        ]);
        let parts = self.parts.iter().map(|part| {
            let Part { lane, module, rows, row_bytes } = part;
            [format!("{lane} of {module}"), units::count(*rows), units::bytes(*row_bytes)]
        });
        format!("{facts}\n{}", table::figures(["lane", "rows", "bytes"], parts))
    }
}
