//! The command line.

use clap::{Parser, Subcommand};

use crate::output::Output;
use crate::{
    completions, config, ctl, demo, digest, explain, export, gen_docs, generate, import, inspect, journal, plan,
    reconcile, replay, rollback, run, snapshot, status, top, verify,
};

/// Moves a running chain node's state from memiavl to FlatKV, block by block, while the chain runs.
///
/// Data goes to stdout, progress and the log to stderr (FERRY_LOG=info shows more). The first SIGINT or SIGTERM stops
/// cleanly behind the block in work, the second at once; commands that only look end at the first.
///
/// Exit codes: 0 ok, 1 other, 2 usage, 3 divergence found, 4 corruption, 5 locked, 6 I/O or disk full, 7 not finished or
/// paused, 8 refused as unsafe, 9 incompatible version, 130 and 143 stopped cleanly by a signal.
#[derive(Debug, Parser)]
#[command(
    name = "ferry",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    after_long_help = "\
Example:
  ferry plan --home DIR --batch-keys 1000 --block-time 400ms   is it safe, how long, how much room
  ferry run --home DIR --to all --batch-keys 1000              the whole migration
  ferry verify --home DIR                                      that nothing is lost"
)]
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
    Completions(completions::Args),
    Config(config::Args),
    Ctl(ctl::Args),
    Demo(demo::Args),
    Digest(digest::Args),
    Explain(explain::Args),
    Export(export::Args),
    Gen(generate::Args),
    Import(import::Args),
    Inspect(inspect::Args),
    Journal(journal::Args),
    Plan(plan::Args),
    Reconcile(reconcile::Args),
    Replay(replay::Args),
    Rollback(rollback::Args),
    Run(run::Args),
    Snapshot(snapshot::Args),
    Status(status::Args),
    Top(top::Args),
    Verify(verify::Args),
    #[command(hide = true)]
    GenDocs(gen_docs::Args),
}

impl Command {
    /// Whether a signal may end it anywhere: it changes nothing, or what a crash leaves of it is as good.
    pub(crate) fn only_looks(&self) -> bool {
        match self {
            Self::Completions(_)
            | Self::Config(_)
            | Self::Ctl(_)
            | Self::Explain(_)
            | Self::GenDocs(_)
            | Self::Inspect(_)
            | Self::Journal(_)
            | Self::Status(_)
            // A snapshot that was not finished is none, and goes with the next opening.
            | Self::Snapshot(_) => true,
            Self::Rollback(args) => !args.apply,
            Self::Demo(_)
            | Self::Digest(_)
            | Self::Export(_)
            | Self::Gen(_)
            | Self::Import(_)
            | Self::Plan(_)
            | Self::Reconcile(_)
            | Self::Replay(_)
            | Self::Run(_)
            | Self::Top(_)
            | Self::Verify(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_that_is_shown_has_an_example_of_its_own() {
        fn check(command: &clap::Command, path: &str) {
            let shown = command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help");
            for sub in shown {
                let path = format!("{path} {}", sub.get_name());
                let help = sub.clone().render_long_help().to_string();
                let example = help.split("Example:").nth(1).unwrap_or_else(|| panic!("no example: {path}"));
                assert!(example.contains(&path), "an example of another command: {path}");
                check(sub, &path);
            }
        }
        let mut root = Cli::command();
        root.build();
        check(&root, "ferry");
        let help = root.render_long_help().to_string();
        assert!(help.split("Example:").nth(1).is_some_and(|calls| calls.contains("ferry run")), "{help}");
    }

    #[test]
    fn the_service_unit_starts_a_call_that_is_understood() {
        let unit = include_str!("../../../ops/systemd/ferry-run.service");
        let call = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("a call");
        // The home is in the unit's environment.
        let words = call.split_whitespace().chain(["--home", "DIR"]);
        Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{call}: {error}"));
    }

    #[test]
    fn every_example_is_a_call_that_is_understood() {
        fn check(command: &clap::Command) {
            let help = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            for line in help.lines().map(str::trim).filter(|line| line.starts_with("ferry ")) {
                // What stands behind three blanks explains the call.
                let call = line.split("   ").next().unwrap_or(line).split_whitespace();
                Cli::try_parse_from(call).unwrap_or_else(|error| panic!("{line}: {error}"));
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
