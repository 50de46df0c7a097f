//! The plan of a flush: what it does to each store, in the order that all nodes share.
//!
//! ```text
//! the batch     comes in key order, each key once
//! the caller    pairs in any order; the last one of a key wins, over the batch too
//! the plan      one changeset per store, stores and keys in byte order
//! ```
//! So the caller's pairs are sorted and laid over the batch, and nothing is looked up in a map.

use std::collections::BTreeMap;
use std::time::Duration;

use boundary::Boundary;
use changeset::{EntrySum, EntrySums, KvPair, NamedChangeSet};

use crate::batch::Batch;
use crate::observer::FlushReport;

/// What a flush does to each store: one changeset per store, stores and keys in byte order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FlushPlan {
    /// Changes of the old store.
    pub old: Vec<NamedChangeSet>,
    /// Changes of the new store, the migration's own records last.
    pub new: Vec<NamedChangeSet>,
    /// Which of those the batch moved, per changeset and pair; where it ends, none.
    pub new_moved: Vec<Vec<bool>>,
    /// The sum over the leaves that the batch moved, less those that a caller's write in the same flush replaces.
    pub left: EntrySum,
    /// What the plan does, in figures.
    pub report: FlushReport,
    /// Keys that the batch moved, per module in the order of the walk.
    pub moved: Vec<(String, u64)>,
    /// How long the planner waited for the manager's lock.
    pub lock_wait: Duration,
}

/// A batch as both stores take it: one changeset per module in the order of the walk, keys strictly ascending.
#[derive(Debug)]
pub(crate) struct Moving {
    /// Deletes for old.
    pub(crate) leaves: Vec<NamedChangeSet>,
    /// The same keys with their values for new.
    pub(crate) enters: Vec<NamedChangeSet>,
    key_bytes: u64,
    value_bytes: u64,
    /// The sum over the leaves.
    left: EntrySum,
    /// Where the cursor stands after the batch.
    pub(crate) boundary: Boundary,
}

impl Moving {
    /// The pairs of `batch`, which was taken from `trees`.
    pub(crate) fn of(trees: &[String], batch: Batch) -> Self {
        let Batch { pairs, key_bytes, value_bytes, boundary } = batch;
        let mut left = EntrySums::default();
        let (mut leaves, mut enters) = (Vec::new(), Vec::new());
        for pairs in pairs.chunk_by(|(tree, ..), (other, ..)| tree == other) {
            let module = &trees[pairs[0].0];
            pairs.iter().for_each(|(_, key, value)| left.add(module, key, value));
            let deletes = pairs.iter().map(|(_, key, _)| KvPair::delete(key.clone())).collect();
            leaves.push(NamedChangeSet::new(module.clone(), deletes));
            let sets = pairs.iter().map(|(_, key, value)| KvPair::set(key.clone(), value.clone())).collect();
            enters.push(NamedChangeSet::new(module.clone(), sets));
        }
        Self { leaves, enters, key_bytes, value_bytes, left: left.finish(), boundary }
    }
}

/// A flush while it is being planned.
#[derive(Default)]
pub(crate) struct Plan {
    old: BTreeMap<String, Changes>,
    new: BTreeMap<String, Changes>,
    report: FlushReport,
    moved: Vec<(String, u64)>,
    left: EntrySum,
    lock_wait: Duration,
}

/// The changes of one store's module.
#[derive(Default)]
struct Changes {
    /// Those of the batch, keys strictly ascending.
    moved: Vec<KvPair>,
    /// Those of the caller, in the order given.
    routed: Vec<KvPair>,
}

impl Plan {
    /// An empty plan, made after waiting so long for the manager.
    pub(crate) fn new(lock_wait: Duration) -> Self {
        Self { lock_wait, ..Self::default() }
    }

    /// Each key of the batch leaves old and enters new.
    pub(crate) fn take_batch(&mut self, moving: Moving) {
        self.report.advanced = true;
        self.report.moved_keys = moving.enters.iter().map(|set| set.pairs().len() as u64).sum();
        self.report.moved_key_bytes = moving.key_bytes;
        self.report.moved_value_bytes = moving.value_bytes;
        self.left = moving.left;
        for set in moving.leaves {
            changes(&mut self.old, &set.name).moved = set.changeset.pairs;
        }
        for set in moving.enters {
            self.moved.push((set.name.clone(), set.pairs().len() as u64));
            changes(&mut self.new, &set.name).moved = set.changeset.pairs;
        }
    }

    /// A caller's pair goes to old.
    pub(crate) fn route_old(&mut self, module: &str, pair: KvPair) {
        self.report.routed_old += 1;
        changes(&mut self.old, module).routed.push(pair);
    }

    /// A caller's pair goes to new.
    pub(crate) fn route_new(&mut self, module: &str, pair: KvPair) {
        self.report.routed_new += 1;
        changes(&mut self.new, module).routed.push(pair);
    }

