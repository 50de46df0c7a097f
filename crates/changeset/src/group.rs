//! Deterministic grouping of changes.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::message::{KvPair, NamedChangeSet};

/// One changeset per store, stores and keys in byte order, one pair per key: the last one wins.
pub fn group(changes: impl IntoIterator<Item = NamedChangeSet>) -> Vec<NamedChangeSet> {
    let mut stores: BTreeMap<String, BTreeMap<Bytes, KvPair>> = BTreeMap::new();
    for set in changes {
        let pairs = stores.entry(set.name).or_default();
        for pair in set.changeset.pairs {
            pairs.insert(pair.key.clone(), pair);
        }
    }
    stores.into_iter().map(|(name, pairs)| NamedChangeSet::new(name, pairs.into_values().collect())).collect()
}

/// Appends `changes` to what a block already has: a store written before gets the pairs behind its own, another store
/// comes last. At most one changeset per store, stores in the order in which they were first written.
pub fn append_in_order(block: &mut Vec<NamedChangeSet>, changes: impl IntoIterator<Item = NamedChangeSet>) {
    for set in changes {
        match block.iter_mut().find(|known| known.name == set.name) {
            Some(known) => known.changeset.pairs.extend(set.changeset.pairs),
            None => block.push(set),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flushes_of_a_block_are_concatenated_per_store_in_first_written_order() {
        let mut block = Vec::new();
        append_in_order(&mut block, [NamedChangeSet::new("b", vec![KvPair::set("k", "1")])]);
        append_in_order(
            &mut block,
            [
                NamedChangeSet::new("a", vec![KvPair::set("k", "2")]),
                NamedChangeSet::new("b", vec![KvPair::delete("k")]),
            ],
        );
        assert_eq!(block[0], NamedChangeSet::new("b", vec![KvPair::set("k", "1"), KvPair::delete("k")]));
        assert_eq!(block[1], NamedChangeSet::new("a", vec![KvPair::set("k", "2")]));
    }
}
