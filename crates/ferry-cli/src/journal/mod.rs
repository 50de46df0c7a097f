//! `ferry journal`: what each block moved, and the first block in which two nodes differ. Reads only.

mod diff;
mod line;
mod show;

use crate::exit::Exit;
use crate::output::Output;

/// Look at the migration's journal: a line per block, as long as the block can be rolled back.
///
/// A line says where the boundary stood before and after the block, what was moved, the sums over what left memiavl and what
/// entered FlatKV, which must be equal, and the roots. Works beside a running node and writes nothing below the home.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  ferry journal show --home DIR")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Show(show::ShowArgs),
    Export(show::ExportArgs),
    Diff(diff::Args),
}

/// Runs the command.
///
/// # Errors
/// A home without a journal, a file that is none, I/O.
pub(crate) fn run(args: &Args, output: Output) -> anyhow::Result<Exit> {
    match &args.action {
        Action::Show(args) => show::show(args, output),
        Action::Export(args) => show::export(args),
        Action::Diff(args) => diff::run(args, output),
    }
}