    /// All of a caller's pairs go to new.
    pub(crate) fn route_all_new(&mut self, set: NamedChangeSet) {
        self.report.routed_new += set.pairs().len() as u64;
        changes(&mut self.new, &set.name).routed.extend(set.changeset.pairs);
    }

    /// The plan, with the migration's own `records`.
    pub(crate) fn finish(mut self, records: Option<NamedChangeSet>) -> FlushPlan {
        let (old, _) = in_order(self.old, |_, _| {});
        // What a caller's write replaces never enters the new store.
        let (mut new, new_moved) =
            in_order(self.new, |module, replaced| self.left.subtract(module, &replaced.key, &replaced.value));
        new.extend(records);
        let count = |sets: &[NamedChangeSet]| sets.iter().map(|set| set.pairs().len() as u64).sum();
        self.report.written_old = count(&old);
        self.report.written_new = count(&new);
        let Self { report, moved, left, lock_wait, .. } = self;
        FlushPlan { old, new, new_moved, left, report, moved, lock_wait }
    }
}

fn changes<'a>(stores: &'a mut BTreeMap<String, Changes>, module: &str) -> &'a mut Changes {
    if !stores.contains_key(module) {
        stores.insert(module.to_owned(), Changes::default());
    }
    // UNWRAP: the lines above have put it there.
    stores.get_mut(module).expect("a module's changes")
}

/// One changeset per module that has a pair, and which of its pairs the batch moved. Pairs of the batch that a caller's
/// replaces are handed to `replaced`.
fn in_order(
    stores: BTreeMap<String, Changes>,
    mut replaced: impl FnMut(&str, &KvPair),
) -> (Vec<NamedChangeSet>, Vec<Vec<bool>>) {
    let laid_over = stores.into_iter().map(|(name, changes)| {
        let (pairs, moved) = changes.laid_over(|pair| replaced(&name, pair));
        (NamedChangeSet::new(name, pairs), moved)
    });
    laid_over.filter(|(set, _)| !set.pairs().is_empty()).unzip()
}

impl Changes {
    /// The caller's pairs over the batch's, in key order, one per key, and which of them are the batch's.
    fn laid_over(self, mut replaced: impl FnMut(&KvPair)) -> (Vec<KvPair>, Vec<bool>) {
        let Self { moved, mut routed } = self;
        if routed.is_empty() {
            let marks = vec![true; moved.len()];
            return (moved, marks);
        }
        // Stable: of pairs with one key the last one given stays last, and wins.
        routed.sort_by(|a, b| a.key.cmp(&b.key));
        let room = moved.len() + routed.len();
        let (mut all, mut marks) = (Vec::with_capacity(room), Vec::with_capacity(room));
        let mut moved = moved.into_iter().peekable();
        for pair in routed {
            while let Some(before) = moved.next_if(|before| before.key < pair.key) {
                all.push(before);
                marks.push(true);
            }
            if let Some(same) = moved.next_if(|same| same.key == pair.key) {
                replaced(&same);
            }
            match all.last_mut() {
                Some(last) if last.key == pair.key => *last = pair,
                _ => {
                    all.push(pair);
                    marks.push(false);
                }
            }
        }
        all.extend(moved);
        marks.resize(all.len(), true);
        (all, marks)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pair() -> impl Strategy<Value = KvPair> {
        let key = prop::collection::vec(0_u8..4, 0..3);
        (key, any::<bool>(), any::<u8>()).prop_map(|(key, delete, value)| match delete {
            true => KvPair::delete(key),
            false => KvPair::set(key, vec![value]),
        })
    }

    proptest! {
        #[test]
        fn the_last_pair_of_a_key_wins_and_keys_ascend(
            moved in prop::collection::vec(pair(), 0..20), routed in prop::collection::vec(pair(), 0..20),
        ) {
            let by_key = |pairs: &[KvPair]| -> BTreeMap<_, _> {
                pairs.iter().map(|pair| (pair.key.clone(), pair.clone())).collect()
            };
            let moved: Vec<_> = by_key(&moved).into_values().collect();
            let expected: Vec<_> = by_key(&[moved.clone(), routed.clone()].concat()).into_values().collect();
            let written = by_key(&routed);
            let marks: Vec<_> = expected.iter().map(|pair| !written.contains_key(&pair.key)).collect();
            let gone: Vec<_> = moved.iter().filter(|pair| written.contains_key(&pair.key)).cloned().collect();
            let mut replaced = Vec::new();
            let laid_over = Changes { moved, routed }.laid_over(|pair| replaced.push(pair.clone()));
            prop_assert_eq!(laid_over, (expected, marks));
            prop_assert_eq!(replaced, gone);
        }
    }
}
