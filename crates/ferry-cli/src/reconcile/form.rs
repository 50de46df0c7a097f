//! A plan and what came of it, in the forms in which they are printed.

use std::path::PathBuf;
use std::time::Duration;

use ferry::{Diagnosed, ReconcilePlan, Refusal, Repair};
use serde::Serialize;
use serde_json::Value;

use crate::output::Report;
use crate::verify::FindingForm;
use crate::{table, units};

/// Repairs that the table shows; all of them stand in JSON.
const SHOWN_MAX: usize = 20;
/// Characters of a value that the table shows.
const SHOWN_CHARS_MAX: usize = 60;

/// A plan as a file holds it.
#[derive(Debug, Serialize)]
pub(crate) struct PlanForm {
    plan_id: String,
    height: u64,
    app_hash: Option<String>,
    app_hash_vouched_by: String,
    /// Everything that was found, with what mends it.
    findings: Vec<DiagnosedForm>,
    repairs: Vec<RepairForm>,
    refusals: Vec<RefusalForm>,
}

#[derive(Debug, Serialize)]
struct DiagnosedForm {
    #[serde(flatten)]
    finding: FindingForm,
    mended_by: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct RepairForm {
    kind: &'static str,
    store: &'static str,
    module: String,
    lane: Option<&'static str>,
    key: Option<String>,
    before: String,
    after: String,
    proof: String,
}

#[derive(Debug, Serialize)]
struct RefusalForm {
    what: String,
    why: String,
    remedy: String,
}

/// What the command did.
#[derive(Debug, Serialize)]
pub(super) struct ReconcileForm {
    outcome: &'static str,
    applied: bool,
    #[serde(flatten)]
    plan: PlanForm,
    kept: Option<PathBuf>,
    elapsed_seconds: f64,
}

impl From<&Diagnosed> for DiagnosedForm {
    fn from(found: &Diagnosed) -> Self {
        let mended_by = found.mended_by.map(ferry::RepairKind::as_str);
        Self { finding: FindingForm::from(&found.finding), mended_by }
    }
}

impl From<&Repair> for RepairForm {
    fn from(repair: &Repair) -> Self {
        Self {
            kind: repair.kind.as_str(),
            store: if repair.kind.is_of_memiavl() { "memiavl" } else { "flatkv" },
            module: repair.module.clone(),
            lane: repair.lane.map(ferry::flatkv::Lane::name),
            key: repair.key.as_ref().map(hex::encode),
            before: repair.before.clone(),
            after: repair.after.clone(),
            proof: repair.proof.clone(),
        }
    }
}

impl From<&Refusal> for RefusalForm {
    fn from(refusal: &Refusal) -> Self {
        let Refusal { what, why, remedy } = refusal.clone();
        Self { what, why, remedy }
    }
}

impl From<&ReconcilePlan> for PlanForm {
    fn from(plan: &ReconcilePlan) -> Self {
        Self {
            plan_id: plan.id.clone(),
            height: plan.height,
            app_hash: plan.app_hash.map(hex::encode),
            app_hash_vouched_by: plan.vouched_by.clone(),
            findings: plan.found.iter().map(DiagnosedForm::from).collect(),
            repairs: plan.repairs.iter().map(RepairForm::from).collect(),
            refusals: plan.refusals.iter().map(RefusalForm::from).collect(),
        }
    }
}

impl ReconcileForm {
    pub(super) fn new(plan: &ReconcilePlan, kept: Option<PathBuf>, applied: bool, elapsed: Duration) -> Self {
        let outcome = match (plan.is_clean(), plan.is_possible(), applied) {
            (true, ..) => "clean",
            (false, true, true) => "mended",
            (false, true, false) => "mendable",
            (false, false, _) => "refused",
        };
        Self { outcome, applied, plan: PlanForm::from(plan), kept, elapsed_seconds: elapsed.as_secs_f64() }
    }

    fn done(&self) -> String {
        match (self.outcome, &self.kept) {
            ("clean", _) => "nothing: nothing is wrong".to_owned(),
            (_, Some(kept)) => format!("mended; the stores that were replaced are kept in {}", kept.display()),
            ("refused", None) => "nothing: as long as something cannot be mended, nothing is".to_owned(),
            _ => format!("nothing yet: a dry run; add --apply --confirm {}", self.plan.plan_id),
        }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

impl Report for ReconcileForm {
    const COMMAND: &'static str = "reconcile";

    fn table(&self) -> String {
        let plan = &self.plan;
        let mut text = table::facts([
            ("result", self.outcome.to_owned()),
            ("plan", plan.plan_id.clone()),
            ("height", units::count(plan.height)),
            ("app hash", plan.app_hash.clone().unwrap_or_else(|| "unknown".to_owned())),
            ("vouched for by", plan.app_hash_vouched_by.clone()),
            ("findings", units::count(plan.findings.len() as u64)),
            ("repairs", units::count(plan.repairs.len() as u64)),
            ("cannot be mended", units::count(plan.refusals.len() as u64)),
            ("changed", self.done()),
            ("time", units::span(Duration::from_secs_f64(self.elapsed_seconds))),
        ]);
        for repair in plan.repairs.iter().take(SHOWN_MAX) {
            let key = repair.key.as_deref().unwrap_or("-");
            let module = if repair.module.is_empty() { "-" } else { &repair.module };
            text += &format!("\n{} {} {module} {key}", repair.store, repair.kind);
            text += &format!("\n  before: {}", shortened(&repair.before));
            text += &format!("\n  after:  {}", shortened(&repair.after));
            text += &format!("\n  proof:  {}", repair.proof);
        }
        if plan.repairs.len() > SHOWN_MAX {
            text += &format!("\n{} more: give --output json", units::count((plan.repairs.len() - SHOWN_MAX) as u64));
        }
        let left = plan.findings.iter().filter(|found| found.mended_by.is_none());
        for found in left.clone().take(SHOWN_MAX) {
            text += &format!("\nfound, and nothing mends it: {}", shortened(&found.finding.line()));
        }
        let more = left.count().saturating_sub(SHOWN_MAX);
        if more > 0 {
            text += &format!("\n{} more: give --output json", units::count(more as u64));
        }
        for refusal in &plan.refusals {
            text +=
                &format!("\ncannot be mended: {}\n  why:  {}\n  then: {}", refusal.what, refusal.why, refusal.remedy);
        }
        text
    }

    fn records(&self) -> serde_json::Result<Vec<(&'static str, Value)>> {
        let mut records = Vec::new();
        for finding in &self.plan.findings {
            records.push(("finding", serde_json::to_value(finding)?));
        }
        for repair in &self.plan.repairs {
            records.push(("repair", serde_json::to_value(repair)?));
        }
        for refusal in &self.plan.refusals {
            records.push(("refusal", serde_json::to_value(refusal)?));
        }
        let mut form = serde_json::to_value(self)?;
        if let Value::Object(fields) = &mut form {
            // They have been told one by one.
            for told in ["findings", "repairs", "refusals"] {
                fields.remove(told);
            }
        }
        records.push(("reconcile", form));
        Ok(records)
    }
}
