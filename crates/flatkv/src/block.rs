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
use crate::key::{Field, Key, locate};
use crate::lane::{Lane, PerLane};
use crate::lattice::{Lattices, Part};
use crate::made::{MadeRow, MadeRows};
use crate::options::Family;
use crate::row::{Op, check, next_row};
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
struct Touched<'a> {
    part: &'a Part,
    key: Key,
    before: Option<Row>,
    after: Pending,
    moved: Moved,
    /// The place of the made row that this is; its hash is in that one's sum.
    made: Option<usize>,
}

impl Touched<'_> {
    fn change(&self) -> RowChange<'_> {
        let (old, new) = (self.before.as_deref(), self.after.now.as_deref());
        RowChange { part: self.part, key: &self.key, old, new, moved: self.moved }
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
    /// the rows hold of the pairs that `moved` marks. Rows of those that were `made` before are not made again.
    pub(crate) fn apply(
        &mut self,
        database: &Database,
        changes: &[NamedChangeSet],
        moved: &[Vec<bool>],
        made: Option<MadeRows>,
        height: u64,
        threads: usize,
    ) -> Result<EntrySum> {
        let parts: Vec<_> = changes.iter().map(parts).collect();
        let made = made.and_then(|made| made.at(height));
        let mut changes = parse(changes, moved, made.as_ref(), &parts)?;
        // Stable, so that changes of one row keep their order. The migration hands over sorted runs, which this merges.
        changes.sort_by(|a, b| a.part.0.cmp(&b.part.0).then_with(|| a.key.cmp(&b.key)));
        let rows: Vec<&[Located<'_>]> = changes.chunk_by(Located::is_same_row).collect();
        let mut known = self.known(database, &rows)?.into_iter();

        let (mut touched, mut scratch) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in rows {
            // UNWRAP: `known` has an item per row.
            let pending = known.next().expect("an item per row");
            touched.push(touch(row, pending, height, &mut scratch)?);
        }
        let to_hash = touched.iter().filter(|row| row.made.is_none()).map(Touched::change);
        let deltas = deltas(&to_hash.collect::<Vec<_>>(), threads)?;
        let mut is_taken = vec![false; made.as_ref().map_or(0, MadeRows::len)];
        touched.iter().filter_map(|row| row.made).for_each(|at| is_taken[at] = true);
        let made = made.as_ref().map(|made| made.deltas(&is_taken)).transpose()?.unwrap_or_default();
        let mut entered = EntrySum::default();
        let mut lattices = self.lattices.clone();
        let all = deltas.into_iter().chain(made);
        lattices.apply(all.inspect(|(_, delta)| entered.merge(&delta.entered)))?;
        // Nothing fails from here on.
        self.lattices = lattices;
        self.log.reserve(touched.len());
        let mut touched = touched.into_iter().peekable();
        for lane in Lane::ALL {
            self.lay_over(lane, iter::from_fn(|| touched.next_if(|row| row.part.0 == lane)));
        }
        Ok(entered)
    }

    /// Lays rows of a lane, in key order, over the others.
    fn lay_over<'a>(&mut self, lane: Lane, rows: impl Iterator<Item = Touched<'a>>) {
        let (overlay, log) = (&mut self.overlay[lane], &mut self.log);
        if overlay.is_empty() {
            // A map is made of sorted rows in one go, without a search for each.
            *overlay = rows
                .map(|row| {
                    log.push(Step { lane, key: row.key.clone(), before: None });
                    (row.key, row.after)
                })
                .collect();
        } else {
            for row in rows {
                let before = overlay.insert(row.key.clone(), row.after);
                log.push(Step { lane, key: row.key, before });
            }
        }
    }

    /// The pending state of each row before the call: from the overlay, else from the database, many at once.
    fn known(&self, database: &Database, rows: &[&[Located<'_>]]) -> Result<Vec<Pending>> {
        let mut known = Vec::with_capacity(rows.len());
        for lane_rows in rows.chunk_by(|a, b| a[0].part.0 == b[0].part.0) {
            let lane = lane_rows[0][0].part.0;
            let overlay = &self.overlay[lane];
            let keys = lane_rows.iter().map(|row| row[0].key.as_ref());
            let unknown: Vec<&[u8]> = keys.clone().filter(|key| !overlay.contains_key(*key)).collect();
            let mut committed = database.get_sorted(Family::Rows(lane), &unknown)?.into_iter();
            known.extend(keys.map(|key| match overlay.get(key) {
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

/// A change and the place of its row.
struct Located<'a> {
    part: &'a Part,
    field: Field,
    key: Key,
    op: Op<'a>,
    /// Whether the migration moved it, rather than a caller wrote it.
    moved: bool,
    /// The row that was made of it, and its place among the made ones.
    made: Option<(usize, &'a MadeRow)>,
}

impl Located<'_> {
    fn is_same_row(&self, other: &Self) -> bool {
        self.part.0 == other.part.0 && self.key == other.key
    }
}

/// The parts of the module of `changes`, one per lane.
fn parts(changes: &NamedChangeSet) -> PerLane<Part> {
    let module: Arc<str> = Arc::from(changes.name.as_str());
    PerLane::from_fn(|lane| (lane, Arc::clone(&module)))
}

/// Finds the place of every change and checks its value. Of each changeset there are its parts.
fn parse<'a>(
    changes: &'a [NamedChangeSet],
    moved: &[Vec<bool>],
    made: Option<&'a MadeRows>,
    parts: &'a [PerLane<Part>],
) -> Result<Vec<Located<'a>>> {
    let mut located = Vec::with_capacity(changes.iter().map(|set| set.pairs().len()).sum());
    let mut physical = Vec::new();
    let mut made = made.map(MadeRows::reader);
    let marks = moved.iter().map(Vec::as_slice).chain(iter::repeat([].as_slice()));
    for ((set, parts), marks) in changes.iter().zip(parts).zip(marks) {
        for (pair, moved) in set.pairs().iter().zip(marks.iter().copied().chain(iter::repeat(false))) {
            let field = locate(&set.name, &pair.key, &mut physical)?;
            let op = if pair.delete { Op::Delete } else { Op::Set(&pair.value) };
            if let Op::Set(value) = op {
                check(field, value).map_err(|expected| FlatKvError::ValueLength {
                    module: set.name.clone(),
                    key: pair.key.to_vec(),
                    expected,
                    got: value.len(),
                })?;
            }
            let made = made.as_mut().filter(|_| moved).and_then(|made| made.find(&set.name, pair));
            let key = made.map_or_else(|| Arc::from(physical.as_slice()), |(_, row)| Arc::clone(&row.key));
            located.push(Located { part: &parts[field.lane()], field, key, op, moved, made });
        }
    }
    Ok(located)
}

/// Applies the changes of one row, in their order.
fn touch<'a>(changes: &[Located<'a>], pending: Pending, height: u64, scratch: &mut Vec<u8>) -> Result<Touched<'a>> {
    let Located { part, key, .. } = &changes[0];
    let before = pending.now;
    if let ([Located { made: Some((at, made)), field, .. }], None) = (changes, &before) {
        let mut moved = Moved::default();
        moved.insert(*field);
        let after = Pending { committed: pending.committed, now: made.row.clone() };
        return Ok(Touched { part, key: key.clone(), before, after, moved, made: Some(*at) });
    }
    let (mut now, mut moved) = (before.clone(), Moved::default());
    for change in changes {
        if change.moved {
            moved.insert(change.field);
        }
        let is_live = next_row(change.field, now.as_deref(), change.op, height, scratch)
            .map_err(|source| FlatKvError::Row { key: key.to_vec(), source })?;
        now = is_live.then(|| Row::from(scratch.as_slice()));
    }
    let after = Pending { committed: pending.committed, now };
    Ok(Touched { part, key: key.clone(), before, after, moved, made: None })
}
