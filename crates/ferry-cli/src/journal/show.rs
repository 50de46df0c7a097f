//! `ferry journal show` and `export`: the lines, for people and for files.

use std::io::{self, Write};
use std::num::NonZeroU64;
use std::path::Path;

use ferry::{HomeJournal, JournalLine};
use serde::Serialize;
use serde_json::Value;

use super::line::{COMMAND, Headed, LineForm, cursor};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home;
use crate::output::{self, Output, Report};
use crate::settings::NodeArgs;
use crate::{table, units};

/// Show the journal's last lines.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  ferry journal show --home DIR --last 100")]
pub(super) struct ShowArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// How many lines.
    #[arg(long, value_name = "N", default_value = "20")]
    last: NonZeroU64,
    /// Begin at this height instead of counting from the end.
    #[arg(long, value_name = "HEIGHT", conflicts_with = "last")]
    from: Option<u64>,
}

/// Write every line to stdout, one JSON object a line, for `ferry journal diff` on another machine.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Example:\n  ferry journal export --home DIR   into a file, for `ferry journal diff`")]
pub(super) struct ExportArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// Begin at this height.
    #[arg(long, value_name = "HEIGHT", default_value_t = 0)]
    from: u64,
}

/// The journal of a home that has one.
pub(super) fn open(home: &Path) -> anyhow::Result<HomeJournal> {
    home::require_state(home)?;
    let journal = HomeJournal::open(home)?;
    Ok(journal.ok_or_else(|| Failure::NoJournal { home: home.to_owned() })?)
}

pub(super) fn show(args: &ShowArgs, output: Output) -> anyhow::Result<Exit> {
    args.node.settings()?;
    let journal = open(&args.node.home)?;
    let last = journal.span().map_or(0, |(_, last)| last);
    let from = args.from.unwrap_or_else(|| (last + 1).saturating_sub(args.last.get()));
    let lines = journal.lines(from).map(|line| Ok(Shown::new(&line?))).collect::<Result<Vec<_>, ferry::Error>>()?;
    output::print(&ShowReport { lines }, output)?;
    Ok(Exit::Ok)
}

pub(super) fn export(args: &ExportArgs) -> anyhow::Result<Exit> {
    args.node.settings()?;
    let journal = open(&args.node.home)?;
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    let mut write = |line: &JournalLine| -> io::Result<()> {
        serde_json::to_writer(&mut stdout, &Headed::new(line))?;
        stdout.write_all(b"\n")
    };
    let mut written = Ok(());
    for line in journal.lines(args.from) {
        written = write(&line?);
        if written.is_err() {
            break;
        }
    }
    output::unless_gone(written.and_then(|()| stdout.flush()))?;
    Ok(Exit::Ok)
}

#[derive(Debug, Serialize)]
struct ShowReport {
    lines: Vec<Shown>,
}

/// A line, and its boundary for people.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    line: LineForm,
    #[serde(skip)]
    cursor: String,
}

impl Shown {
    fn new(line: &JournalLine) -> Self {
        Self { line: line.into(), cursor: cursor(&line.boundary) }
    }
}

impl Report for ShowReport {
    const COMMAND: &'static str = COMMAND;

    fn table(&self) -> String {
        let rows = self.lines.iter().map(|Shown { line, cursor }| {
            let bytes = line.moved_key_bytes.saturating_add(line.moved_value_bytes);
            let conserved = match (line.left.is_empty(), line.left == line.entered) {
                (true, _) => "not kept",
                (_, true) => "yes",
                (_, false) => "NO",
            };
            [
                units::count(line.height),
                cursor.clone(),
                units::count(line.moved_keys),
                units::bytes(bytes),
                conserved.to_owned(),
                line.app_hash.get(..16).unwrap_or(&line.app_hash).to_owned(),
            ]
        });
        table::texts(["height", "boundary", "keys", "bytes", "conserved", "app hash"], rows)
    }

    fn records(&self) -> serde_json::Result<Vec<(&'static str, Value)>> {
        self.lines.iter().map(|line| Ok(("line", serde_json::to_value(line)?))).collect()
    }
}
