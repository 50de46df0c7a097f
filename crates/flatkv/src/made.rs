//! Rows made and hashed before their block, for pairs that the migration is about to move.
//!
//! What a moved slot, code or misc value becomes follows from the pair and the block's height alone, so it can be worked out
//! while the block before becomes durable. An account's row depends on what is there already, so it is left to the block.
//!
//! It is a hint and changes no result: the block takes a row from here only if the very pair is moved, at the very height, and
//! nothing stands in the row's place. What it does not take is taken out of the sums again.

use std::sync::Arc;

use bytes::Bytes;
use changeset::{EntrySums, KvPair, NamedChangeSet};

use crate::block::Row;
use crate::delta::{Delta, DeltaSum, RowChange};
use crate::entered::{Moved, entered};
use crate::error::{FlatKvError, Result};
use crate::key::{Field, Key, locate};
use crate::lane::{Lane, PerLane};
use crate::lattice::Part;
use crate::row::{Op, next_row};

/// Rows of moved pairs, and what they add to the lattice states.
pub struct MadeRows {
    height: u64,
    /// In the order of the pairs: modules and keys ascend.
    rows: Vec<MadeRow>,
    /// What all of them add, per part.
    deltas: Vec<(Part, Delta)>,
}

/// A moved pair and the row that it becomes where there is none.
pub(crate) struct MadeRow {
    part: Part,
    pair: (Bytes, Bytes),
    field: Field,
    pub(crate) key: Key,
    /// None for a value that no row stands for, as a slot of zeros.
    pub(crate) row: Option<Row>,
}

impl MadeRow {
    fn change(&self) -> RowChange<'_> {
        let mut moved = Moved::default();
        moved.insert(self.field);
        RowChange { part: &self.part, key: &self.key, old: None, new: self.row.as_deref(), moved }
    }

    fn order(&self, module: &str, key: &[u8]) -> std::cmp::Ordering {
        (*self.part.1).cmp(module).then_with(|| (*self.pair.0).cmp(key))
    }
}

impl MadeRows {
    /// The rows that the pairs of `changes`, which the migration moves, become at `height`. Modules and keys ascend.
    ///
    /// # Errors
    /// A pair that the store refuses.
    pub(crate) fn make(changes: &[NamedChangeSet], height: u64) -> Result<Self> {
        let (mut rows, mut deltas): (Vec<_>, Vec<(Part, DeltaSum)>) = (Vec::new(), Vec::new());
        let (mut physical, mut scratch) = (Vec::new(), Vec::new());
        for set in changes {
            let module: Arc<str> = Arc::from(set.name.as_str());
            let parts = PerLane::from_fn(|lane| (lane, Arc::clone(&module)));
            for pair in set.pairs() {
                let field = locate(&set.name, &pair.key, &mut physical)?;
                if field.lane() == Lane::Account {
                    continue;
                }
                let (part, key) = (parts[field.lane()].clone(), Key::from(physical.as_slice()));
                let is_live = next_row(field, None, Op::Set(&pair.value), height, &mut scratch)
                    .map_err(|source| FlatKvError::Row { key: key.to_vec(), source })?;
                let row = is_live.then(|| Row::from(scratch.as_slice()));
                let row = MadeRow { part, pair: (pair.key.clone(), pair.value.clone()), field, key, row };
                delta_of(&mut deltas, &row.part).change(&row.change())?;
                rows.push(row);
            }
        }
        let deltas = deltas.into_iter().map(|(part, sum)| (part, sum.finish())).collect();
        Ok(Self { height, rows, deltas })
    }

    /// The rows, if they are of the block at `height`.
    pub(crate) fn at(self, height: u64) -> Option<Self> {
        (self.height == height).then_some(self)
    }

    /// A reader of the rows in the order of their pairs.
    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader { rows: &self.rows, at: 0 }
    }

    /// What those rows add of which `is_taken` says so.
    pub(crate) fn deltas(&self, is_taken: &[bool]) -> Result<Vec<(&Part, Delta)>> {
        let mut deltas = self.deltas.clone();
        for (row, _) in self.rows.iter().zip(is_taken).filter(|(_, is_taken)| !**is_taken) {
            let change = row.change();
            let mut gone = EntrySums::default();
            entered(&change, &mut gone)?;
            delta_of(&mut deltas, change.part).take_back(&change, &gone.finish());
        }
        Ok(self.deltas.iter().map(|(part, _)| part).zip(deltas.into_iter().map(|(_, delta)| delta)).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }
}

/// The delta of `part`: nearly always the last one, since pairs of a module come together.
fn delta_of<'d, D: Default>(deltas: &'d mut Vec<(Part, D)>, part: &Part) -> &'d mut D {
    let at = match deltas.iter().rposition(|(known, _)| known == part) {
        Some(at) => at,
        None => {
            deltas.push((part.clone(), D::default()));
            deltas.len() - 1
        }
    };
    &mut deltas[at].1
}

/// Finds rows for pairs that are asked for in order.
pub(crate) struct Reader<'m> {
    rows: &'m [MadeRow],
    at: usize,
}

impl<'m> Reader<'m> {
    /// The row of `pair` in `module`, and its place, if it was made from the very same pair.
    pub(crate) fn find(&mut self, module: &str, pair: &KvPair) -> Option<(usize, &'m MadeRow)> {
        while self.rows.get(self.at).is_some_and(|row| row.order(module, &pair.key).is_lt()) {
            self.at += 1;
        }
        let row = self.rows.get(self.at)?;
        let is_its = row.order(module, &pair.key).is_eq() && !pair.delete && row.pair.1 == pair.value;
        is_its.then_some((self.at, row))
    }
}
