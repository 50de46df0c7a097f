//! What a replay prints at its end.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::output::Report;
use crate::table;
use crate::units;

use super::compare::Tally;
use crate::difference::Difference;

/// How a replay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// All that was wanted is as recorded.
    Agrees,
    /// Something is not as recorded.
    Differs,
    /// A signal stopped it between two blocks.
    Stopped,
}

/// The result of a replay.
#[derive(Debug, Serialize)]
pub(super) struct ReplayReport {
    pub(super) outcome: Outcome,
    pub(super) home: String,
    pub(super) blocks: String,
    pub(super) heights_checked: u64,
    pub(super) heights_skipped: u64,
    /// Whether the height that the node stood at when it was opened was compared.
    pub(super) head_checked: bool,
    pub(super) last_height: u64,
    pub(super) write_mode: &'static str,
    #[serde(flatten)]
    pub(super) tally: Tally,
    pub(super) final_rows_checked: Option<u64>,
    pub(super) elapsed_seconds: f64,
    pub(super) difference: Option<Difference>,
}

impl ReplayReport {
    pub(super) fn new(home: &Path, blocks: &Path) -> Self {
        Self {
            outcome: Outcome::Agrees,
            home: home.display().to_string(),
            blocks: blocks.display().to_string(),
            heights_checked: 0,
            heights_skipped: 0,
            head_checked: false,
            last_height: 0,
            write_mode: "",
            tally: Tally::default(),
            final_rows_checked: None,
            elapsed_seconds: 0.0,
            difference: None,
        }
    }

    fn verdict(&self) -> &'static str {
        match self.outcome {
            Outcome::Agrees if self.heights_checked == 0 && !self.head_checked => "nothing to compare",
            Outcome::Agrees => "agrees with the recording",
            Outcome::Differs => "DIFFERS from the recording",
            Outcome::Stopped => "stopped by a signal, agrees so far",
        }
    }
}

impl Report for ReplayReport {
    const COMMAND: &'static str = "replay";

    fn table(&self) -> String {
        let mut rows = vec![
            ("result", self.verdict().to_owned()),
            ("heights checked", units::count(self.heights_checked)),
            ("heights skipped", units::count(self.heights_skipped)),
            ("opened height", if self.head_checked { "checked" } else { "not in the recording" }.to_owned()),
            ("last height", units::count(self.last_height)),
            ("write mode", self.write_mode.to_owned()),
            ("reads", units::count(self.tally.reads_checked)),
            (
                "scans",
                format!(
                    "{} ({} rows)",
                    units::count(self.tally.scans_checked),
                    units::count(self.tally.scan_rows_checked)
                ),
            ),
        ];
        if let Some(count) = self.final_rows_checked {
            rows.push(("final rows", units::count(count)));
        }
        rows.push(("time", units::span(Duration::from_secs_f64(self.elapsed_seconds))));
        if let Some(difference) = &self.difference {
            rows.push(("first difference", difference.what.clone()));
            rows.push(("at height", difference.height.to_string()));
            rows.push(("expected", difference.expected.clone()));
            rows.push(("got", difference.got.clone()));
        }
        table::facts(rows)
    }
}
