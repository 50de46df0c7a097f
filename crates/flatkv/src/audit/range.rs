//! A lane in ranges that threads read side by side, and what one of them adds up to.

use std::ops::ControlFlow;

use changeset::ScanOrder;
use rocksdb::ReadOptions;

use crate::audit::tally::Tally;
use crate::error::{FlatKvError, Result};
use crate::key::split;
use crate::lane::Lane;
use crate::lattice::{EntryRows, Part};
use crate::options::Family;
use crate::row::check_row;
use crate::rows::READAHEAD_BYTES;
use crate::scan::Committed;
use crate::view::View;

/// Rows between two looks at whether to go on.
const LOOK_ROWS: u64 = 1024;

/// Rows of a lane that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowRange {
    /// The lane.
    pub lane: Lane,
    /// The first physical key, inclusive; none from the beginning.
    pub start: Option<Vec<u8>>,
    /// The last one, exclusive; none to the end.
    pub end: Option<Vec<u8>>,
}

impl View {
    /// All rows in ranges, each lane cut where its tables begin.
    ///
    /// # Errors
    /// RocksDB's.
    pub fn row_ranges(&self) -> Result<Vec<RowRange>> {
        let database = self.source().database();
        let files = database.db.live_files().map_err(|error| database.error("list tables", error))?;
        let mut ranges = Vec::new();
        for lane in Lane::ALL {
            let of_lane = files.iter().filter(|file| file.column_family_name == lane.name());
            let mut cuts: Vec<_> = of_lane.filter_map(|file| file.start_key.clone()).collect();
            cuts.sort_unstable();
            cuts.dedup();
            let starts = std::iter::once(None).chain(cuts.iter().cloned().map(Some));
            let ends = cuts.iter().cloned().map(Some).chain([None]);
            ranges.extend(starts.zip(ends).map(|(start, end)| RowRange { lane, start, end }));
        }
        Ok(ranges)
    }

    /// A walk over a range. Its blocks are not wanted in the cache.
    pub(crate) fn walk_range(&self, range: &RowRange) -> Committed<'_> {
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        options.set_readahead_size(READAHEAD_BYTES);
        options.set_verify_checksums(true);
        if let Some(start) = &range.start {
            options.set_iterate_lower_bound(start.as_slice());
        }
        if let Some(end) = &range.end {
            options.set_iterate_upper_bound(end.as_slice());
        }
        Committed::new(self.source(), Family::Rows(range.lane), options, ScanOrder::Ascending)
    }

    /// Reads a range and adds it up. `look` hears how many rows were read, and stops the work by breaking; the answer is
    /// then none. `found` hears of rows that are damaged.
    ///
    /// # Errors
    /// I/O and corruption that RocksDB notices.
    pub fn tally(
        &self,
        range: &RowRange,
        look: &mut dyn FnMut(u64) -> ControlFlow<()>,
        found: &mut dyn FnMut(FlatKvError),
    ) -> Result<Option<Tally>> {
        let mut tally = Tally::default();
        let mut rows = self.walk_range(range);
        // Rows of a module follow each other, so the sum is looked up once per module.
        let mut current: Option<(Part, EntryRows)> = None;
        let mut unsaid = 0;
        while rows.advance()? {
            let Some((key, row)) = rows.item() else { break };
            unsaid += 1;
            if unsaid == LOOK_ROWS {
                if look(unsaid).is_break() {
                    return Ok(None);
                }
                unsaid = 0;
            }
            tally.rows += 1;
            let module = match split(range.lane, key) {
                Ok((module, _)) => module,
                Err(error) => {
                    // Its bytes count in no module, so the root says that it does not belong there.
                    found(error.into());
                    continue;
                }
            };
            self.check_height(range.lane, key, row, found);
            if current.as_ref().is_none_or(|(part, _)| part.1.as_ref() != module) {
                tally.keep(current.take().map(|(part, rows)| (part, rows.finish())));
                current = Some(((range.lane, module.into()), EntryRows::default()));
            }
            if let Some((_, rows)) = &mut current {
                rows.add(key, row);
            }
        }
        tally.keep(current.map(|(part, rows)| (part, rows.finish())));
        Ok(look(unsaid).is_continue().then_some(tally))
    }

    fn check_height(&self, lane: Lane, key: &[u8], row: &[u8], found: &mut dyn FnMut(FlatKvError)) {
        match (check_row(lane, row), self.version()) {
            (Err(source), _) => found(FlatKvError::Row { key: key.to_vec(), source }),
            (Ok(got), Some(version)) if got > version => {
                found(FlatKvError::RowAhead { key: key.to_vec(), version, got });
            }
            _ => {}
        }
    }
}
