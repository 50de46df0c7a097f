//! The block in work: pending rows over the committed ones, and the lattice states that they lead to.
//!
//! A row's committed bytes are read once per block, when a change first touches it, and stay beside the pending ones: the
//! commit needs them for the undo record.

use std::collections::BTreeMap;
use std::iter;
use std::sync::Arc;

use changeset::{EntrySum, NamedChangeSet};

use crate::delta::{Delta, RowChange, deltas};
use crate::entered::Moved;
use crate::error::{FlatKvError, Result};
use crate::key::{Key, locate};
use crate::lane::{Lane, PerLane};
use crate::lattice::{Lattices, Part};
use crate::options::Family;
use crate::row::{Change, Op, check, next_row};
use crate::source::Database;

/// A row's bytes, shared between the overlay and the log.
pub(crate) type Row = Arc<[u8]>;

/// A row that the block has touched.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    /// The row before the block.
    pub(crate) committed: Option<Row>,
    /// The row as the block leaves it.
    pub(crate) now: Option<Row>,
}

/// The rows that the block has touched, per lane in key order.
pub(crate) type Overlay = PerLane<BTreeMap<Key, Pending>>;

/// One row of the log: what a change found in the overlay.
struct Step {
    lane: Lane,
    key: Key,
    before: Option<Pending>,
}

/// The state before a flush.
pub struct Savepoint {
    block: u64,
    steps: usize,
    lattices: Lattices,
}

/// The block in work.
#[derive(Default)]
pub(crate) struct Block {
    overlay: Overlay,
    log: Vec<Step>,
    lattices: Lattices,
    /// Counts blocks, so that a savepoint of an earlier one is noticed.
    number: u64,
}

/// A row as one call of `apply` changes it.
struct Touched {
    lane: Lane,
    key: Key,
    part: Part,
    before: Option<Row>,
    after: Pending,
    moved: Moved,
}

impl Touched {
    fn change(&self) -> RowChange<'_> {
        let (old, new) = (self.before.as_deref(), self.after.now.as_deref());
        RowChange { part: &self.part, key: &self.key, old, new, moved: self.moved }
    }
}

impl Block {
    /// An empty block over the committed `lattices`.
    pub(crate) fn new(lattices: Lattices) -> Self {
        Self { lattices, ..Self::default() }
    }

    pub(crate) fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    pub(crate) fn lattices(&self) -> &Lattices {
        &self.lattices
    }

