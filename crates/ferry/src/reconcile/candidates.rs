//! What rows of FlatKV ought to be, as far as anything else tells: proposals, which the kept states prove or not.
//!
//! ```text
//! history    a key that a block moved had a value in memiavl before it; its row follows, unless a later block touched it
//! records    the boundary and the version, as the journal and the last moving block's entry have them
//! twice      a row whose key is still in memiavl
//! ```

use std::collections::{BTreeMap, BTreeSet};

use boundary::{BOUNDARY_KEY, Boundary, MIGRATION_STORE, VERSION_KEY, encode_version};
use changeset::ChangelogEntry;
use flatkv::{Lane, LoggedRow, MiscRow, RowMend, locate, row_after_move};

use super::anchor::readable;
use super::trail::{MovedBy, Step};
use crate::error::Error;

/// Bytes of proposed rows at the most: more is no damage to mend but a state to restore.
const PROPOSED_BYTES_MAX: usize = 1 << 30;

/// A lane and a physical key.
type Place = (Lane, Vec<u8>);
/// The rows that a block found, by lane and physical key; none where there was no row.
type FoundRows<'f> = BTreeMap<(Lane, &'f [u8]), Option<&'f [u8]>>;

/// Rows that differ from what their last block must have left, gathered block by block.
pub(crate) struct FromHistory<'f> {
    flatkv: &'f flatkv::View,
    rows: BTreeMap<Place, RowMend>,
    bytes: usize,
}

impl<'f> FromHistory<'f> {
    pub(crate) fn new(flatkv: &'f flatkv::View) -> Self {
        Self { flatkv, rows: BTreeMap::new(), bytes: 0 }
    }

    /// Takes in what one block did.
    pub(crate) fn visit(&mut self, step: &Step<'_>) -> Result<(), Error> {
        let touched = readable(self.flatkv.touched_by(step.height).map_err(Into::into))?.flatten();
        for row in touched.iter().flatten() {
            self.forget(&(row.lane, row.key.clone()));
        }
        let line = readable(self.flatkv.journal(step.height).map_err(Into::into))?.flatten();
        let Some(moved) = line.as_ref().and_then(MovedBy::line) else { return Ok(()) };
        for (place, expected) in moved_rows(step, &moved, touched.as_deref())? {
            let present = self.flatkv.stored_row(place.0, &place.1)?;
            if present != expected {
                self.propose(place, present, expected);
            }
        }
        Ok(())
    }

    /// All of them; none if they are too many.
    pub(crate) fn into_rows(self) -> Option<Vec<RowMend>> {
        (self.bytes <= PROPOSED_BYTES_MAX).then(|| self.rows.into_values().collect())
    }

    fn propose(&mut self, place: Place, before: Option<Vec<u8>>, after: Option<Vec<u8>>) {
        if self.bytes > PROPOSED_BYTES_MAX {
            return;
        }
        let mend = RowMend { lane: place.0, key: place.1.clone(), before, after };
        self.bytes += size(&mend);
        self.rows.insert(place, mend);
    }

    fn forget(&mut self, place: &Place) {
        if let Some(mend) = self.rows.remove(place) {
            self.bytes -= size(&mend);
        }
    }
}

fn size(mend: &RowMend) -> usize {
    let length = |row: &Option<Vec<u8>>| row.as_ref().map_or(0, Vec::len);
    2 * mend.key.len() + length(&mend.before) + length(&mend.after)
}

/// The rows that a block's moved keys must have left.
fn moved_rows(
    step: &Step<'_>,
    moved: &MovedBy,
    touched: Option<&[LoggedRow]>,
) -> Result<BTreeMap<Place, Option<Vec<u8>>>, Error> {
    let found: Option<FoundRows<'_>> = touched
        .map(|touched| touched.iter().map(|row| ((row.lane, row.key.as_slice()), row.before.as_deref())).collect());
    let mut rows: BTreeMap<Place, Option<Vec<u8>>> = BTreeMap::new();
    let mut physical = Vec::new();
    for set in &step.entry.changesets {
        for pair in set.pairs().iter().filter(|pair| pair.delete && moved.has(&set.name, &pair.key)) {
            let Some(value) = step.before.get(&set.name, &pair.key)? else { continue };
            let Ok(field) = locate(&set.name, &pair.key, &mut physical) else { continue };
            let before = match &found {
                // A row that its block did not touch is one that it did not leave.
                Some(found) => match found.get(&(field.lane(), physical.as_slice())) {
                    Some(before) => *before,
                    None => continue,
                },
                None => None,
            };
            let place = (field.lane(), physical.clone());
            // Two keys share an account's row.
            let before = rows.get(&place).map_or(before, Option::as_deref);
            let Some(row) = readable(row_after_move(field, before, &value, step.height).map_err(Into::into))? else {
                continue;
            };
            rows.insert(place, row);
        }
    }
    Ok(rows)
}

