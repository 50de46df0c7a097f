//! The ledger: what became of the cases, by class of bytes, and what must not have happened.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::case::Case;
use crate::classes::Class;
use crate::judge::{Stage, Verdict};
use crate::reasons;

/// Violations that are written down; the others are counted.
const VIOLATIONS_MAX: usize = 200;
/// Kinds of error that an operator must not be told about damage: each would send them elsewhere.
const MISLEADING: [&str; 6] = ["input", "locked", "retry", "poisoned", "cancelled", "unfinished"];

/// The cases of one class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Row {
    cases: u64,
    noticed_at_open: u64,
    noticed_by_check: u64,
    noticed_on_use: u64,
    harmless: u64,
    /// Right, but at an earlier block.
    older: u64,
    /// Wrong, and nothing in the home could say so.
    not_noticeable: u64,
    /// Of those that the check notices: a read answered wrongly before.
    wrong_reads: u64,
    /// Of those that something notices: a block went on to another hash without an error.
    wrong_hashes: u64,
    kinds: BTreeMap<String, u64>,
}

/// What became of all cases so far.
#[derive(Default)]
pub(crate) struct Ledger {
    rows: BTreeMap<Class, Row>,
    violations: Vec<Value>,
    pub(crate) violation_count: u64,
    pub(crate) cases: u64,
}

impl Ledger {
    /// Enters a case. A violation comes back in words.
    pub(crate) fn enter(&mut self, case: &Case, class: &Class, verdict: &Verdict) -> Option<String> {
        self.cases += 1;
        let row = self.rows.entry(class.clone()).or_default();
        row.cases += 1;
        row.wrong_reads += u64::from(verdict.wrong_read);
        row.wrong_hashes += u64::from(verdict.entered);
        if let Some(kind) = &verdict.kind {
            *row.kinds.entry(kind.clone()).or_default() += 1;
        }
        match verdict.stage {
            Stage::AtOpen => row.noticed_at_open += 1,
            Stage::ByCheck => row.noticed_by_check += 1,
            Stage::OnUse => row.noticed_on_use += 1,
            Stage::Harmless => row.harmless += 1,
            Stage::Older => row.older += 1,
            Stage::Unnoticed => row.not_noticeable += 1,
            Stage::Died => {}
        }
        let wrong = wrong(class, verdict)?;
        let said = format!("{wrong}: {case}: {}", verdict.said);
        self.violation_count += 1;
        if self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(json!({
                "what": wrong, "replay": case.to_string(), "file_class": class.file, "byte_class": class.bytes,
                "said": verdict.said,
            }));
        }
        Some(said)
    }

    /// The figures, the ledger and the violations.
    pub(crate) fn report(&self) -> (Value, Value, Value) {
        let sum = |of: fn(&Row) -> u64| self.rows.values().map(of).sum::<u64>();
        let figures = json!({
            "cases": self.cases,
            "classes": self.rows.len(),
            "noticed_at_open": sum(|row| row.noticed_at_open),
            "noticed_by_check": sum(|row| row.noticed_by_check),
            "noticed_on_use": sum(|row| row.noticed_on_use),
            "harmless": sum(|row| row.harmless),
            "older": sum(|row| row.older),
            "not_noticeable": sum(|row| row.not_noticeable),
            "violations": self.violation_count,
        });
        let ledger = self.rows.iter().map(|(class, row)| {
            let mut line = json!(row);
            line["file_class"] = class.file.clone().into();
            line["byte_class"] = class.bytes.clone().into();
            line["reason"] = reasons::of(class).map(|(_, reason)| reason).collect::<Vec<_>>().join("; ").into();
            line
        });
        (figures, ledger.collect(), json!(self.violations))
    }
}

/// What must not have happened, if it has.
fn wrong(class: &Class, verdict: &Verdict) -> Option<&'static str> {
    let excused = |stage| reasons::of(class).any(|(known, _)| known == stage);
    let is_misleading = verdict.kind.as_deref().is_some_and(|kind| MISLEADING.contains(&kind));
    match verdict.stage {
        Stage::Died => Some("the process died"),
        Stage::Unnoticed if !excused(Stage::Unnoticed) => Some("something is wrong and nothing noticed"),
        Stage::Older if !excused(Stage::Older) => Some("an acknowledged block is gone and nothing noticed"),
        Stage::Harmless if !excused(Stage::Harmless) => Some("nothing is wrong and nobody knows why"),
        // A row that was rewritten behind RocksDB's checksums is in FlatKV already.
        Stage::ByCheck | Stage::OnUse if verdict.entered && !class.file.starts_with("row ") => {
            Some("damage entered a hash and no error said so")
        }
        _ if is_misleading => Some("the error is of a kind that misleads"),
        _ => None,
    }
}
