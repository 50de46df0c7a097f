//! `ferry journal diff`: the first block in which two nodes differ.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::Context;
use ferry::{HomeJournal, JournalComparison, JournalLine, compare_journals};
use serde::Serialize;

use super::line::{Headed, LineForm};
use super::show;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Output, Report};
use crate::{table, units};

/// Find the first block in which two nodes differ; exit code 3 if there is one.
///
/// A and B are homes, or files that `ferry journal export` wrote. Blocks that only one of them has a line of are passed over.
/// The time that each machine noted does not count.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  ferry journal diff DIR other-node.ndjson")]
pub(super) struct Args {
    /// A home, or an exported journal.
    #[arg(value_name = "A")]
    first: PathBuf,
    /// Another one.
    #[arg(value_name = "B")]
    second: PathBuf,
}

/// Where lines come from.
enum Source {
    Home(HomeJournal),
    File(PathBuf),
}

type Lines<'s> = Box<dyn Iterator<Item = anyhow::Result<JournalLine>> + 's>;

impl Source {
    fn open(path: &Path) -> anyhow::Result<Self> {
        if path.is_dir() { Ok(Self::Home(show::open(path)?)) } else { Ok(Self::File(path.to_owned())) }
    }

    fn lines(&self) -> anyhow::Result<Lines<'_>> {
        let path = match self {
            Self::Home(journal) => return Ok(Box::new(journal.lines(0).map(|line| Ok(line?)))),
            Self::File(path) => path,
        };
        let opening = || format!("reading a journal: path={}", path.display());
        let file = File::open(path).with_context(opening)?;
        Ok(Box::new(BufReader::new(file).lines().enumerate().map(move |(at, text)| {
            let text = text.with_context(opening)?;
            let line = serde_json::from_str::<Headed>(&text).ok().and_then(Headed::line);
            Ok(line.ok_or_else(|| Failure::NotAJournal { path: path.clone(), line: at as u64 + 1 })?)
        })))
    }
}

pub(super) fn run(args: &Args, output: Output) -> anyhow::Result<Exit> {
    let (first, second) = (Source::open(&args.first)?, Source::open(&args.second)?);
    let comparison = compare_journals(first.lines()?, second.lines()?)?;
    if comparison.compared_blocks == 0 {
        return Err(Failure::JournalsApart { first: args.first.clone(), second: args.second.clone() }.into());
    }
    let exit = if comparison.divergence.is_none() { Exit::Ok } else { Exit::Divergence };
    output::print(&DiffReport::from(comparison), output)?;
    Ok(exit)
}

#[derive(Debug, Serialize)]
struct DiffReport {
    outcome: &'static str,
    compared_blocks: u64,
    first_height: Option<u64>,
    last_height: Option<u64>,
    divergent_height: Option<u64>,
    fields: Vec<&'static str>,
    first: Option<LineForm>,
    second: Option<LineForm>,
}

impl From<JournalComparison> for DiffReport {
    fn from(comparison: JournalComparison) -> Self {
        let (first_height, last_height) = comparison.compared_heights.unzip();
        let mut report = Self {
            outcome: "equal",
            compared_blocks: comparison.compared_blocks,
            first_height,
            last_height,
            divergent_height: None,
            fields: Vec::new(),
            first: None,
            second: None,
        };
        if let Some((first, second)) = &comparison.divergence {
            let (first, second) = (LineForm::from(first), LineForm::from(second));
            report.outcome = "different";
            report.divergent_height = Some(first.height);
            report.fields = pairs(&first, &second).into_iter().map(|(name, ..)| name).collect();
            (report.first, report.second) = (Some(first), Some(second));
        }
        report
    }
}

/// A field's name, and its value in a line.
type Field = (&'static str, fn(&LineForm) -> String);

/// The fields in which two lines differ, with both values.
fn pairs(first: &LineForm, second: &LineForm) -> Vec<(&'static str, String, String)> {
    let fields: [Field; 11] = [
        ("migration_version", |line| line.migration_version.to_string()),
        ("boundary_from", |line| line.boundary_from.clone()),
        ("boundary", |line| line.boundary.clone()),
        ("moved_keys", |line| line.moved_keys.to_string()),
        ("moved_key_bytes", |line| line.moved_key_bytes.to_string()),
        ("moved_value_bytes", |line| line.moved_value_bytes.to_string()),
        ("left", |line| line.left.clone()),
        ("entered", |line| line.entered.clone()),
        ("flatkv_root", |line| line.flatkv_root.clone()),
        ("app_hash", |line| line.app_hash.clone()),
        ("moved_keys_total", |line| {
            let modules = line.moved_keys_total.iter().map(|module| format!("{} {}", module.module, module.keys));
            modules.collect::<Vec<_>>().join(", ")
        }),
    ];
    let mut pairs: Vec<_> = fields.iter().map(|(name, of)| (*name, of(first), of(second))).collect();
    pairs.retain(|(_, first, second)| first != second);
    pairs
}

impl Report for DiffReport {
    const COMMAND: &'static str = "journal diff";

    fn table(&self) -> String {
        let height = |height: Option<u64>| height.map_or("none".to_owned(), units::count);
        let text = table::facts([
            ("result", self.outcome.to_owned()),
            ("blocks compared", units::count(self.compared_blocks)),
            ("from", height(self.first_height)),
            ("to", height(self.last_height)),
            ("first different block", height(self.divergent_height)),
        ]);
        let (Some(first), Some(second)) = (&self.first, &self.second) else { return text };
        let rows = pairs(first, second).into_iter().map(|(name, first, second)| [name.to_owned(), first, second]);
        format!("{text}\n{}", table::texts(["field", "A", "B"], rows))
    }
}
