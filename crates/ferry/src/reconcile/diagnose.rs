//! From what a verification found to what is to be mended.

use std::ops::ControlFlow;
use std::path::Path;

use changeset::{Hash, LATTICE_STORE};

use super::anchor::{Anchor, Records, readable};
use super::memiavl::{self as old, FROM_ELSEWHERE, Rebuilt};
use super::plan::{self, Diagnosed, ReconcilePlan, Refusal, Repair, RepairKind};
use super::{ReconcileRequest, flatkv as new};
use crate::error::{Error, Hex};
use crate::home::Home;
use crate::verify::{Check, Examined, Finding, FindingKind, VerifyProgress, VerifyRequest, examine};

/// Findings that a plan names: with more, a state is to be restored and not mended.
const FOUND_MAX: usize = 1 << 20;

/// A plan, and what carries it out.
pub(super) struct Diagnosis {
    pub(super) plan: ReconcilePlan,
    pub(super) rebuilt: Option<Rebuilt>,
    pub(super) cure: new::Cure,
}

/// Looks at a home. Nothing is changed.
pub(super) fn diagnose(
    home: &Home,
    modules: &[String],
    request: &ReconcileRequest,
    progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
) -> Result<Diagnosis, Error> {
    let (mut found, mut total) = (Vec::new(), 0_usize);
    let mut keep = |finding: &Finding| {
        total += 1;
        if found.len() < FOUND_MAX {
            found.push(finding.clone());
        }
        Ok(())
    };
    let asked = VerifyRequest {
        checks: Check::ALL.to_vec(),
        threads: request.threads,
        candidates_max: request.candidates_max,
        progress_file: None,
    };
    let mut last = None;
    let mut shown = |now| {
        last = Some(now);
        progress(now)
    };
    let examined = examine(home.clone(), modules, &asked, &mut keep, &mut shown)?;
    let target = examined.flatkv.as_ref().map(|flatkv| readable(flatkv.rollback_target().map_err(Into::into)));
    if target.transpose()?.flatten().flatten().is_some() {
        return Err(Error::ReconcileUnfinished { home: home.root().to_owned(), what: "rollback" });
    }
    let mut look = || last.map_or(ControlFlow::Continue(()), &mut *progress);
    let records = Records::new(home, examined.flatkv.as_ref())?;
    let mut diagnosis = Diagnosis {
        plan: ReconcilePlan {
            id: String::new(),
            height: examined.report.height,
            app_hash: None,
            vouched_by: "nothing".to_owned(),
            report: examined.report.clone(),
            found: Vec::new(),
            repairs: Vec::new(),
            refusals: Vec::new(),
        },
        rebuilt: None,
        cure: new::Cure::default(),
    };
    match records.anchor()? {
        Some(anchor) => diagnosis.weigh(&records, &anchor, &examined, request, &mut look)?,
        None if examined.report.is_clean() => {}
        None => diagnosis.plan.refusals.push(Refusal {
            what: "the last block".to_owned(),
            why: "neither its record nor the journal nor a seal tells its app hash, so nothing could be proven"
                .to_owned(),
            remedy: FROM_ELSEWHERE.to_owned(),
        }),
    }
    diagnosis.close(found, total);
    Ok(diagnosis)
}