/// What the migration's two records may have been after the last block. `last_moving` is the entry of the last block that
/// moved keys, where it is known.
pub(crate) fn of_records(flatkv: &flatkv::View, last_moving: Option<&ChangelogEntry>) -> Result<Vec<RowMend>, Error> {
    let Some(height) = flatkv.version() else { return Ok(Vec::new()) };
    let line = readable(flatkv.journal(height).map_err(Into::into))?.flatten();
    let mut boundaries: Vec<Option<Vec<u8>>> = Vec::new();
    let mut versions: Vec<Option<Vec<u8>>> = Vec::new();
    if let Some(line) = &line {
        boundaries.push(Some(line.boundary.to_vec()).filter(|record| !record.is_empty()));
        versions
            .push(Some(line.version).filter(|version| *version > 0).map(|version| encode_version(version).to_vec()));
    }
    for set in last_moving.iter().flat_map(|entry| &entry.changesets) {
        let deletes = set.pairs().iter().filter(|pair| pair.delete);
        boundaries.extend(deletes.map(|pair| Some(Boundary::in_progress(&set.name, &pair.key).encode())));
    }
    let mut mends = Vec::new();
    for (key, values) in [(BOUNDARY_KEY, boundaries), (VERSION_KEY, versions)] {
        let physical = [MIGRATION_STORE.as_bytes(), b"/", key].concat();
        let present = flatkv.stored_row(Lane::Misc, &physical)?;
        let written = heights_of(flatkv, &physical, height, present.as_deref())?;
        for value in values {
            let rows: Vec<_> = match value {
                Some(value) => {
                    written.iter().map(|height| Some(MiscRow { height: *height, value: &value }.encode())).collect()
                }
                None => vec![None],
            };
            for after in rows.into_iter().filter(|after| *after != present) {
                let mend = RowMend { lane: Lane::Misc, key: physical.clone(), before: present.clone(), after };
                if !mends.contains(&mend) {
                    mends.push(mend);
                }
            }
        }
    }
    Ok(mends)
}

/// The heights that a record's row may have: the last block that touched it, or what its own bytes say.
fn heights_of(
    flatkv: &flatkv::View,
    physical: &[u8],
    last: u64,
    present: Option<&[u8]>,
) -> Result<BTreeSet<u64>, Error> {
    let mut heights = BTreeSet::from([last]);
    for height in (1..=last).rev() {
        let Some(touched) = readable(flatkv.touched_by(height).map_err(Into::into))?.flatten() else { break };
        if touched.iter().any(|row| row.lane == Lane::Misc && row.key == physical) {
            heights.insert(height);
            break;
        }
    }
    let own = present.and_then(|row| row.get(1..9)).and_then(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?)));
    heights.extend(own.filter(|own| *own <= last));
    Ok(heights)
}

/// That each of these keys, which memiavl has too, has no row of its own in FlatKV.
pub(crate) fn of_twice(flatkv: &flatkv::View, keys: &[(String, Vec<u8>)]) -> Result<Vec<RowMend>, Error> {
    let mut mends = Vec::new();
    let mut physical = Vec::new();
    for (module, key) in keys {
        // An account's row may stand there for its other field's sake.
        let Ok(field) = locate(module, key, &mut physical) else { continue };
        if field.lane() != Lane::Account
            && let Some(before) = flatkv.stored_row(field.lane(), &physical)?
        {
            mends.push(RowMend { lane: field.lane(), key: physical.clone(), before: Some(before), after: None });
        }
    }
    Ok(mends)
}
