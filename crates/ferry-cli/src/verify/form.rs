//! What `ferry verify` prints.

use std::path::Path;
use std::time::Duration;

use ferry::{Check, Finding, VerifyReport};
use serde::Serialize;
use serde_json::Value;

use crate::output::Report;
use crate::{table, units};

#[derive(Debug, Serialize)]
pub(super) struct VerifyForm {
    outcome: &'static str,
    height: u64,
    write_mode: Option<&'static str>,
    records: u64,
    checks: Vec<CheckForm>,
    findings: u64,
    found: Vec<Found>,
    /// The first findings; all of them stand in ndjson and in the file of --findings.
    first_findings: Vec<FindingForm>,
    checks_not_made: Vec<&'static str>,
    /// The command that says what would mend what was found; none where nothing was.
    next: Option<String>,
    elapsed_seconds: f64,
}

/// What became of a check.
#[derive(Debug, Serialize)]
struct CheckForm {
    check: &'static str,
    outcome: &'static str,
    findings: u64,
}

#[derive(Debug, Serialize)]
struct Found {
    kind: &'static str,
    check: &'static str,
    findings: u64,
}

/// A finding as it is printed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FindingForm {
    kind: &'static str,
    check: &'static str,
    module: String,
    lane: Option<&'static str>,
    key: Option<String>,
    detail: String,
}

impl From<&Finding> for FindingForm {
    fn from(finding: &Finding) -> Self {
        Self {
            kind: finding.kind.as_str(),
            check: finding.kind.check().as_str(),
            module: finding.module.clone(),
            lane: finding.lane.map(ferry::flatkv::Lane::name),
            key: finding.key.as_ref().map(hex::encode),
            detail: finding.detail.clone(),
        }
    }
}

impl FindingForm {
    /// For people.
    pub(crate) fn line(&self) -> String {
        let key = self.key.as_deref().unwrap_or("-");
        let module = if self.module.is_empty() { "-" } else { &self.module };
        format!("{} {module} {key}: {}", self.kind, self.detail)
    }
}

impl VerifyForm {
    pub(super) fn new(
        home: &Path,
        report: &VerifyReport,
        asked: &[Check],
        first_findings: Vec<FindingForm>,
        elapsed: Duration,
    ) -> Self {
        let found = report.found.iter().map(|(kind, findings)| Found {
            kind: kind.as_str(),
            check: kind.check().as_str(),
            findings: *findings,
        });
        Self {
            outcome: match (report.is_clean(), report.is_damaged()) {
                (true, _) => "clean",
                (false, true) => "damaged",
                (false, false) => "mismatch",
            },
            height: report.height,
            write_mode: report.mode.map(ferry::Mode::as_str),
            records: report.records,
            checks: Check::ALL.into_iter().map(|check| CheckForm::new(check, asked, report)).collect(),
            findings: report.found.iter().map(|(_, findings)| findings).sum(),
            found: found.collect(),
            first_findings,
            checks_not_made: report.unasked.iter().map(|check| check.as_str()).collect(),
            next: (!report.is_clean()).then(|| format!("ferry reconcile --home {}", home.display())),
            elapsed_seconds: elapsed.as_secs_f64(),
        }
    }
}

impl CheckForm {
    fn new(check: Check, asked: &[Check], report: &VerifyReport) -> Self {
        let of_check = report.found.iter().filter(|(kind, _)| kind.check() == check);
        let findings = of_check.map(|(_, findings)| findings).sum();
        let outcome = match findings {
            _ if !asked.contains(&check) => "not_asked",
            // What it is about cannot be read; the findings of another check say why.
            _ if report.unasked.contains(&check) => "not_made",
            0 => "in_order",
            _ => "findings",
        };
        Self { check: check.as_str(), outcome, findings }
    }

    /// For people: also what it means that nothing was found.
    fn said(&self) -> String {
        match (self.outcome, self.check) {
            ("in_order", "complete") => "in order: no key that has moved is left in memiavl".to_owned(),
            ("in_order", "union") => "in order: no key is in both stores".to_owned(),
            ("in_order", _) => {
                "in order: rows, leaves and branches fit their hashes; counts, roots and records are those of the last \
                 block"
                    .to_owned()
            }
            ("findings", _) => format!("findings: {}", units::count(self.findings)),
            (outcome, _) => outcome.replace('_', " "),
        }
    }
}

impl Report for VerifyForm {
    const COMMAND: &'static str = "verify";

    fn table(&self) -> String {
        let outcome = if self.outcome == "clean" { "clean: nothing is wrong" } else { self.outcome };
        let facts = [
            ("result", outcome.to_owned()),
            ("height", units::count(self.height)),
            ("write mode", self.write_mode.unwrap_or("unknown").to_owned()),
            ("records read", units::count(self.records)),
        ];
        let mut text =
            table::facts(facts.into_iter().chain(self.checks.iter().map(|check| (check.check, check.said()))));
        if self.findings > 0 {
            let counts = self.found.iter().map(|found| [found.kind.to_owned(), units::count(found.findings)]);
            text += &format!("\n{}", table::figures(["found", "times"], counts));
        }
        for finding in &self.first_findings {
            text += &format!("\n{}", finding.line());
        }
        let more = self.findings.saturating_sub(self.first_findings.len() as u64);
        if more > 0 {
            text += &format!("\n{} more: give --findings FILE, or --output ndjson", units::count(more));
        }
        if let Some(next) = &self.next {
            text += &format!("\nwhat would mend it, with the node stopped: {next}");
        }
        text
    }

    fn records(&self) -> serde_json::Result<Vec<(&'static str, Value)>> {
        let mut form = serde_json::to_value(self)?;
        if let Value::Object(fields) = &mut form {
            // They have been told one by one.
            fields.remove("first_findings");
        }
        Ok(vec![("verify", form)])
    }
}