    /// Adds to the states what was done to rows past the block.
    pub(crate) fn add<'a>(&mut self, deltas: impl IntoIterator<Item = (&'a Part, Delta)>) -> Result<()> {
        self.lattices.apply(deltas)
    }

    /// Rows that the block has touched.
    pub(crate) fn rows(&self) -> usize {
        self.overlay.iter().map(|(_, rows)| rows.len()).sum()
    }

    /// Starts the next block over the committed `lattices`.
    pub(crate) fn reset(&mut self, lattices: Lattices) {
        let number = self.number + 1;
        *self = Self { number, lattices, ..Self::default() };
    }

    pub(crate) fn savepoint(&self) -> Savepoint {
        Savepoint { block: self.number, steps: self.log.len(), lattices: self.lattices.clone() }
    }

    /// Back to a savepoint of this block.
    ///
    /// # Panics
    /// On a savepoint of another block, or of a state that an earlier restore has left: the caller's mistake.
    pub(crate) fn restore(&mut self, savepoint: Savepoint) {
        assert_eq!(savepoint.block, self.number, "savepoint is of another block");
        assert!(savepoint.steps <= self.log.len(), "savepoint is of a state that was left");
        for step in self.log.drain(savepoint.steps..).rev() {
            match step.before {
                Some(pending) => self.overlay[step.lane].insert(step.key, pending),
                None => self.overlay[step.lane].remove(&step.key),
            };
        }
        self.lattices = savepoint.lattices;
    }

    /// Applies changes as of `height`, hashing on up to `threads` threads; all of them or, on an error, none. Returns what
    /// the rows hold of the pairs that `moved` marks.
    pub(crate) fn apply(
        &mut self,
        database: &Database,
        changes: &[NamedChangeSet],
        moved: &[Vec<bool>],
        height: u64,
        threads: usize,
    ) -> Result<EntrySum> {
        let mut changes = parse(changes, moved)?;
        // Stable, so that changes of one row keep their order. The migration hands over sorted runs, which this merges.
        changes.sort_by(|a, b| a.lane().cmp(&b.lane()).then_with(|| a.change.key.cmp(&b.change.key)));
        let rows: Vec<&[Located]> = changes.chunk_by(|a, b| a.is_same_row(b)).collect();
        let mut known = self.known(database, &rows)?.into_iter();

        let mut touched = Vec::with_capacity(rows.len());
        for row in rows {
            // UNWRAP: `known` has an item per row.
            let pending = known.next().expect("an item per row");
            touched.push(touch(row, pending, height)?);
        }
        let deltas = deltas(&touched.iter().map(Touched::change).collect::<Vec<_>>(), threads)?;
        let mut entered = EntrySum::default();
        deltas.iter().for_each(|(_, delta)| entered.merge(&delta.entered));
        let mut lattices = self.lattices.clone();
        lattices.apply(deltas)?;
        // Nothing fails from here on.
        self.lattices = lattices;
        for row in touched {
            let before = self.overlay[row.lane].insert(row.key.clone(), row.after);
            self.log.push(Step { lane: row.lane, key: row.key, before });
        }
        Ok(entered)
    }

    /// The pending state of each row before the call: from the overlay, else from the database, many at once.
    fn known(&self, database: &Database, rows: &[&[Located]]) -> Result<Vec<Pending>> {
        let mut known = Vec::with_capacity(rows.len());
        for lane_rows in rows.chunk_by(|a, b| a[0].lane() == b[0].lane()) {
            let lane = lane_rows[0][0].lane();
            let keys = lane_rows.iter().map(|row| &row[0].change.key);
            let unknown = keys.clone().filter(|key| !self.overlay[lane].contains_key(*key)).map(AsRef::as_ref);
            let mut committed = database.get_sorted::<[u8]>(Family::Rows(lane), unknown)?.into_iter();
            known.extend(keys.map(|key| match self.overlay[lane].get(key) {
                Some(pending) => pending.clone(),
                None => {
                    let committed = committed.next().flatten();
                    Pending { now: committed.clone(), committed }
                }
            }));
        }
        Ok(known)
    }
}

/// A change and the module that it came under.
struct Located {
    change: Change,
    module: Arc<str>,
    /// Whether the migration moved it, rather than a caller wrote it.
    moved: bool,
}

impl Located {
    fn lane(&self) -> Lane {
        self.change.field.lane()
    }

    fn is_same_row(&self, other: &Self) -> bool {
        self.lane() == other.lane() && self.change.key == other.change.key
    }
}

/// Finds the place of every change and checks its value.
fn parse(changes: &[NamedChangeSet], moved: &[Vec<bool>]) -> Result<Vec<Located>> {
    let mut located = Vec::with_capacity(changes.iter().map(|set| set.pairs().len()).sum());
    let mut physical = Vec::new();
    for (at, set) in changes.iter().enumerate() {
        let module: Arc<str> = Arc::from(set.name.as_str());
        let moved = moved.get(at).map(Vec::as_slice).unwrap_or_default();
        for (pair, moved) in set.pairs().iter().zip(moved.iter().copied().chain(iter::repeat(false))) {
            let field = locate(&set.name, &pair.key, &mut physical)?;
            let op = if pair.delete { Op::Delete } else { Op::Set(pair.value.clone()) };
            if let Op::Set(value) = &op {
                check(field, value).map_err(|expected| FlatKvError::ValueLength {
                    module: set.name.clone(),
                    key: pair.key.to_vec(),
                    expected,
                    got: value.len(),
                })?;
            }
            let change = Change { field, key: Arc::from(physical.as_slice()), op };
            located.push(Located { change, module: module.clone(), moved });
        }
    }
    Ok(located)
}

/// Applies the changes of one row, in their order.
fn touch(changes: &[Located], pending: Pending, height: u64) -> Result<Touched> {
    let Located { change: Change { key, .. }, module, .. } = &changes[0];
    let lane = changes[0].lane();
    let before = pending.now;
    let (mut now, mut fields) = (before.clone(), Moved::default());
    for Located { change, moved, .. } in changes {
        if *moved {
            fields.insert(change.field);
        }
        now = next_row(change.field, now.as_deref(), &change.op, height)
            .map_err(|source| FlatKvError::Row { key: key.to_vec(), source })?
            .map(Row::from);
    }
    let after = Pending { committed: pending.committed, now };
    Ok(Touched { lane, key: key.clone(), part: (lane, module.clone()), before, after, moved: fields })
}
