//! `ferry verify`: the whole check of a node's state. Reads only, and writes nothing below the home.

mod form;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::num::NonZeroU64;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use ferry::{Check, ErrorKind, Finding, ReconcileRequest, VerifyProgress, VerifyReport, VerifyRequest};

use crate::exit::Exit;
use crate::home;
use crate::output::{self, Output};
use crate::progress::Progress;
use crate::reconcile::PlanForm;
use crate::settings::NodeArgs;
use crate::signals::Signals;
use crate::units;

pub(crate) use form::FindingForm;
use form::VerifyForm;

/// Findings that the table shows; all of them stand in the file of --findings and in ndjson.
const SHOWN_MAX: usize = 10;
/// Candidates for a flipped bit by default: about a minute of one thread for each lane and module that differs.
pub(crate) const CANDIDATES_MAX: u64 = 1 << 27;

/// Check the whole state of a node: nothing is lost, nothing is in two places, and every hash is that of the bytes.
///
/// complete: no key that has moved is left in memiavl. union: no key is in both stores. truth: rows add up to the kept states
/// and counts, leaves and branches fit their hashes, and roots, app hash, journal and boundary are those of the last block.
/// Works beside a running node, on the block that it had committed at the start, and writes nothing below the home. Every
/// finding is told, not the first few. Exit 0: nothing is wrong; 3: two things that read well say different things; 4: bytes
/// are damaged by themselves.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "Example:\n  ferry verify --home DIR\n  ferry verify --home DIR --only complete,union   the migration alone, without the hashes\n  ferry verify --home DIR --findings FILE   every finding as a line of JSON\n  ferry verify --home DIR --plan FILE   what would mend it, for ferry reconcile\n  ferry verify --home DIR --resume FILE   goes on where an earlier one stopped"
)]
pub(crate) struct Args {
    #[command(flatten)]
    node: NodeArgs,
    /// The checks to make; all of them by default.
    #[arg(long, value_name = "CHECK", value_delimiter = ',', value_enum)]
    only: Vec<Asked>,
    /// Write every finding to this new file, a JSON object a line. It must lie outside the home.
    #[arg(long, value_name = "FILE")]
    findings: Option<PathBuf>,
    /// Write a repair plan to this new file, which `ferry reconcile --plan` takes. The node must not be running.
    #[arg(long, value_name = "FILE", conflicts_with = "only")]
    plan: Option<PathBuf>,
    /// Keep progress in this file, outside the home; interrupted, the same command goes on where it stopped.
    #[arg(long, value_name = "FILE", conflicts_with = "plan")]
    resume: Option<PathBuf>,
    /// Threads that read; as the settings say by default, which is as many as there are cores.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroU64>,
    /// Candidates that the search for a flipped bit tries for each lane and module that differs; 0 for no search.
    #[arg(long, value_name = "N", default_value_t = CANDIDATES_MAX)]
    search: u64,
}

/// A check, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Asked {
    /// No key that has moved is left in memiavl.
    Complete,
    /// No key is in both stores.
    Union,
    /// Hashes, counts and records are those of the bytes.
    Truth,
}

