//! The row that makes up a difference between a sum and its rows.
//!
//! What the store keeps less what the rows add up to is the element of the row that should be there less that of the row that
//! is. So a row too many shows at once, and where a single bit of a key or a row was flipped, each bit of each row flipped
//! back is a candidate: 64 bits of its element tell whether it is the one, the whole element proves it.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use lthash::Probe;

use crate::audit::range::RowRange;
use crate::audit::tally::PartDifference;
use crate::error::Result;
use crate::key::{SEPARATOR, prefix_end, split};
use crate::lane::Lane;
use crate::lattice::Entry;
use crate::row::check_row;
use crate::view::View;

/// A row and what it is to be instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowMend {
    /// Its lane.
    pub lane: Lane,
    /// Its physical key.
    pub key: Vec<u8>,
    /// The row as it is; none if there is none.
    pub before: Option<Vec<u8>>,
    /// The row as it must be; none if there must be none.
    pub after: Option<Vec<u8>>,
}

impl RowMend {
    pub(crate) fn apply(&self, entry: &mut Entry) {
        if let Some(before) = &self.before {
            entry.hash.subtract(&self.key, before);
            entry.totals.uncount(&self.key, before);
        }
        if let Some(after) = &self.after {
            entry.hash.add(&self.key, after);
            entry.totals.count(&self.key, after);
        }
    }
}

/// The search for one difference, shared by the threads that search ranges.
pub struct Search<'d> {
    difference: &'d PartDifference,
    target: Probe,
    /// Candidates that may still be tried.
    left: AtomicU64,
}

impl<'d> Search<'d> {
    /// A search that tries `candidates_max` candidates at the most.
    pub fn new(difference: &'d PartDifference, candidates_max: u64) -> Self {
        Self { difference, target: difference.state.probe(), left: AtomicU64::new(candidates_max) }
    }

    /// Whether the search ended because it had tried enough.
    pub fn is_exhausted(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }

    /// The part of a range that holds rows of the difference's lane and module; none if it has none.
    pub fn part_of(&self, range: &RowRange) -> Option<RowRange> {
        let report = &self.difference.report;
        if range.lane != report.lane {
            return None;
        }
        let mut start = report.module.as_bytes().to_vec();
        start.push(SEPARATOR);
        let end = prefix_end(&start);
        let start = range.start.clone().map_or(start.clone(), |own| own.max(start));
        let end = match (range.end.clone(), end) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let is_empty = end.as_ref().is_some_and(|end| *end <= start);
        (!is_empty).then_some(RowRange { lane: range.lane, start: Some(start), end })
    }

    fn take(&self, candidates: u64) -> bool {
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            if left == 0 { None } else { Some(left.saturating_sub(candidates)) }
        });
        taken.is_ok()
    }

    fn proves(&self, mends: Vec<RowMend>) -> Option<Vec<RowMend>> {
        self.difference.is_mended_by(&mends).then_some(mends)
    }

    /// Tries all that a row may be the trace of.
    fn try_row(&self, key: &[u8], row: &[u8]) -> Option<Vec<RowMend>> {
        let lane = self.difference.report.lane;
        let mend = |key: &[u8], before: Option<&[u8]>, after: Option<&[u8]>| RowMend {
            lane,
            key: key.to_vec(),
            before: before.map(<[u8]>::to_vec),
            after: after.map(<[u8]>::to_vec),
        };
        let wanted = self.target.plus(Probe::of_row(key, row));
        if wanted == Probe::default()
            && let Some(found) = self.proves(vec![mend(key, Some(row), None)])
        {
            return Some(found);
        }
        let (mut true_key, mut true_row) = (key.to_vec(), row.to_vec());
        for bit in 0..row.len() * 8 {
            flip(&mut true_row, bit);
            if Probe::of_row(key, &true_row) == wanted
                && check_row(lane, &true_row).is_ok()
                && let Some(found) = self.proves(vec![mend(key, Some(row), Some(&true_row))])
            {
                return Some(found);
            }
            flip(&mut true_row, bit);
        }
        for bit in 0..key.len() * 8 {
            flip(&mut true_key, bit);
            if Probe::of_row(&true_key, row) == wanted
                && split(lane, &true_key).is_ok()
                && let Some(found) = self.proves(vec![mend(key, Some(row), None), mend(&true_key, None, Some(row))])
            {
                return Some(found);
            }
            flip(&mut true_key, bit);
        }
        None
    }
}

fn flip(bytes: &mut [u8], bit: usize) {
    bytes[bit / 8] ^= 1 << (bit % 8);
}

impl View {
    /// Searches a range for the row that makes up a difference. `look` as in [`tally`](View::tally), behind every row.
    ///
    /// # Errors
    /// I/O and corruption that RocksDB notices.
    pub fn search(
        &self,
        search: &Search<'_>,
        range: &RowRange,
        look: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Option<Vec<RowMend>>> {
        let Some(part) = search.part_of(range) else { return Ok(None) };
        let mut rows = self.walk_range(&part);
        while rows.advance()? {
            let Some((key, row)) = rows.item() else { break };
            let candidates = 8 * (key.len() + row.len()) as u64 + 1;
            if look(1).is_break() || !search.take(candidates) {
                return Ok(None);
            }
            if let Some(found) = search.try_row(key, row) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}