impl Diagnosis {
    fn weigh(
        &mut self,
        records: &Records<'_>,
        anchor: &Anchor,
        examined: &Examined,
        request: &ReconcileRequest,
        look: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let plan = &mut self.plan;
        (plan.height, plan.app_hash, plan.vouched_by) =
            (anchor.height, Some(anchor.app_hash), anchor.vouched_by.to_owned());
        if let Some(trusted) = request.app_hash.filter(|trusted| *trusted != anchor.app_hash) {
            plan.refusals.push(Refusal {
                what: format!("the app hash of block {}", anchor.height),
                why: format!("the home has {} and not the one given, {}", Hex(&anchor.app_hash), Hex(&trusted)),
                remedy: "compare the height; a node that left its chain goes back with `ferry rollback`".to_owned(),
            });
        }
        let must_sync = new::needs_synced_changelog(examined);
        let roots: Option<Vec<(String, Hash)>> = match old::judge(records, anchor, &examined.residue, must_sync)? {
            old::Outcome::Sound(roots) => roots,
            old::Outcome::Rebuild(rebuilt, repairs, roots) => {
                plan.repairs.extend(repairs);
                self.rebuilt = Some(rebuilt);
                Some(roots)
            }
            old::Outcome::Lost(refusal) => {
                plan.refusals.push(refusal);
                None
            }
        };
        let outcome = new::judge(records, anchor, examined, roots.as_deref(), look)?;
        plan.repairs.extend(outcome.repairs);
        plan.refusals.extend(outcome.refusals);
        self.cure = outcome.cure;
        Ok(())
    }

    /// Says of each finding what becomes of it; what nothing mends is refused.
    fn close(&mut self, found: Vec<Finding>, total: usize) {
        let plan = &mut self.plan;
        if total > found.len() {
            plan.refusals.push(Refusal {
                what: format!("{total} findings"),
                why: format!("a plan names {FOUND_MAX} at the most"),
                remedy: FROM_ELSEWHERE.to_owned(),
            });
        }
        let diagnosed = |finding: Finding| Diagnosed { mended_by: mended_by(&finding, &plan.repairs), finding };
        plan.found = found.into_iter().map(diagnosed).collect();
        if plan.refusals.is_empty() {
            let mut left: Vec<_> = plan.found.iter().filter(|found| found.mended_by.is_none()).collect();
            left.sort_by_key(|left| left.finding.kind);
            left.dedup_by_key(|left| left.finding.kind);
            let refused = |left: &&Diagnosed| Refusal {
                what: format!("{} {}", left.finding.kind.as_str(), left.finding.module).trim_end().to_owned(),
                why: format!("both stores lead to the last block's roots as they are: {}", left.finding.detail),
                remedy: format!("compare with another node (`ferry digest`, `ferry journal diff`); {FROM_ELSEWHERE}"),
            };
            let refusals: Vec<_> = left.iter().map(refused).collect();
            plan.refusals.extend(refusals);
        }
        plan.id = plan::id(plan.height, plan.app_hash, &plan.repairs);
    }
}

/// Which of the repairs takes a finding away. Whether it does is seen when the mended stores are verified.
fn mended_by(finding: &Finding, repairs: &[Repair]) -> Option<RepairKind> {
    let first =
        |wanted: &[RepairKind]| wanted.iter().copied().find(|kind| repairs.iter().any(|repair| repair.kind == *kind));
    let memiavl = [RepairKind::Snapshot, RepairKind::ChangelogEntry, RepairKind::ChangelogEnd];
    let flatkv = [RepairKind::Row, RepairKind::States, RepairKind::Record];
    let is_of_flatkv = finding.lane.is_some() || finding.module == LATTICE_STORE;
    match finding.kind {
        // A boundary that was moved makes residue of what it leaves behind, or hides some.
        FindingKind::Residue | FindingKind::Twice => first(&memiavl).or(first(&[RepairKind::Row])),
        FindingKind::LeafDamaged | FindingKind::BranchDamaged => first(&memiavl),
        FindingKind::RootMismatch | FindingKind::TreeMissing if !is_of_flatkv => first(&memiavl),
        // A table that RocksDB cannot read is nothing that a row put in its place would mend.
        FindingKind::Unreadable if is_of_flatkv => None,
        FindingKind::Unreadable => first(&memiavl),
        _ => first(&flatkv).or(first(&memiavl)),
    }
}

/// Whether a directory lies in a home's stores.
pub(super) fn is_inside_stores(home: &Home, dir: &Path) -> bool {
    [home.memiavl(), home.flatkv(), home.next().as_path()].iter().any(|store| dir.starts_with(store))
}