impl From<Asked> for Check {
    fn from(asked: Asked) -> Self {
        match asked {
            Asked::Complete => Self::Complete,
            Asked::Union => Self::Union,
            Asked::Truth => Self::Truth,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// A home that holds no state or cannot be read, a file of findings that cannot be written.
pub(crate) fn run(args: &Args, output: Output, signals: &Signals) -> anyhow::Result<Exit> {
    let began = Instant::now();
    let options = args.node.options()?;
    home::require_state(&args.node.home)?;
    let checks: Vec<Check> = args.only.iter().map(|asked| (*asked).into()).collect();
    let request = VerifyRequest {
        checks: if checks.is_empty() { Check::ALL.to_vec() } else { checks },
        threads: args.node.threads(args.threads)?,
        candidates_max: args.search,
        progress_file: args.resume.clone(),
    };
    let mut listing = Listing::open(args.findings.as_ref(), output)?;
    let mut shown: Option<Progress> = None;
    let mut progress = |now: VerifyProgress| {
        let note = if now.findings == 0 { String::new() } else { format!("{} findings", units::count(now.findings)) };
        let total = Some(now.records_total);
        shown.get_or_insert_with(|| Progress::start("verify", "records", total)).set(now.records, &note);
        if signals.received().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let mut found = |finding: &Finding| listing.add(finding);
    let home = &args.node.home;
    let verified = match &args.plan {
        None => ferry::verify_home(home, &options.modules, &request, &mut found, &mut progress),
        Some(path) => planned(home, &options.modules, &request, path, &mut found, &mut progress),
    };
    drop(shown);
    let report = match (verified, signals.received()) {
        (Err(error), Some(exit)) if error.kind() == ErrorKind::Cancelled => {
            output::note("verify: stopped by a signal");
            return Ok(exit);
        }
        (verified, _) => verified?,
    };
    let first = listing.finish()?;
    let exit = match (report.is_clean(), report.is_damaged()) {
        (true, _) => Exit::Ok,
        (false, true) => Exit::Corruption,
        (false, false) => Exit::Divergence,
    };
    output::print(&VerifyForm::new(home, &report, &request.checks, first, began.elapsed()), output)?;
    Ok(exit)
}

/// Verifies, and writes what would mend what was found.
fn planned(
    home: &Path,
    modules: &[String],
    request: &VerifyRequest,
    path: &Path,
    found: &mut dyn FnMut(&Finding) -> Result<(), ferry::Error>,
    progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
) -> Result<VerifyReport, ferry::Error> {
    let io = |action, source| ferry::Error::Io { action, path: path.to_owned(), source };
    let mut file = File::create_new(path).map_err(|source| io("create the plan's file", source))?;
    let VerifyRequest { threads, candidates_max, .. } = *request;
    let request = ReconcileRequest { threads, candidates_max, app_hash: None };
    let plan = ferry::plan_reconcile(home, modules, &request, progress).inspect_err(|_| {
        // Nothing stands in it, and the next try makes it anew.
        std::fs::remove_file(path).unwrap_or_default();
    })?;
    let text = output::document::<VerifyForm, _>(&PlanForm::from(&plan)).map_err(|error| io("write", error.into()))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|source| io("write", source))?;
    for diagnosed in &plan.found {
        found(&diagnosed.finding)?;
    }
    Ok(plan.report)
}

/// Where findings go as they are found: nothing is kept of them but the first few.
struct Listing {
    file: Option<(PathBuf, BufWriter<File>)>,
    to_stdout: bool,
    first: Vec<FindingForm>,
}

impl Listing {
    fn open(path: Option<&PathBuf>, output: Output) -> anyhow::Result<Self> {
        let open = |path: &PathBuf| {
            let file = File::create_new(path).with_context(|| format!("creating the file: path={}", path.display()))?;
            Ok::<_, anyhow::Error>((path.clone(), BufWriter::new(file)))
        };
        Ok(Self { file: path.map(open).transpose()?, to_stdout: output == Output::Ndjson, first: Vec::new() })
    }

    fn add(&mut self, finding: &Finding) -> Result<(), ferry::Error> {
        let form = FindingForm::from(finding);
        let line = output::line::<VerifyForm, _>("finding", &form);
        let written = line.map_err(io::Error::from).and_then(|line| self.write(&line));
        let path = || self.file.as_ref().map_or_else(|| PathBuf::from("stdout"), |(path, _)| path.clone());
        written.map_err(|source| ferry::Error::Io { action: "write findings to", path: path(), source })?;
        if self.first.len() < SHOWN_MAX {
            self.first.push(form);
        }
        Ok(())
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        if let Some((_, file)) = &mut self.file {
            writeln!(file, "{line}")?;
        }
        if !self.to_stdout {
            return Ok(());
        }
        match writeln!(io::stdout(), "{line}") {
            // Whoever read them has seen enough; the exit code and the file say the rest.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.to_stdout = false;
                Ok(())
            }
            written => written,
        }
    }

    fn finish(mut self) -> io::Result<Vec<FindingForm>> {
        if let Some((_, file)) = &mut self.file {
            file.flush()?;
        }
        Ok(self.first)
    }
}
