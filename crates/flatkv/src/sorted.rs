//! The committed rows of sorted keys: what a flush reads before it writes.
//!
//! A migration hands over long runs of keys, and FlatKV has hardly a row between the first and the last of one: at the most
//! those that callers have made there. One seek then passes over all keys up to the next row. Keys that a seek does not get
//! further with, as a caller's own scattered ones, are read one by one, through the filters.

use std::sync::Arc;

use rocksdb::ReadOptions;

use crate::block::Row;
use crate::error::Result;
use crate::options::Family;
use crate::source::Database;

/// A seek that passes over fewer keys does not pay: it costs as much as reading about three of them.
const PASSED_MIN: usize = 4;
/// Keys that are read one by one after a seek that did not pay: as many at first, then twice as many each time, and so many
/// at the most.
const SINGLES: (usize, usize) = (4, 64);

impl Database {
    /// The rows of `keys`, which ascend, in their order.
    pub(crate) fn get_sorted(&self, family: Family, keys: &[&[u8]]) -> Result<Vec<Option<Row>>> {
        let mut rows = vec![None; keys.len()];
        let singles = self.pass_over(family, keys, &mut rows)?;
        let wanted = singles.iter().map(|at| keys[*at]);
        let values = self.db.batched_multi_get_cf(self.family(family), wanted, true);
        for (at, value) in singles.iter().zip(values) {
            let value = value.map_err(|error| self.error("multi-get", error))?;
            rows[*at] = value.map(|row| Arc::from(row.as_ref()));
        }
        Ok(rows)
    }

    /// Finds what seeks find; the places of the keys that are still to be read.
    fn pass_over(&self, family: Family, keys: &[&[u8]], rows: &mut [Option<Row>]) -> Result<Vec<usize>> {
        let mut singles = Vec::new();
        let Some(last) = keys.last().filter(|_| keys.len() >= PASSED_MIN) else {
            return Ok((0..keys.len()).collect());
        };
        let mut options = ReadOptions::default();
        // What lies behind the last key, deleted rows too, is not looked at.
        options.set_iterate_upper_bound([last, [0].as_slice()].concat());
        let mut iterator = self.db.raw_iterator_cf_opt(self.family(family), options);
        let (mut at, mut step) = (0, SINGLES.0);
        while at < keys.len() {
            iterator.seek(keys[at]);
            let Some((found, row)) = iterator.item() else {
                // RocksDB reports an error as an iterator that is not valid.
                iterator.status().map_err(|error| self.error("seek", error))?;
                break;
            };
            let mut next = at + keys[at..].partition_point(|key| *key < found);
            let passed = next - at;
            if keys.get(next).is_some_and(|key| *key == found) {
                rows[next] = Some(Arc::from(row));
                next += 1;
            }
            at = next;
            if passed >= PASSED_MIN {
                step = SINGLES.0;
            } else {
                at = keys.len().min(next + step);
                singles.extend(next..at);
                step = SINGLES.1.min(2 * step);
            }
        }
        Ok(singles)
    }
}
