//! All rows of a view, in the byte order of their physical keys over all lanes.

use bytes::Bytes;
use changeset::ScanOrder;
use rocksdb::ReadOptions;

use crate::error::Result;
use crate::lane::Lane;
use crate::options::Family;
use crate::scan::Committed;
use crate::view::View;

/// How far a whole walk reads ahead: it is sequential, and its blocks are not wanted in the cache.
pub(crate) const READAHEAD_BYTES: usize = 2 << 20;

/// A row as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRow {
    /// Its lane.
    pub lane: Lane,
    /// Its physical key.
    pub key: Bytes,
    /// Its serialized value.
    pub row: Bytes,
}

/// The rows of a view. An error ends the iteration.
pub struct Rows<'a> {
    lanes: Vec<(Lane, Committed<'a>)>,
    is_started: bool,
}

impl View {
    /// All rows, metadata records not included, in the byte order of their physical keys.
    pub fn rows(&self) -> Rows<'_> {
        let lanes = Lane::ALL.into_iter().map(|lane| (lane, self.walk(lane)));
        Rows { lanes: lanes.collect(), is_started: false }
    }

    /// The rows of a lane whose physical keys lie behind `after`, or all of them.
    pub fn lane_rows(&self, lane: Lane, after: Option<&[u8]>) -> LaneRows<'_> {
        let mut options = whole_walk();
        if let Some(after) = after {
            // The smallest key behind it.
            options.set_iterate_lower_bound([after, &[0]].concat());
        }
        LaneRows(Committed::new(self.source(), Family::Rows(lane), options, ScanOrder::Ascending))
    }

    /// A walk over all rows of a lane.
    pub(crate) fn walk(&self, lane: Lane) -> Committed<'_> {
        Committed::new(self.source(), Family::Rows(lane), whole_walk(), ScanOrder::Ascending)
    }
}

/// The rows of one lane, in key order. It lends the row that it stands on.
pub struct LaneRows<'a>(Committed<'a>);

impl LaneRows<'_> {
    /// The next row's physical key and serialized value; none behind the last.
    ///
    /// # Errors
    /// I/O and corruption, which never look like the end.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot lend what it hands out")]
    pub fn next(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        Ok(if self.0.advance()? { self.0.item() } else { None })
    }
}

impl Rows<'_> {
    fn advance(&mut self) -> Result<Option<StoredRow>> {
        if !self.is_started {
            self.is_started = true;
            for (_, lane) in &mut self.lanes {
                lane.advance()?;
            }
        }
        let heads = self.lanes.iter_mut().filter_map(|(lane, walk)| {
            let key = Bytes::copy_from_slice(walk.item()?.0);
            Some((key, *lane, walk))
        });
        let Some((key, lane, walk)) = heads.min_by(|a, b| a.0.cmp(&b.0)) else { return Ok(None) };
        let row = walk.item().map(|(_, row)| Bytes::copy_from_slice(row)).unwrap_or_default();
        walk.advance()?;
        Ok(Some(StoredRow { lane, key, row }))
    }
}

fn whole_walk() -> ReadOptions {
    let mut options = ReadOptions::default();
    options.fill_cache(false);
    options.set_readahead_size(READAHEAD_BYTES);
    options
}

impl Iterator for Rows<'_> {
    type Item = Result<StoredRow>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.advance().transpose();
        if matches!(item, Some(Err(_))) {
            self.lanes.clear();
        }
        item
    }
}
