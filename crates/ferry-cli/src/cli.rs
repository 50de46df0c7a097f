//! The command line.

use clap::{Parser, Subcommand};

use crate::output::Output;
use crate::{demo, gen_docs, generate, replay, rollback, run, snapshot, status};

/// Moves a running chain node's state from memiavl to FlatKV, block by block, while the chain runs.
///
/// Data goes to stdout, progress and the log to stderr (FERRY_LOG=info shows more). The first SIGINT or SIGTERM stops
/// cleanly behind the block in work, the second at once.
///
/// Exit codes: 0 ok, 1 other, 2 usage, 3 divergence found, 4 corruption, 5 locked, 6 I/O or disk full, 7 not finished or
/// paused, 8 refused as unsafe, 9 incompatible version, 130 and 143 stopped cleanly by a signal.
#[derive(Debug, Parser)]
#[command(name = "ferry", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// The form of what stands on stdout.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORM")]
    pub(crate) output: Output,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands, one file each.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(demo::Args),
    Gen(generate::Args),
    Replay(replay::Args),
    Rollback(rollback::Args),
    Run(run::Args),
    Snapshot(snapshot::Args),
    Status(status::Args),
    #[command(hide = true)]
    GenDocs(gen_docs::Args),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }
}
