//! `ferry digest`: one value for what a node's readers see, and where two nodes differ. Reads only.

mod diff;
mod form;
mod report;

use std::num::NonZeroU64;
use std::ops::ControlFlow;
use std::path::PathBuf;

use ferry::{DigestProgress, DigestRequest, ErrorKind, SPLIT_BYTES_MAX};

use crate::exit::Exit;
use crate::home;
use crate::output::{self, Output};
use crate::progress::Progress;
use crate::settings::{Given, NodeArgs};
use crate::signals::Signals;
use crate::words::HexBytes;

use form::DigestForm;
use report::SeiReport;

/// Say in one value what a node's readers see, whatever the phase of its migration.
///
/// Two nodes whose readers see the same have the same digest, before, in the middle of and after a migration, whichever block
/// wrote which row. It is told per module and per range of keys, so that two nodes find where they differ: save each one's
/// `--output json`, and give both to `ferry digest diff`. Works beside a running node and writes nothing below the home.
#[derive(Debug, clap::Args)]
#[command(
    subcommand_negates_reqs = true,
    after_long_help = "Example:\n  ferry digest --home DIR --output json   into a file, for `ferry digest diff`\n  ferry digest --home DIR --module evm --range 03ab   one range more finely\n  ferry digest --home DIR --format sei   the value that the reference's operators compare"
)]
pub(crate) struct Args {
    /// The node's home; memiavl stands at data/state_commit/memiavl in it.
    #[arg(long, env = "FERRY_HOME", value_name = "DIR", required = true)]
    home: Option<PathBuf>,
    #[command(flatten)]
    given: Given,
    /// One module alone.
    #[arg(long, value_name = "MODULE", conflicts_with = "format")]
    module: Option<String>,
    /// Of that module only keys that begin with these bytes, in hex; rows are listed where there are 256 or fewer. An account
    /// stands under its nonce's key, 0a and the address.
    #[arg(long, value_name = "HEX", requires = "module")]
    range: Option<HexBytes>,
    /// Bytes of a key by which ranges are told apart, behind those of --range; at most 2.
    #[arg(long, value_name = "N", default_value_t = SPLIT_BYTES_MAX, value_parser = split_bytes)]
    split: usize,
    /// ferry's own digest, or the reference's of module evm.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Threads that read; as the settings say by default, which is as many as there are cores.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroU64>,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Diff(diff::Args),
}

/// Whose digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// ferry's.
    #[default]
    Ferry,
    /// The reference's, of module evm alone.
    Sei,
}

fn split_bytes(text: &str) -> Result<usize, String> {
    let split = text.parse::<usize>().map_err(|error| error.to_string())?;
    (split <= SPLIT_BYTES_MAX).then_some(split).ok_or_else(|| format!("expected at most {SPLIT_BYTES_MAX}"))
}

/// Runs the command.
///
/// # Errors
/// A home that holds no state or cannot be read.
pub(crate) fn run(args: &Args, output: Output, signals: &Signals) -> anyhow::Result<Exit> {
    if let Some(Action::Diff(diff)) = &args.action {
        return diff::run(diff, output, signals);
    }
    // Required, but for `diff`, which has been dealt with.
    let node = NodeArgs { home: args.home.clone().unwrap_or_default(), given: args.given.clone() };
    let options = node.options()?;
    home::require_state(&node.home)?;
    let view = ferry::read_home(&node.home, &options.modules)?;
    let threads = node.threads(args.threads)?;
    let request = DigestRequest {
        module: args.module.clone(),
        prefix: args.range.as_ref().map(|range| range.0.clone()).unwrap_or_default(),
        split_bytes: args.split,
        threads,
    };
    let mut shown = Shown::new(signals);
    match args.format {
        Format::Ferry => {
            let digest = ferry::digest(&view, &request, &mut |now| shown.look(now));
            let Some(digest) = shown.end(digest)? else { return Ok(shown.exit()) };
            output::print(&DigestForm::from(&digest), output)?;
        }
        Format::Sei => {
            let digest = ferry::sei_digest(&view, threads, &mut |now| shown.look(now));
            let Some(digest) = shown.end(digest)? else { return Ok(shown.exit()) };
            output::print(&SeiReport::from(digest), output)?;
        }
    }
    Ok(Exit::Ok)
}

/// Progress on stderr, and a signal that stops the work.
struct Shown<'s> {
    signals: &'s Signals,
    progress: Option<Progress>,
}

impl<'s> Shown<'s> {
    fn new(signals: &'s Signals) -> Self {
        Self { signals, progress: None }
    }

    fn look(&mut self, now: DigestProgress) -> ControlFlow<()> {
        self.progress.get_or_insert_with(|| Progress::start("digest", "rows", Some(now.rows_total))).set(now.rows, "");
        if self.signals.received().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// What came of the work; none if a signal stopped it.
    fn end<T>(&mut self, result: Result<T, ferry::Error>) -> Result<Option<T>, ferry::Error> {
        self.progress = None;
        match result {
            Err(error) if error.kind() == ErrorKind::Cancelled && self.signals.received().is_some() => {
                eprintln!("digest: stopped by a signal");
                Ok(None)
            }
            result => result.map(Some),
        }
    }

    fn exit(&self) -> Exit {
        self.signals.received().unwrap_or(Exit::Other)
    }
}
