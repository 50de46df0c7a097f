//! The whole check: states, counts and bytes computed from the rows, beside those that the store keeps.
//!
//! Memory does not grow with the store: a state per lane and module, and a bounded list of what is damaged.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use changeset::Hash;

use crate::error::{FlatKvError, Result};
use crate::key::split;
use crate::lane::Lane;
use crate::lattice::{Entry, EntryRows, Lattices, Part, Totals};
use crate::row::check_row;
use crate::view::View;

/// Rows between two reports of progress.
const PROGRESS_ROWS: u64 = 1 << 14;
/// Damaged rows that a report names; the others are counted.
const DAMAGED_MAX: usize = 100;

/// How far a verification has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyProgress {
    /// The lane being read.
    pub lane: Lane,
    /// Rows read in all lanes.
    pub rows: u64,
    /// Rows that the store counts in all lanes.
    pub rows_expected: u64,
}

/// What a verification found of one lane and module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartReport {
    /// The lane.
    pub lane: Lane,
    /// The module.
    pub module: String,
    /// The root and totals that the store keeps.
    pub stored: (Hash, Totals),
    /// Those of the rows.
    pub computed: (Hash, Totals),
}

impl PartReport {
    /// Whether the store keeps what the rows have.
    pub fn agrees(&self) -> bool {
        self.stored == self.computed
    }
}

/// What a verification found.
#[derive(Debug)]
pub struct VerifyReport {
    /// The version that was verified.
    pub version: Option<u64>,
    /// Every lane and module that the store keeps totals for or has rows of.
    pub parts: Vec<PartReport>,
    /// The first damaged rows.
    pub damaged: Vec<FlatKvError>,
    /// How many rows are damaged.
    pub damaged_rows: u64,
    /// Rows read.
    pub rows: u64,
}

impl VerifyReport {
    /// Whether everything agrees.
    pub fn is_clean(&self) -> bool {
        self.damaged_rows == 0 && self.parts.iter().all(PartReport::agrees)
    }
}

/// What is being added up.
#[derive(Default)]
struct Tally {
    computed: BTreeMap<Part, Entry>,
    damaged: Vec<FlatKvError>,
    damaged_rows: u64,
    rows: u64,
}

impl View {
    /// Reads every row and compares. `progress` is called now and then, and stops the work by breaking; the answer is then
    /// none.
    ///
    /// # Errors
    /// I/O and corruption that RocksDB notices; a damaged row is part of the report.
    pub fn verify(&self, progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>) -> Result<Option<VerifyReport>> {
        Ok(self.tally_rows(progress)?.map(|tally| self.report(tally)))
    }

    /// What all rows of a store without blocks add up to; none if `progress` broke.
    ///
    /// # Errors
    /// The first damaged row, I/O.
    pub(crate) fn add_up(
        &self,
        progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>,
    ) -> Result<Option<Lattices>> {
        let Some(tally) = self.tally_rows(progress)? else { return Ok(None) };
        if let Some(damaged) = tally.damaged.into_iter().next() {
            return Err(damaged);
        }
        let mut lattices = Lattices::default();
        for (part, entry) in tally.computed {
            lattices.insert(part, entry);
        }
        Ok(Some(lattices))
    }

    fn tally_rows(&self, progress: &mut dyn FnMut(VerifyProgress) -> ControlFlow<()>) -> Result<Option<Tally>> {
        let rows_expected = self.totals().map(|(_, _, totals)| totals.rows).sum();
        let mut tally = Tally::default();
        for lane in Lane::ALL {
            let mut report = |rows| progress(VerifyProgress { lane, rows, rows_expected });
            if self.verify_lane(lane, &mut tally, &mut report)?.is_break() {
                return Ok(None);
            }
        }
        Ok(Some(tally))
    }

    fn verify_lane(
        &self,
        lane: Lane,
        tally: &mut Tally,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        let mut rows = self.walk(lane);
        // Rows of a module follow each other, so the sum is looked up once per module.
        let mut current: Option<(Part, EntryRows)> = None;
        while rows.advance()? {
            let Some((key, row)) = rows.item() else { break };
            if tally.rows.is_multiple_of(PROGRESS_ROWS) && progress(tally.rows).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            tally.rows += 1;
            let module = match split(lane, key) {
                Ok((module, _)) => module,
                Err(error) => {
                    tally.damage(error.into());
                    continue;
                }
            };
            if let Err(source) = check_row(lane, row) {
                tally.damage(FlatKvError::Row { key: key.to_vec(), source });
            }
            if current.as_ref().is_none_or(|(part, _)| part.1.as_ref() != module) {
                tally.keep(current.take().map(|(part, rows)| (part, rows.finish())));
                current = Some(((lane, module.into()), EntryRows::default()));
            }
            if let Some((_, rows)) = &mut current {
                rows.add(key, row);
            }
        }
        tally.keep(current.map(|(part, rows)| (part, rows.finish())));
        Ok(ControlFlow::Continue(()))
    }

    fn report(&self, mut tally: Tally) -> VerifyReport {
        let mut parts = Vec::new();
        let mut part_report = |part: &Part, stored: &Entry, computed: &Entry| {
            parts.push(PartReport {
                lane: part.0,
                module: part.1.to_string(),
                stored: (stored.hash.root(), stored.totals),
                computed: (computed.hash.root(), computed.totals),
            });
        };
        for (part, stored) in self.lattices().iter() {
            part_report(part, stored, &tally.computed.remove(part).unwrap_or_default());
        }
        for (part, computed) in &tally.computed {
            part_report(part, &Entry::default(), computed);
        }
        let Tally { damaged, damaged_rows, rows, .. } = tally;
        VerifyReport { version: self.version(), parts, damaged, damaged_rows, rows }
    }
}

impl Tally {
    fn damage(&mut self, error: FlatKvError) {
        self.damaged_rows += 1;
        if self.damaged.len() < DAMAGED_MAX {
            self.damaged.push(error);
        }
    }

    fn keep(&mut self, part: Option<(Part, Entry)>) {
        if let Some((part, entry)) = part {
            self.computed.insert(part, entry);
        }
    }
}
