//! `ferry rollback`: goes back to an earlier block.

use std::time::{Duration, Instant};

use ferry::{NewStorePlan, RollbackPlan};
use serde::Serialize;

use crate::exit::Exit;
use crate::home;
use crate::output::{self, Output, Report};
use crate::settings::NodeArgs;
use crate::signals::Signals;
use crate::{table, units};

/// Go back to an earlier block: undo FlatKV's later blocks and cut memiavl's log.
///
/// Without --apply it only says what it would do, after checking that it can be done. The node must not be running. A
/// rollback that is interrupted is finished when the node is opened next.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Example:\n  ferry rollback --home DIR --to 1200000           says what it would do\n  ferry rollback --home DIR --to 1200000 --apply"
)]
pub(crate) struct Args {
    #[command(flatten)]
    node: NodeArgs,
    /// The block to go back to; it stays.
    #[arg(long, value_name = "HEIGHT")]
    to: u64,
    /// Do it. The later blocks are gone then.
    #[arg(long)]
    pub(crate) apply: bool,
}

#[derive(Debug, Serialize)]
struct RollbackReport {
    applied: bool,
    from_height: u64,
    to_height: u64,
    memiavl_to_height: Option<u64>,
    flatkv_blocks_undone: u64,
    flatkv_removed: bool,
    elapsed_seconds: f64,
}

/// Runs the command.
///
/// # Errors
/// A home that does not open, a block that cannot be gone back to, I/O.
pub(crate) fn run(args: &Args, output: Output, signals: &Signals) -> anyhow::Result<Exit> {
    let began = Instant::now();
    let options = args.node.options()?;
    let home = &args.node.home;
    home::require_state(home)?;
    let plan =
        if args.apply { ferry::roll_back(home, args.to, &options)? } else { ferry::plan_rollback(home, args.to)? };
    if args.apply && signals.received().is_some() {
        output::note("rollback: a signal came; it was finished, since half a rollback is none");
    }
    output::print(&report(plan, args.apply, began.elapsed()), output)?;
    Ok(Exit::Ok)
}

fn report(plan: RollbackPlan, applied: bool, elapsed: Duration) -> RollbackReport {
    let flatkv_blocks_undone = match plan.flatkv {
        NewStorePlan::Undo { blocks } => blocks,
        _ => 0,
    };
    RollbackReport {
        applied,
        from_height: plan.from,
        to_height: plan.to,
        memiavl_to_height: plan.memiavl_to,
        flatkv_blocks_undone,
        flatkv_removed: matches!(plan.flatkv, NewStorePlan::Remove { .. }),
        elapsed_seconds: elapsed.as_secs_f64(),
    }
}

impl Report for RollbackReport {
    const COMMAND: &'static str = "rollback";

    fn table(&self) -> String {
        let flatkv = match (self.flatkv_removed, self.flatkv_blocks_undone) {
            (true, _) => "removed: all its blocks are later".to_owned(),
            (false, 0) => "stays as it is".to_owned(),
            (false, blocks) => format!("{} blocks undone", units::count(blocks)),
        };
        let memiavl =
            self.memiavl_to_height.map_or("stays as it is".to_owned(), |to| format!("goes to {}", units::count(to)));
        let done = if self.applied { "done" } else { "nothing yet: a dry run; add --apply" };
        table::facts([
            ("from", units::count(self.from_height)),
            ("to", units::count(self.to_height)),
            ("FlatKV", flatkv),
            ("memiavl", memiavl),
            ("changed", done.to_owned()),
            ("time", units::span(Duration::from_secs_f64(self.elapsed_seconds))),
        ])
    }
}
