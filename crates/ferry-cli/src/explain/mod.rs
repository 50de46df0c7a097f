//! `ferry explain`: where a key lives, why, and which block moved it. Reads only.

mod report;

use ferry::Explanation;

use crate::exit::Exit;
use crate::home;
use crate::output::{self, Output};
use crate::settings::NodeArgs;
use crate::words::KeyBytes;

use report::ExplainReport;

/// Say where a key lives, why, which block moved it, and what each store has of it.
///
/// The answer is that of the last block, or of an earlier one that can still be rolled back to. Works beside a running node
/// and writes nothing below the home.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Example:\n  ferry explain --home DIR evm 0a1111111111111111111111111111111111111111\n  ferry explain --home DIR bank text:supply --height 1200"
)]
pub(crate) struct Args {
    #[command(flatten)]
    node: NodeArgs,
    /// The store: a module's name.
    #[arg(value_name = "STORE")]
    store: String,
    /// The key as memiavl has it: in hex, or as text behind `text:`; what is no hex is text.
    #[arg(value_name = "KEY")]
    key: KeyBytes,
    /// After this block instead of the last one.
    #[arg(long, value_name = "HEIGHT")]
    height: Option<u64>,
}

/// Runs the command.
///
/// # Errors
/// A home that holds no state or cannot be read, an unknown store, a height that is not kept.
pub(crate) fn run(args: &Args, output: Output) -> anyhow::Result<Exit> {
    let options = args.node.options()?;
    home::require_state(&args.node.home)?;
    let explanation: Explanation =
        ferry::explain(&args.node.home, &options.modules, &args.store, &args.key.0, args.height)?;
    output::print(&ExplainReport::from(explanation), output)?;
    Ok(Exit::Ok)
}
