//! What makes up the differences between rows and what is kept of them.
//!
//! ```text
//! search    a row in which one bit was flipped, or one row too many
//! propose   rows that memiavl's history and the records say are there, taken where they fit the difference
//! both      a flipped bit beside rows that were proposed
//! ```

use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::atomic::AtomicU64;

use changeset::LATTICE_STORE;
use flatkv::{PartDifference, PartReport, RowMend, Search, Tally, split};
use migrate_core::Error as CoreError;

use super::resume::Kept;
use super::subject::{Subject, root_in};
use super::work::{Heard, Piece, Worked, of_proposed, work};
use super::{Findings, VerifyProgress};
use crate::error::Error;
use crate::reconcile::{Proposed, Records};

/// A pass over a subject, with what all passes share.
pub(super) struct Pass<'p> {
    pub(super) subject: &'p Subject,
    pub(super) threads: usize,
    pub(super) records: AtomicU64,
    pub(super) records_total: u64,
    pub(super) progress: &'p mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
}

/// What was found to make up the differences.
#[derive(Default)]
pub(super) struct Explained {
    /// Rows that must be others, each proven.
    pub(super) mends: Vec<RowMend>,
    /// Rows that may have to be others, of parts in which nothing is proven.
    pub(super) guesses: Vec<RowMend>,
    /// Lanes and modules for which nothing was found, and why.
    pub(super) left: Vec<(PartReport, String)>,
}

impl Pass<'_> {
    /// Works `pieces`, each with its number. `kept` is told of all that is heard.
    pub(super) fn run(
        &mut self,
        pieces: Vec<(usize, Piece<'_>)>,
        findings: &mut Findings<'_>,
        mut kept: Option<&mut Kept>,
    ) -> Result<Worked, Error> {
        let records_total = self.records_total;
        let told = Cell::new(findings.total());
        let mut hear = |number, heard: &Heard| {
            if let Some(kept) = &mut kept {
                kept.note(number, heard)?;
            }
            if let Heard::Found(finding) = heard {
                findings.add(finding)?;
                told.set(findings.total());
            }
            Ok(())
        };
        let mut look = |records| (self.progress)(VerifyProgress { records, records_total, findings: told.get() });
        let worked = work(self.subject, pieces, self.threads, &self.records, &mut hear, &mut look)?;
        if worked.is_stopped { Err(CoreError::Cancelled.into()) } else { Ok(worked) }
    }

    /// Finds what makes up `differences`.
    pub(super) fn explain(
        &mut self,
        candidates_max: u64,
        differences: &[PartDifference],
        tally: &Tally,
        findings: &mut Findings<'_>,
    ) -> Result<Explained, Error> {
        let mut explained = Explained::default();
        let mut wrong: Vec<_> = differences.iter().filter(|difference| !difference.report.agrees()).collect();
        let standing = self.subject.recorded()?.map(|(_, _, standing)| standing);
        let root = standing.and_then(|standing| root_in(&standing, LATTICE_STORE));
        if wrong.is_empty() || root == Some(tally.root()) {
            // The rows are those of the last block: what is kept of them is not.
            return Ok(explained);
        }
        explained.mends = self.search(&wrong, candidates_max, findings)?;
        wrong.retain(|difference| !explained.mends.iter().any(|mend| is_of(mend, difference)));
        if wrong.is_empty() {
            return Ok(explained);
        }
        let Some(home) = self.subject.home.as_ref() else { return Ok(explained) };
        let records = Records::new(home, self.subject.flatkv.as_ref())?;
        let proposed = Proposed::gather(&records, &findings.twice, &findings.residue)?;
        let mut left = Vec::new();
        for difference in wrong {
            let rows = proposed.of_part(difference);
            match difference.fit(&rows) {
                Some(fitting) => explained.take(fitting, findings)?,
                None => left.push((difference, rows)),
            }
        }
        for (difference, rows) in left {
            let beside = difference.after(&rows);
            let found = if rows.is_empty() { Vec::new() } else { self.search(&[&beside], candidates_max, findings)? };
            if found.is_empty() {
                explained.left.push((difference.report.clone(), proposed.why_not(difference)));
                explained.guesses.extend(rows);
            } else {
                explained.mends.extend(found);
                explained.take(rows, findings)?;
            }
        }
        Ok(explained)
    }

    /// Searches all rows for single bits and rows that make up `wrong`.
    fn search(
        &mut self,
        wrong: &[&PartDifference],
        candidates_max: u64,
        findings: &mut Findings<'_>,
    ) -> Result<Vec<RowMend>, Error> {
        let searches: Vec<_> = wrong.iter().map(|wrong| Search::new(wrong, candidates_max)).collect();
        let ranges = self.subject.flatkv.as_ref().map(flatkv::View::row_ranges).transpose()?.unwrap_or_default();
        let searched = searches.iter().zip(wrong).flat_map(|(search, wrong)| {
            ranges.iter().filter_map(move |range| Some(Piece::Search(search, wrong, search.part_of(range)?)))
        });
        let pieces = searched.enumerate().collect();
        Ok(self.run(pieces, findings, None)?.mends)
    }
}

impl Explained {
    fn take(&mut self, mends: Vec<RowMend>, findings: &mut Findings<'_>) -> Result<(), Error> {
        for finding in of_proposed(&mends) {
            findings.add(&finding)?;
        }
        self.mends.extend(mends);
        Ok(())
    }
}

/// Whether a row is one of the difference's lane and module.
fn is_of(mend: &RowMend, difference: &PartDifference) -> bool {
    mend.lane == difference.report.lane
        && split(mend.lane, &mend.key).is_ok_and(|(module, _)| module == difference.report.module)
}
