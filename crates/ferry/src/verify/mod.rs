//! The whole check of a node's state, on a pinned block: nothing is repaired and nothing below the home is written.
//!
//! ```text
//! complete   no key that has moved is left in memiavl                     each leaf beside the boundary
//! union      no key is in both stores                                     each leaf beside FlatKV's rows, in one pass
//! truth      rows add up to the kept states and counts, those to the root; leaves and branches fit their hashes;
//!            roots, app hash, journal and boundary are those of the last block
//! ```
//! An account may have its nonce in memiavl and its row in FlatKV, and rows ahead of the boundary are normal: both are what
//! routing leaves. Where rows do not add up, a second pass looks for the row that makes up the difference, and a third one asks
//! memiavl's history which rows are not there.

mod explain;
mod finding;
mod judge;
mod resume;
mod subject;
mod work;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use flatkv::{FlatKvError, Lane, PartReport, RowMend, RowRange, Tally};
use migrate_core::Mode;

use crate::View;
use crate::error::Error;
use crate::home::Home;

use explain::{Explained, Pass};
pub(crate) use finding::words;
pub use finding::{Check, Finding, FindingKind};
use resume::{Before, Kept};
use subject::Subject;
use work::{Piece, cut};

/// Keys that one piece of the pass over both stores has.
const ACROSS_KEYS: u64 = 1 << 18;
/// Keys that are kept for a proposal of how to mend them: they take some hundred megabytes at the most.
const KEYS_KEPT_MAX: usize = 1 << 20;

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
    /// Where progress is kept, so that a check that was interrupted goes on there: a file outside the home, made where it is
    /// not there. It goes when the check is over.
    pub progress_file: Option<PathBuf>,
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
    Ok(examine(Home::locate(root), modules, request, found, progress)?.report)
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
    Ok(verify(&mut Subject::of_view(view)?, request, found, progress)?.report)
}

/// Verifies stores wherever they lie, and keeps what it takes to mend them.
pub(crate) fn examine(
    home: Home,
    modules: &[String],
    request: &VerifyRequest,
    found: &mut dyn FnMut(&Finding) -> Result<(), Error>,
    progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
) -> Result<Examined, Error> {
    let mut subject = Subject::of_home(home, modules)?;
    let examined = verify(&mut subject, request, found, progress)?;
    let (flatkv, faults) = (subject.flatkv.take(), std::mem::take(&mut subject.faults));
    Ok(Examined { flatkv, faults, ..examined })
}

/// What a verification leaves to whoever mends.
pub(crate) struct Examined {
    pub(crate) report: VerifyReport,
    /// FlatKV as it was read.
    pub(crate) flatkv: Option<flatkv::View>,
    /// What its rows add up to.
    pub(crate) tally: Tally,
    /// Rows that must be others, each proven by what the store keeps of its lane and module.
    pub(crate) mends: Vec<RowMend>,
    /// Rows that may have to be others, of lanes and modules in which nothing is proven.
    pub(crate) guesses: Vec<RowMend>,
    /// Lanes and modules whose rows differ from what is kept of them, and why no row was found that makes it up.
    pub(crate) unexplained: Vec<(PartReport, String)>,
    /// The first keys that must have left memiavl.
    pub(crate) residue: Vec<(String, Vec<u8>)>,
    /// FlatKV's metadata that does not decode or contradicts itself.
    pub(crate) faults: Vec<FlatKvError>,
    /// Rows at keys that no module can have.
    pub(crate) strays: Vec<(Lane, Vec<u8>)>,
}

/// What a run has found, counted by kind and handed on.
struct Findings<'f> {
    checks: &'f [Check],
    counts: std::collections::BTreeMap<FindingKind, u64>,
    /// The first keys that must have left memiavl.
    residue: Vec<(String, Vec<u8>)>,
    /// The first keys in both stores.
    twice: Vec<(String, Vec<u8>)>,
    /// The first rows at keys that no module can have.
    strays: Vec<(Lane, Vec<u8>)>,
    tell: &'f mut dyn FnMut(&Finding) -> Result<(), Error>,
}

