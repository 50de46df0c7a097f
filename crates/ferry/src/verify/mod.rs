//! The whole check of a node's state, on a pinned block: nothing is repaired and nothing below the home is written.
//!
//! ```text
//! complete   no key that has moved is left in memiavl                     each leaf beside the boundary
//! union      no key is in both stores                                     each leaf beside FlatKV's rows, in one pass
//! truth      rows add up to the kept states and counts, those to the root; leaves and branches fit their hashes;
//!            roots, app hash, journal and boundary are those of the last block
//! ```
//! An account may have its nonce in memiavl and its row in FlatKV, and rows ahead of the boundary are normal: both are what
//! routing leaves. Where rows do not add up, a second pass looks for the row that makes up the difference.

mod finding;
mod judge;
mod subject;
mod work;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::AtomicU64;

use flatkv::{PartReport, Search};
use migrate_core::{Error as CoreError, Mode};

use crate::View;
use crate::error::Error;

pub use finding::{Check, Finding, FindingKind};
use subject::Subject;
use work::{Piece, cut, work};

/// Keys that one piece of the pass over both stores has.
const ACROSS_KEYS: u64 = 1 << 18;

/// How to verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyRequest {
    /// The questions to ask.
    pub checks: Vec<Check>,
    /// Threads that read.
    pub threads: usize,
    /// Candidates that the search for a flipped bit tries for each lane and module at the most; four million take a thread
    /// some seconds.
    pub candidates_max: u64,
}

/// How far a verification has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyProgress {
    /// Rows, leaves, branches and keys read.
    pub records: u64,
    /// Those to read.
    pub records_total: u64,
    /// Things found to be wrong so far.
    pub findings: u64,
}

/// What a verification came to. What is wrong was told as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyReport {
    /// The block.
    pub height: u64,
    /// The write mode that the records ask for; none where they do not tell.
    pub mode: Option<Mode>,
    /// How often each kind of thing was found.
    pub found: Vec<(FindingKind, u64)>,
    /// FlatKV's lanes and modules, with what is kept and what the rows add up to.
    pub parts: Vec<PartReport>,
    /// Rows, leaves, branches and keys read.
    pub records: u64,
    /// Questions that could not be asked, because what they are about cannot be read.
    pub unasked: Vec<Check>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.found.is_empty() && self.unasked.is_empty()
    }

    /// Whether bytes are damaged by themselves.
    pub fn is_damaged(&self) -> bool {
        !self.unasked.is_empty() || self.found.iter().any(|(kind, _)| kind.is_damage())
    }
}

/// Verifies the last block of the home at `root`, also beside a running node; `modules` are the chain's. `found` hears of
/// each thing that is wrong, and can end the work by an error of its own; `progress` stops it by breaking.
///
/// # Errors
/// No node there, directories of another program, I/O, a stop. Damage is a finding, as far as something is left to read.
pub fn verify_home(
    root: &Path,
    modules: &[String],
    request: &VerifyRequest,
    found: &mut dyn FnMut(&Finding) -> Result<(), Error>,
    progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
) -> Result<VerifyReport, Error> {
    verify(Subject::of_home(root, modules)?, request, found, progress)
}

/// Verifies the block that `view` pins, while its node runs on.
///
/// # Errors
/// As [`verify_home`].
pub fn verify_view(
    view: &View,
    request: &VerifyRequest,
    found: &mut dyn FnMut(&Finding) -> Result<(), Error>,
    progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
) -> Result<VerifyReport, Error> {
    verify(Subject::of_view(view)?, request, found, progress)
}

/// What a run has found, counted by kind and handed on.
struct Findings<'f> {
    checks: &'f [Check],
    counts: std::collections::BTreeMap<FindingKind, u64>,
    tell: &'f mut dyn FnMut(&Finding) -> Result<(), Error>,
}

impl Findings<'_> {
    fn add(&mut self, finding: &Finding) -> Result<(), Error> {
        if !self.checks.contains(&finding.kind.check()) {
            return Ok(());
        }
        *self.counts.entry(finding.kind).or_default() += 1;
        (self.tell)(finding)
    }

    fn total(&self) -> u64 {
        self.counts.values().sum()
    }
}

