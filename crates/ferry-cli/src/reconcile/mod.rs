//! `ferry reconcile`: mends a home as far as it can be proven what it must be.

mod form;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use anyhow::Context;
use ferry::{Confirmed, ErrorKind, ReconcilePlan, ReconcilePoint, ReconcileRequest, VerifyProgress};
use signal_hook::consts::SIGKILL;
use signal_hook::low_level::raise;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::home;
use crate::output::{self, Output};
use crate::progress::Progress;
use crate::settings::NodeArgs;
use crate::signals::Signals;
use crate::units;
use crate::verify::CANDIDATES_MAX;
use crate::words::TrustedHash;

pub(crate) use form::PlanForm;
use form::ReconcileForm;

/// Mend a home: residue, lost and flipped rows, a moved boundary, damaged snapshots, changelogs and records.
///
/// Without --apply it only says what it would do, and writes nothing below the home. Nothing is guessed: a repair is one that
/// leads to the roots and the app hash stored with the last block, and as long as anything is wrong that has no such repair,
/// nothing is changed. To act, give --apply and the plan's name with --confirm: if the home is not as it was looked at,
/// nothing is done. What was mended is verified whole before it is put in place, and what it replaces is kept. The node must
/// not be running. Exit 0: nothing is wrong, or all is mended; 3: something can be mended; 4: something cannot.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Example:\n  ferry reconcile --home DIR           says what is wrong and what would mend it\n  ferry reconcile --home DIR --apply --confirm 5a0c1e9b7d3f2468   does what the plan of this name says\n  ferry reconcile --home DIR --plan FILE --apply --confirm 5a0c1e9b7d3f2468   the same, of a plan that ferry verify --plan wrote"
)]
pub(crate) struct Args {
    #[command(flatten)]
    node: NodeArgs,
    /// Do it. What is replaced is kept.
    #[arg(long, requires = "confirm")]
    apply: bool,
    /// The name of the plan to carry out, as it was shown without --apply.
    #[arg(long, value_name = "PLAN")]
    confirm: Option<String>,
    /// A plan that `ferry verify --plan` wrote: the home must still ask for just that.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Where the replaced stores are kept, a new directory; by default in the home, beside the stores.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// The app hash that the chain has for the home's last block, in hex, as the next block's header says it.
    #[arg(long, value_name = "HEX")]
    app_hash: Option<TrustedHash>,
    /// Threads that read; as the settings say by default, which is as many as there are cores.
    #[arg(long, value_name = "N")]
    threads: Option<std::num::NonZeroU64>,
    /// Candidates that the search for a flipped bit tries for each lane and module that differs; 0 for no search.
    #[arg(long, value_name = "N", default_value_t = CANDIDATES_MAX)]
    search: u64,
    /// Die by SIGKILL at this named point.
    #[arg(long, value_name = "POINT", hide = true)]
    kill_at: Option<At>,
}

/// A point at which a signal comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct At(ReconcilePoint);

/// A text that names no point.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {} got={got}", ReconcilePoint::ALL.map(ReconcilePoint::as_str).join(", "))]
struct NoPoint {
    got: String,
}

impl FromStr for At {
    type Err = NoPoint;

    fn from_str(text: &str) -> Result<Self, NoPoint> {
        let point = ReconcilePoint::ALL.into_iter().find(|point| point.as_str() == text);
        point.map(Self).ok_or_else(|| NoPoint { got: text.to_owned() })
    }
}

/// Runs the command.
///
/// # Errors
/// A home that holds no state or is in use, another plan than the confirmed one, anything that cannot be mended, I/O.
pub(crate) fn run(args: &Args, output: Output, signals: &Signals) -> anyhow::Result<Exit> {
    let began = Instant::now();
    let options = args.node.options()?;
    let home = &args.node.home;
    home::require_state(home)?;
    let request = ReconcileRequest {
        threads: args.node.threads(args.threads)?,
        candidates_max: args.search,
        app_hash: args.app_hash.map(|hash| hash.0),
    };
    let planned = args.plan.as_deref().map(plan_of).transpose()?;
    let mut shown: Option<Progress> = None;
    let mut progress = |now: VerifyProgress| {
        let note = if now.findings == 0 { String::new() } else { format!("{} findings", units::count(now.findings)) };
        let total = Some(now.records_total);
        shown.get_or_insert_with(|| Progress::start("reconcile", "records", total)).set(now.records, &note);
        if signals.received().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let done = match &args.confirm {
        Some(id) if args.apply => {
            check_planned(planned.as_deref(), id)?;
            let confirm = Confirmed { id, keep: args.keep.as_deref() };
            let mut hook = |point| {
                if args.kill_at == Some(At(point)) {
                    raise(SIGKILL).expect("a process may send itself a signal");
                }
            };
            ferry::reconcile_with(home, &options.modules, &request, &confirm, &mut progress, &mut hook)
                .map(|done| (done.plan, done.kept, true))
        }
        _ => ferry::plan_reconcile(home, &options.modules, &request, &mut progress).map(|plan| (plan, None, false)),
    };
    drop(shown);
    let (plan, kept, applied) = match (done, signals.received()) {
        (Err(error), Some(exit)) if error.kind() == ErrorKind::Cancelled => {
            output::note("reconcile: stopped by a signal, the home is as it was");
            return Ok(exit);
        }
        (done, _) => done?,
    };
    if let Some(planned) = planned.filter(|_| !applied) {
        check_planned(Some(&planned), &plan.id)?;
    }
    let exit = exit(&plan, applied);
    output::print(&ReconcileForm::new(&plan, kept, applied, began.elapsed()), output)?;
    Ok(exit)
}

fn exit(plan: &ReconcilePlan, applied: bool) -> Exit {
    match (plan.is_clean() || applied, plan.is_possible()) {
        (true, _) => Exit::Ok,
        (false, true) => Exit::Divergence,
        (false, false) => Exit::Corruption,
    }
}

/// The name of the plan in a file.
fn plan_of(path: &Path) -> anyhow::Result<String> {
    let text = fs::read(path).with_context(|| format!("reading the plan: path={}", path.display()))?;
    let id = serde_json::from_slice::<serde_json::Value>(&text).ok();
    let id = id.as_ref().and_then(|plan| plan.get("plan_id")).and_then(serde_json::Value::as_str);
    Ok(id.ok_or_else(|| Failure::NotAPlan { path: path.to_owned() })?.to_owned())
}

/// The plan in a file is the one that was confirmed, or that the home asks for.
fn check_planned(planned: Option<&str>, id: &str) -> anyhow::Result<()> {
    match planned {
        Some(planned) if planned != id => {
            Err(ferry::Error::ReconcileUnconfirmed { expected: id.to_owned(), got: planned.to_owned() }.into())
        }
        _ => Ok(()),
    }
}
