//! What row changes do to lattice states and totals, computed on as many threads as there is work for.
//!
//! A sum does not care about order, so each thread sums a run of the changes and the runs' sums are added up. Hashing the
//! elements is most of what applying a block costs.

use changeset::{EntrySum, EntrySums};
use lthash::{LtHash, RowSum};

use crate::entered::{Moved, entered};
use crate::error::Result;
use crate::lattice::{Part, Totals};

/// Fewer changes than this are not worth a thread: starting one took as long as hashing some 30 rows,
/// before there was a pool.
const CHANGES_PER_THREAD_MIN: usize = 128;

/// A row's change: none for a row that is not there.
#[derive(Clone, Copy)]
pub(crate) struct RowChange<'a> {
    pub(crate) part: &'a Part,
    pub(crate) key: &'a [u8],
    pub(crate) old: Option<&'a [u8]>,
    pub(crate) new: Option<&'a [u8]>,
    pub(crate) moved: Moved,
}

/// The sum of changes of one lane and module.
#[derive(Clone, Default)]
pub(crate) struct Delta {
    /// The elements of new rows less those of old ones.
    pub(crate) hash: LtHash,
    pub(crate) added: Totals,
    pub(crate) removed: Totals,
    /// What of the moved pairs the new rows hold.
    pub(crate) entered: EntrySum,
}

impl Delta {
    /// Takes back what adding the row of `change`, and of its moved pairs `gone`, has added.
    pub(crate) fn take_back(&mut self, change: &RowChange<'_>, gone: &EntrySum) {
        if let Some(row) = change.new {
            self.hash.subtract(change.key, row);
            self.added.uncount(change.key, row);
        }
        self.entered.unmerge(gone);
    }
}

/// A delta that changes are still added to.
#[derive(Default)]
pub(crate) struct DeltaSum {
    hash: RowSum,
    added: Totals,
    removed: Totals,
    entered: EntrySums,
}

impl DeltaSum {
    /// Adds the change of a row.
    pub(crate) fn change(&mut self, change: &RowChange<'_>) -> Result<()> {
        if let Some(old) = change.old {
            self.hash.subtract(change.key, old);
            self.removed.count(change.key, old);
        }
        if let Some(new) = change.new {
            self.hash.add(change.key, new);
            self.added.count(change.key, new);
        }
        entered(change, &mut self.entered)
    }

    /// The delta.
    pub(crate) fn finish(self) -> Delta {
        let Self { hash, added, removed, entered } = self;
        Delta { hash: hash.finish(), added, removed, entered: entered.finish() }
    }
}

/// The deltas of `changes`, on up to `threads` threads. A lane and module may come more than once.
pub(crate) fn deltas<'a>(changes: &[RowChange<'a>], threads: usize) -> Result<Vec<(&'a Part, Delta)>> {
    let threads = threads.min(changes.len() / CHANGES_PER_THREAD_MIN).max(1);
    let runs = changes.chunks(changes.len().div_ceil(threads).max(1));
    let mut deltas = Vec::new();
    for summed in beside::each(runs, sum) {
        deltas.append(&mut summed?);
    }
    Ok(deltas)
}

/// The deltas of a run. Changes are sorted, so those of a part follow each other.
fn sum<'a>(run: &[RowChange<'a>]) -> Result<Vec<(&'a Part, Delta)>> {
    let of_parts = run.chunk_by(|a, b| a.part == b.part);
    let sum = |changes: &[RowChange<'a>]| {
        let mut sum = DeltaSum::default();
        changes.iter().try_for_each(|change| sum.change(change))?;
        Ok((changes[0].part, sum.finish()))
    };
    of_parts.map(sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::Lane;
    use crate::lattice::Lattices;

    #[test]
    fn any_number_of_threads_leads_to_the_same_lattices() {
        let parts: Vec<Part> = ["a", "b", "c"].map(|module| (Lane::Misc, module.into())).to_vec();
        let rows: Vec<_> = (0..1000_u32).map(u32::to_be_bytes).collect();
        let changes: Vec<_> = rows
            .iter()
            .enumerate()
            .map(|(at, row)| RowChange {
                part: &parts[at / 400],
                key: row,
                old: None,
                new: Some(row),
                moved: Moved::default(),
            })
            .collect();
        let lattices = |threads| {
            let mut lattices = Lattices::default();
            lattices.apply(deltas(&changes, threads).expect("hashes")).expect("counts");
            lattices
        };
        let alone = lattices(1);
        assert_eq!(alone.iter().map(|(_, entry)| entry.totals.rows).collect::<Vec<_>>(), [400, 400, 200]);
        for threads in [2, 3, 7, 64] {
            assert_eq!(lattices(threads), alone, "threads={threads}");
        }
        assert!(deltas(&[], 4).expect("hashes").is_empty());
    }
}