fn verify(
    mut subject: Subject,
    request: &VerifyRequest,
    found: &mut dyn FnMut(&Finding) -> Result<(), Error>,
    progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
) -> Result<VerifyReport, Error> {
    let mut findings = Findings { checks: &request.checks, counts: Default::default(), tell: found };
    for finding in std::mem::take(&mut subject.findings) {
        findings.add(&finding)?;
    }
    let (pieces, records_total) = plan(&subject, &request.checks)?;
    let records = AtomicU64::new(0);
    let mut run = |pieces, findings: &mut Findings<'_>| {
        let told = std::cell::Cell::new(findings.total());
        let mut found = |finding| {
            findings.add(&finding)?;
            told.set(findings.total());
            Ok(())
        };
        let mut look = |records| progress(VerifyProgress { records, records_total, findings: told.get() });
        let worked = work(&subject, pieces, request.threads, &records, &mut found, &mut look)?;
        if worked.is_stopped { Err(CoreError::Cancelled.into()) } else { Ok::<_, Error>(worked.tally) }
    };
    let tally = run(pieces, &mut findings)?;
    let mut parts = Vec::new();
    if request.checks.contains(&Check::Truth) {
        let differences = judge::judge(&subject, &tally, &mut |finding| findings.add(&finding))?;
        let wrong: Vec<_> = differences.iter().filter(|difference| !difference.report.agrees()).collect();
        let searches: Vec<_> = wrong.iter().map(|wrong| Search::new(wrong, request.candidates_max)).collect();
        let ranges = subject.flatkv.as_ref().map(flatkv::View::row_ranges).transpose()?.unwrap_or_default();
        let searched = searches.iter().zip(&wrong).flat_map(|(search, wrong)| {
            ranges.iter().filter_map(move |range| Some(Piece::Search(search, wrong, search.part_of(range)?)))
        });
        run(searched.collect(), &mut findings)?;
        parts = differences.into_iter().map(|difference| difference.report).collect();
    }
    let needs_memiavl = subject.memiavl.is_none() && !subject.trees.is_empty();
    let is_unasked = |check: &Check| *check != Check::Truth && (subject.mode.is_none() || needs_memiavl);
    Ok(VerifyReport {
        height: subject.height,
        mode: subject.mode,
        unasked: request.checks.iter().copied().filter(is_unasked).collect(),
        found: findings.counts.into_iter().collect(),
        parts,
        records: records.into_inner(),
    })
}

/// The pieces of the first pass, and how many records they have.
fn plan<'p>(subject: &Subject, checks: &[Check]) -> Result<(Vec<Piece<'p>>, u64), Error> {
    let (mut pieces, mut total) = (Vec::new(), 0_u64);
    if checks.contains(&Check::Truth) {
        if let Some(flatkv) = &subject.flatkv {
            total = flatkv.totals().fold(total, |total, (_, _, totals)| total.saturating_add(totals.rows));
            pieces.extend(flatkv.row_ranges()?.into_iter().map(Piece::Rows));
        }
        for (name, tree) in &subject.trees {
            let (leaves, branches) = (tree.leaf_count(), tree.leaf_count().saturating_sub(1));
            total = total.saturating_add(u64::from(leaves) + u64::from(branches));
            pieces.extend(cut(leaves).map(|range| Piece::Leaves(name.clone(), tree.clone(), range)));
            pieces.extend(cut(branches).map(|range| Piece::Branches(name.clone(), tree.clone(), range)));
        }
    }
    let across = checks.contains(&Check::Complete) || checks.contains(&Check::Union);
    if let (true, Some(memiavl), Some(_)) = (across, &subject.memiavl, &subject.flatkv) {
        for (module, _) in memiavl.roots() {
            let keys = subject.keys_left(module)?;
            total = total.saturating_add(keys);
            let mut start = 0;
            while start < keys {
                let end = keys.min(start + ACROSS_KEYS);
                pieces.push(Piece::Across(module.to_owned(), start..end));
                start = end;
            }
        }
    }
    Ok((pieces, total))
}