impl Findings<'_> {
    fn add(&mut self, finding: &Finding) -> Result<(), Error> {
        let keys = match finding.kind {
            FindingKind::Residue => Some(&mut self.residue),
            FindingKind::Twice => Some(&mut self.twice),
            _ => None,
        };
        if let (Some(keys), Some(key)) = (keys.filter(|keys| keys.len() < KEYS_KEPT_MAX), &finding.key) {
            keys.push((finding.module.clone(), key.clone()));
        }
        if let (Some(lane), "", Some(key)) = (finding.lane, finding.module.as_str(), &finding.key)
            && finding.kind == FindingKind::RowDamaged
            && !key.is_empty()
            && self.strays.len() < KEYS_KEPT_MAX
        {
            self.strays.push((lane, key.clone()));
        }
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
    subject: &mut Subject,
    request: &VerifyRequest,
    found: &mut dyn FnMut(&Finding) -> Result<(), Error>,
    progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
) -> Result<Examined, Error> {
    let checks = request.checks.as_slice();
    let (counts, residue, twice, strays) = Default::default();
    let mut findings = Findings { checks, counts, residue, twice, strays, tell: found };
    for finding in std::mem::take(&mut subject.findings) {
        findings.add(&finding)?;
    }
    let kept = request.progress_file.as_deref().map(|path| Kept::open(path, subject.home.as_ref()));
    let mut kept = kept.transpose()?;
    let ranges = match kept.as_ref().and_then(Kept::ranges) {
        Some(ranges) => ranges,
        None => subject.flatkv.as_ref().map(flatkv::View::row_ranges).transpose()?.unwrap_or_default(),
    };
    let (pieces, records_total) = plan(subject, checks, &ranges)?;
    let mut before = Before::default();
    if let Some(kept) = &mut kept {
        before = kept.go_on(subject, checks, &ranges, &pieces, &mut |finding| findings.add(&finding))?;
    }
    let pieces = pieces.into_iter().enumerate().filter(|(number, _)| !before.done.contains(number)).collect();
    let records = AtomicU64::new(before.records);
    let mut pass = Pass { subject, threads: request.threads, records, records_total, progress };
    let mut tally = pass.run(pieces, &mut findings, kept.as_mut())?.tally;
    tally.merge(before.tally);
    let (mut explained, mut parts) = (Explained::default(), Vec::new());
    if checks.contains(&Check::Truth) {
        let differences = judge::judge(subject, &tally, &mut |finding| findings.add(&finding))?;
        explained = pass.explain(request.candidates_max, &differences, &tally, &mut findings)?;
        parts = differences.into_iter().map(|difference| difference.report).collect();
    }
    kept.map_or(Ok(()), Kept::finish)?;
    let needs_memiavl = subject.memiavl.is_none() && !subject.trees.is_empty();
    let is_unasked = |check: &Check| *check != Check::Truth && (subject.mode.is_none() || needs_memiavl);
    let report = VerifyReport {
        height: subject.height,
        mode: subject.mode,
        unasked: checks.iter().copied().filter(is_unasked).collect(),
        found: std::mem::take(&mut findings.counts).into_iter().collect(),
        parts,
        records: pass.records.into_inner(),
    };
    let Explained { mends, guesses, left } = explained;
    let Findings { residue, strays, .. } = findings;
    let (flatkv, faults) = (None, Vec::new());
    Ok(Examined { report, flatkv, tally, mends, guesses, unexplained: left, residue, faults, strays })
}

/// The pieces of the first pass, and how many records they have.
fn plan<'p>(subject: &Subject, checks: &[Check], ranges: &[RowRange]) -> Result<(Vec<Piece<'p>>, u64), Error> {
    let (mut pieces, mut total) = (Vec::new(), 0_u64);
    if checks.contains(&Check::Truth) {
        if let Some(flatkv) = &subject.flatkv {
            total = flatkv.totals().fold(total, |total, (_, _, totals)| total.saturating_add(totals.rows));
            pieces.extend(ranges.iter().cloned().map(Piece::Rows));
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
