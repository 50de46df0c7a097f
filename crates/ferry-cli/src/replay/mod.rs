//! `ferry replay`: runs recorded blocks on a node and compares everything at every height.

mod compare;
mod kill_at;
mod node;
mod report;
mod rows;
mod run;

use std::path::PathBuf;
use std::time::Instant;

use crate::blocks::{Block, BlockReader, BlocksError};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home;
use crate::output::{self, Output};
use crate::progress::Progress;
use crate::settings::NodeArgs;
use crate::signals::Signals;

use crate::difference::Halt;
use kill_at::KillAt;
use report::Outcome;
use run::Run;

/// Run recorded blocks on a node and compare everything at every height.
///
/// Each block runs in its line's write mode with its batch size; then commit info, app hash, FlatKV's root, boundary,
/// version, point reads and scans are compared with what was recorded. Heights that the node already has are skipped,
/// but for its last one, which is compared as it stands. The first difference ends the run with exit code 3.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  ferry replay --home DIR --blocks blocks.jsonl.gz --until 1200")]
pub(crate) struct Args {
    #[command(flatten)]
    node: NodeArgs,
    /// The recording: JSON lines, plain or gzipped.
    #[arg(long, value_name = "FILE")]
    blocks: PathBuf,
    /// Begin with nothing: DIR must be empty or new, the first line names the trees and the initial height.
    #[arg(long)]
    from_genesis: bool,
    /// Stop behind this height.
    #[arg(long, value_name = "HEIGHT")]
    until: Option<u64>,
    /// Write a memiavl snapshot behind this height.
    #[arg(long, value_name = "HEIGHT")]
    snapshot_at: Option<u64>,
    /// Compare FlatKV's rows at the end, byte for byte, with this file: physical key, tab, serialized value, in hex.
    #[arg(long, value_name = "FILE")]
    final_rows: Option<PathBuf>,
    /// Die by SIGKILL at this hit of a named point of the protocol.
    #[arg(long, value_name = "POINT:COUNT", hide = true)]
    kill_at: Option<KillAt>,
}

/// Runs the command.
///
/// # Errors
/// Anything but a difference or a clean stop, which the report tells.
pub(crate) fn run(args: &Args, output: Output, signals: &Signals) -> anyhow::Result<Exit> {
    let began = Instant::now();
    let options = args.node.options()?;
    let home = &args.node.home;
    // The recording and its first block are looked at before the home is touched, so that a wrong file changes nothing.
    let mut blocks = BlockReader::open(&args.blocks)?;
    let first = blocks.next().transpose()?.ok_or_else(|| BlocksError::Empty { path: args.blocks.clone() })?;
    let expected_rows = args.final_rows.as_deref().map(rows::ExpectedRows::open).transpose()?;
    let mut opened = if args.from_genesis {
        home::require_empty(home)?;
        node::create(home, &first, options)?
    } else {
        home::require_node(home)?;
        node::open(home, &first, options)?
    };
    if let Some(kill_at) = args.kill_at {
        opened.set_kill_hook(kill_at.hook());
    }
    let mut run = Run::new(opened, args.snapshot_at);
    let result = drive(&mut run, args, first, blocks, signals);
    let (node, mut report) = run.finish(home, &args.blocks);
    let outcome = match (result, expected_rows) {
        (Ok(Outcome::Agrees), Some(expected)) => rows::compare(&node, expected).map(|count| {
            report.final_rows_checked = Some(count);
            Outcome::Agrees
        }),
        (result, _) => result,
    };
    node.close()?;
    report.outcome = match outcome {
        Ok(outcome) => outcome,
        Err(Halt::Different(difference)) => {
            report.difference = Some(*difference);
            Outcome::Differs
        }
        Err(Halt::Failed(error)) => return Err(error.context(format!("replaying: last_height={}", report.last_height))),
    };
    report.elapsed_seconds = began.elapsed().as_secs_f64();
    output::print(&report, output)?;
    Ok(match report.outcome {
        Outcome::Agrees => Exit::Ok,
        Outcome::Differs => Exit::Divergence,
        Outcome::Stopped => signals.received().unwrap_or(Exit::Interrupted),
    })
}

/// Runs block after block until the recording, the wanted height, a signal or a difference ends it.
fn drive(
    run: &mut Run,
    args: &Args,
    first: Block,
    mut blocks: BlockReader,
    signals: &Signals,
) -> Result<Outcome, Halt> {
    let total = args.until.map(|until| until.saturating_sub(run.next_height().saturating_sub(1)));
    let mut progress = Progress::start("replay", "blocks", total);
    let mut next = Some(first);
    let outcome = loop {
        if signals.received().is_some() {
            break Outcome::Stopped;
        }
        let Some(block) = next else { break Outcome::Agrees };
        if args.until.is_some_and(|until| block.height > until) {
            break Outcome::Agrees;
        }
        run.block(block)?;
        progress.set(run.heights_checked(), &run.note(blocks.position()));
        // What lies behind the wanted height is not read: the recording may be cut there.
        if args.until == Some(run.last_line()) {
            break Outcome::Agrees;
        }
        next = blocks.next().transpose().map_err(anyhow::Error::new)?;
    };
    drop(progress);
    if let (Outcome::Agrees, Some(until)) = (outcome, args.until)
        && run.last_line() < until
    {
        return Err(Failure::EndsEarly { until, last: run.last_line() }.into());
    }
    Ok(outcome)
}
