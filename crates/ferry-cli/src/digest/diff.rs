//! `ferry digest diff`: where two nodes differ.

use std::path::{Path, PathBuf};
use std::thread;

use ferry::{Digest, DigestDifference, DigestRequest, Options, RowsDigest, View};
use serde::Serialize;

use super::{Shown, form};
use crate::exit::Exit;
use crate::home;
use crate::output::{self, Output, Report};
use crate::settings::Given;
use crate::signals::Signals;
use crate::{table, units};

/// Find where two nodes differ; exit code 3 if they do.
///
/// A and B are files that `ferry digest --output json` wrote, or homes. Of two files the ranges in which they differ are named,
/// and the calls that look into the first of them; of two homes the keys of the first range.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  ferry digest diff here.json there.json")]
pub(super) struct Args {
    /// A file with a digest, or a home.
    #[arg(value_name = "A")]
    first: PathBuf,
    /// Another one.
    #[arg(value_name = "B")]
    second: PathBuf,
    #[command(flatten)]
    given: Given,
}

#[derive(Debug, Serialize)]
struct DiffReport {
    outcome: &'static str,
    first_height: u64,
    second_height: u64,
    differences: Vec<DifferenceForm>,
    next: Option<String>,
}

#[derive(Debug, Serialize)]
struct DifferenceForm {
    module: String,
    kind: &'static str,
    prefix: String,
    first: Option<SumForm>,
    second: Option<SumForm>,
}

#[derive(Debug, Serialize)]
struct SumForm {
    rows: u64,
    digest: String,
}

/// One side of the comparison.
enum Side {
    File(Box<Digest>),
    Home(View),
}

impl Side {
    fn open(path: &Path, options: &Options) -> anyhow::Result<Self> {
        if !path.is_dir() {
            return Ok(Self::File(Box::new(form::read(path)?)));
        }
        home::require_state(path)?;
        Ok(Self::Home(ferry::read_home(path, &options.modules)?))
    }

    fn height(&self) -> u64 {
        match self {
            Self::File(digest) => digest.height,
            Self::Home(view) => view.height(),
        }
    }
}

pub(super) fn run(args: &Args, output: Output, signals: &Signals) -> anyhow::Result<Exit> {
    let options = args.given.with(None, ferry::Settings::load).map_err(ferry::Error::from)?.options();
    let (first, second) = (Side::open(&args.first, &options)?, Side::open(&args.second, &options)?);
    let threads = thread::available_parallelism().map_or(1, Into::into);
    let mut shown = Shown::new(signals);
    let (heights, mut is_narrow) = ((first.height(), second.height()), false);
    let mut digest = |view: &View, request: DigestRequest| {
        ferry::digest(view, &DigestRequest { threads, ..request }, &mut |now| shown.look(now))
    };
    let differences = match (&first, &second) {
        (Side::Home(first), Side::Home(second)) => {
            is_narrow = true;
            ferry::first_different_keys(first, second, threads, &mut |now| shown.look(now))
        }
        (Side::File(first), Side::File(second)) => ferry::digest_differences(first, second),
        (Side::File(first), Side::Home(second)) => {
            digest(second, first.request.clone()).and_then(|second| ferry::digest_differences(first, &second))
        }
        (Side::Home(first), Side::File(second)) => {
            digest(first, second.request.clone()).and_then(|first| ferry::digest_differences(&first, second))
        }
    };
    let Some(differences) = shown.end(differences)? else { return Ok(shown.exit()) };
    let exit = if differences.is_empty() { Exit::Ok } else { Exit::Divergence };
    output::print(&DiffReport::new(heights, differences, is_narrow), output)?;
    Ok(exit)
}

impl DiffReport {
    fn new((first_height, second_height): (u64, u64), differences: Vec<DigestDifference>, is_narrow: bool) -> Self {
        let next = differences.first().filter(|first| !is_narrow && !first.is_key).map(|first| {
            let module = &first.module;
            match first.prefix.is_empty() {
                true => format!("ferry digest --home DIR --module {module} --output json"),
                false => {
                    let range = hex::encode(&first.prefix);
                    format!("ferry digest --home DIR --module {module} --range {range} --output json")
                }
            }
        });
        Self {
            outcome: if differences.is_empty() { "equal" } else { "different" },
            first_height,
            second_height,
            differences: differences.into_iter().map(DifferenceForm::from).collect(),
            next,
        }
    }
}

impl From<DigestDifference> for DifferenceForm {
    fn from(difference: DigestDifference) -> Self {
        let sum = |sum: RowsDigest| SumForm { rows: sum.rows, digest: hex::encode(sum.digest) };
        Self {
            module: difference.module,
            kind: if difference.is_key { "key" } else { "range" },
            prefix: hex::encode(difference.prefix),
            first: difference.first.map(sum),
            second: difference.second.map(sum),
        }
    }
}

impl Report for DiffReport {
    const COMMAND: &'static str = "digest diff";

    fn table(&self) -> String {
        let mut text = table::facts([
            ("result", self.outcome.to_owned()),
            ("height of A", units::count(self.first_height)),
            ("height of B", units::count(self.second_height)),
        ]);
        if self.differences.is_empty() {
            return text;
        }
        let rows = |sum: &Option<SumForm>| sum.as_ref().map_or("none".to_owned(), |sum| units::count(sum.rows));
        let differences = self.differences.iter().map(|difference| {
            let DifferenceForm { module, kind, prefix, first, second } = difference;
            [module.clone(), format!("{kind} {prefix}"), rows(first), rows(second)]
        });
        text += &format!("\n{}", table::texts(["module", "where", "rows of A", "rows of B"], differences));
        if let Some(next) = &self.next {
            text += &format!("\nto look closer, on both nodes: {next}");
        }
        text
    }
}
