//! `ferry inspect`: the parts of a home one by one, and the constants of their formats. Reads only.

mod constants;
mod flatkv;
mod memiavl;
mod row;

use crate::exit::Exit;
use crate::output::Output;

/// Look at a part of a home: a snapshot, a changelog, a row, FlatKV's records; or at the constants of the formats.
///
/// Nothing is written, and what a crash has left is told, not mended.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  ferry inspect changelog DIR/data/state_commit/memiavl/changelog")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Constants(constants::Args),
    Snapshot(memiavl::SnapshotArgs),
    Changelog(memiavl::ChangelogArgs),
    Row(row::Args),
    Flatkv(flatkv::Args),
}

/// Runs the command.
///
/// # Errors
/// What is to be looked at is not there or damaged.
pub(crate) fn run(args: &Args, output: Output) -> anyhow::Result<Exit> {
    match &args.action {
        Action::Constants(_) => constants::run(output),
        Action::Snapshot(args) => memiavl::snapshot(args, output),
        Action::Changelog(args) => memiavl::changelog(args, output),
        Action::Row(args) => row::run(args, output),
        Action::Flatkv(args) => flatkv::run(args, output),
    }
}
