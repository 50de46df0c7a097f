//! A row as it is stored, now and before the last blocks: undo records say what each block found.

use changeset::StoreResult;

use crate::error::{FlatKvError, Result};
use crate::key::{Field, locate};
use crate::lane::Lane;
use crate::options::Family;
use crate::undo;
use crate::view::View;

/// Where a key's row stands, and the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocatedRow {
    /// What the key names in the row.
    pub field: Field,
    /// The row's physical key.
    pub physical: Vec<u8>,
    /// Its bytes; none if there is no row.
    pub row: Option<Vec<u8>>,
}

impl LocatedRow {
    /// The row's lane.
    pub fn lane(&self) -> Lane {
        self.field.lane()
    }
}

impl View {
    /// The row of `key` in `module` after block `height`, or as it is now; none for a key that has no place.
    ///
    /// # Errors
    /// A height that undo records do not lead back to, I/O and corruption.
    pub fn row_of(&self, module: &str, key: &[u8], height: Option<u64>) -> Result<Option<LocatedRow>> {
        let mut physical = Vec::new();
        let Ok(field) = locate(module, key, &mut physical) else { return Ok(None) };
        let lane = field.lane();
        let now = self.source().get(Family::Rows(lane), &physical, |row| Ok(row.to_vec()))?;
        let row = match height {
            None => now,
            Some(height) => self.row_before(lane, &physical, height)?.unwrap_or(now),
        };
        Ok(Some(LocatedRow { field, physical, row }))
    }

    /// What the first block behind `height` that touched the row found there; none if none did.
    fn row_before(&self, lane: Lane, physical: &[u8], height: u64) -> Result<Option<Option<Vec<u8>>>> {
        let Some(span) = self.span() else { return Ok(None) };
        if height < span.first {
            return Err(FlatKvError::UndoTarget { first: span.first, version: span.last, to: height });
        }
        for block in height.saturating_add(1)..=span.last {
            let found = self.source().get(Family::Undo, &block.to_be_bytes(), |record| {
                let rows = undo::decode(record)?.rows;
                let row = rows.into_iter().find(|row| row.lane == lane && row.key == physical);
                Ok(row.map(|row| row.row.map(<[u8]>::to_vec)))
            })?;
            match found {
                None => return Err(FlatKvError::Missing { record: "undo", height: block }),
                Some(Some(row)) => return Ok(Some(row)),
                Some(None) => {}
            }
        }
        Ok(None)
    }

    /// The heights whose rows can still be told: from the lowest one that undo records lead back to.
    ///
    /// # Errors
    /// I/O.
    pub fn kept_heights(&self) -> StoreResult<Option<(u64, u64)>> {
        let Some(span) = self.span() else { return Ok(None) };
        let mut lowest = span.last;
        // Undo records are pruned from below in one piece, so the first gap ends them.
        while lowest > span.first && self.source().get(Family::Undo, &lowest.to_be_bytes(), |_| Ok(()))?.is_some() {
            lowest -= 1;
        }
        Ok(Some((lowest, span.last)))
    }
}
