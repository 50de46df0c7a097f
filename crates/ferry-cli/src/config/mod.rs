//! `ferry config`: what is set, where, and whether it can be so.

mod page;
mod report;

use std::path::PathBuf;

use ferry::Settings;

use crate::exit::Exit;
use crate::output::{self, Output};
use crate::settings::Given;

pub(crate) use page::page;
use report::{CheckReport, ShowReport};

/// Show the settings with their origins, or check them.
///
/// A flag beats the environment, which beats the file, which beats the default. The file is TOML: --config, or
/// FERRY_CONFIG, or config/ferry.toml in the home if that is there. Sizes have units (256MiB, 100MB), times too (10s, 5min).
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  ferry config show --home DIR --set memory.block_cache_bytes=1GiB")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show every setting: its value, where that comes from, and whether the whole chain must share it.
    #[command(after_long_help = "Example:\n  ferry config show --home DIR")]
    Show(Places),
    /// Find everything that is wrong with the settings; exit code 2 if something is.
    #[command(after_long_help = "Example:\n  ferry config check --config ferry.toml")]
    Check(Places),
}

/// Where settings may be given.
#[derive(Debug, clap::Args)]
struct Places {
    /// The home whose settings they are; without it only what stands elsewhere counts.
    #[arg(long, env = "FERRY_HOME", value_name = "DIR")]
    home: Option<PathBuf>,
    #[command(flatten)]
    given: Given,
}

/// Runs the command.
///
/// # Errors
/// `show`: settings that are wrong.
pub(crate) fn run(args: &Args, output: Output) -> anyhow::Result<Exit> {
    match &args.action {
        Action::Show(places) => {
            let home = places.home.as_deref();
            let settings = places.given.with(home, Settings::load).map_err(ferry::Error::from)?;
            output::print(&ShowReport::new(places.given.file(home), &settings), output)?;
            Ok(Exit::Ok)
        }
        Action::Check(places) => {
            let home = places.home.as_deref();
            let (settings, problems) = places.given.with(home, Settings::inspect);
            let report = CheckReport::new(places.given.file(home), &settings, &problems);
            output::print(&report, output)?;
            Ok(if problems.is_empty() { Exit::Ok } else { Exit::Usage })
        }
    }
}
