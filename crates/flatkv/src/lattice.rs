//! The lattice states and row counts, per lane and module.
//!
//! ```text
//! entry   state 2048 | u64 big endian rows | u64 big endian bytes (physical keys and rows)
//! ```
//! The store's root is the root of the sum of all states.

use std::collections::BTreeMap;
use std::sync::Arc;

use lthash::{LtHash, Root, RowSum};

use crate::codec::Fields;
use crate::delta::Delta;
use crate::error::{FlatKvError, Result};
use crate::lane::Lane;

/// Row count and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Rows.
    pub rows: u64,
    /// Bytes of their physical keys and serialized values.
    pub bytes: u64,
}

/// One lane's and module's state and totals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) hash: LtHash,
    pub(crate) totals: Totals,
}

impl Entry {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(lthash::STATE_BYTES + 16);
        bytes.extend_from_slice(&self.hash.to_bytes());
        bytes.extend_from_slice(&self.totals.rows.to_be_bytes());
        bytes.extend_from_slice(&self.totals.bytes.to_be_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut fields = Fields::new("lattice", bytes);
        let hash = LtHash::from_bytes(fields.array()?);
        let totals = Totals { rows: fields.u64()?, bytes: fields.u64()? };
        fields.end()?;
        Ok(Self { hash, totals })
    }

    /// Adds what a delta adds and takes away what it takes away; none if the totals would leave their range.
    fn apply(&mut self, delta: &Delta) -> Option<()> {
        self.hash.merge(&delta.hash);
        self.totals = self.totals.checked_add(delta.added)?.checked_sub(delta.removed)?;
        Some(())
    }
}

/// Rows of one lane and module that are still being added up.
#[derive(Default)]
pub(crate) struct EntryRows {
    hash: RowSum,
    totals: Totals,
}

impl EntryRows {
    /// Adds a row.
    pub(crate) fn add(&mut self, key: &[u8], row: &[u8]) {
        self.hash.add(key, row);
        self.totals.count(key, row);
    }

    /// What they add up to.
    pub(crate) fn finish(self) -> Entry {
        Entry { hash: self.hash.finish(), totals: self.totals }
    }
}

impl Totals {
    fn checked_add(self, other: Self) -> Option<Self> {
        Some(Self { rows: self.rows.checked_add(other.rows)?, bytes: self.bytes.checked_add(other.bytes)? })
    }

    fn checked_sub(self, other: Self) -> Option<Self> {
        Some(Self { rows: self.rows.checked_sub(other.rows)?, bytes: self.bytes.checked_sub(other.bytes)? })
    }

    /// Both together, as far as they can be counted.
    pub(crate) fn saturating_add(self, other: Self) -> Self {
        Self { rows: self.rows.saturating_add(other.rows), bytes: self.bytes.saturating_add(other.bytes) }
    }

    /// Takes a row's count away.
    pub(crate) fn uncount(&mut self, key: &[u8], row: &[u8]) {
        self.rows = self.rows.wrapping_sub(1);
        self.bytes = self.bytes.wrapping_sub(key.len() as u64 + row.len() as u64);
    }

    /// Counts a row.
    pub(crate) fn count(&mut self, key: &[u8], row: &[u8]) {
        self.rows = self.rows.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(key.len() as u64 + row.len() as u64);
    }
}

/// A lane and a module in it.
pub(crate) type Part = (Lane, Arc<str>);

/// All entries. A clone shares them; a change copies the entry that it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lattices(BTreeMap<Part, Arc<Entry>>);

impl Lattices {
    pub(crate) fn insert(&mut self, part: Part, entry: Entry) {
        self.0.insert(part, Arc::new(entry));
    }

    pub(crate) fn remove(&mut self, part: &Part) {
        self.0.remove(part);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Part, &Entry)> {
        self.0.iter().map(|(part, entry)| (part, entry.as_ref()))
    }

    /// The entries that differ from those of `before`, which may lack some, with the ones before.
    pub(crate) fn changed<'a>(
        &'a self,
        before: &'a Self,
    ) -> impl Iterator<Item = (&'a Part, &'a Entry, Option<&'a Entry>)> {
        self.0.iter().filter_map(|(part, entry)| match before.0.get(part) {
            Some(old) if Arc::ptr_eq(old, entry) => None,
            old => Some((part, entry.as_ref(), old.map(AsRef::as_ref))),
        })
    }

    /// Applies the deltas of row changes.
    pub(crate) fn apply<'a>(&mut self, deltas: impl IntoIterator<Item = (&'a Part, Delta)>) -> Result<()> {
        for (part, delta) in deltas {
            let entry = Arc::make_mut(self.0.entry(part.clone()).or_default());
            let counts = || FlatKvError::Counts { lane: part.0, module: part.1.to_string() };
            entry.apply(&delta).ok_or_else(counts)?;
        }
        Ok(())
    }

    /// The state of the whole store.
    pub(crate) fn sum(&self) -> LtHash {
        let mut sum = LtHash::new();
        for entry in self.0.values() {
            sum.merge(&entry.hash);
        }
        sum
    }

    /// The store's root.
    pub(crate) fn root(&self) -> Root {
        self.sum().root()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::{RowChange, deltas};
    use crate::entered::Moved;

    fn part(lane: Lane, module: &str) -> Part {
        (lane, module.into())
    }

    fn replace(lattices: &mut Lattices, part: &Part, key: &[u8], old: Option<&[u8]>, new: Option<&[u8]>) -> Result<()> {
        lattices.apply(deltas(&[RowChange { part, key, old, new, moved: Moved::default() }], 1)?)
    }

    #[test]
    fn an_entry_survives_its_bytes_and_every_other_length_is_refused() {
        let mut entry = Entry { hash: LtHash::new(), totals: Totals { rows: 1, bytes: 4 } };
        entry.hash.add(b"k", b"row");
        let bytes = entry.encode();
        assert_eq!(Entry::decode(&bytes).expect("decodes"), entry);
        for length in [0, 2047, bytes.len() - 1] {
            assert!(matches!(Entry::decode(&bytes[..length]), Err(FlatKvError::Record { record: "lattice", .. })));
        }
        assert!(Entry::decode(&[bytes, vec![0]].concat()).is_err());
    }

    #[test]
    fn only_entries_that_changed_are_told() {
        let (a, b) = (part(Lane::Misc, "a"), part(Lane::Misc, "b"));
        let mut before = Lattices::default();
        replace(&mut before, &a, b"a/1", None, Some(b"x")).expect("counts");
        let mut after = before.clone();
        replace(&mut after, &b, b"b/1", None, Some(b"y")).expect("counts");
        let changed: Vec<_> = after.changed(&before).map(|(part, _, old)| (part.clone(), old.is_some())).collect();
        assert_eq!(changed, [(b, false)]);
    }

    #[test]
    fn removing_a_row_that_was_never_counted_is_refused() {
        let result = replace(&mut Lattices::default(), &part(Lane::Code, "evm"), b"evm/7", Some(b"x"), None);
        assert!(matches!(result, Err(FlatKvError::Counts { lane: Lane::Code, .. })));
    }

    #[test]
    fn the_root_is_that_of_the_sum_whatever_the_lanes() {
        let (mut split, mut whole) = (Lattices::default(), LtHash::new());
        for (lane, module, key) in [(Lane::Misc, "a", "a/1"), (Lane::Code, "evm", "evm/2"), (Lane::Misc, "b", "b/3")] {
            replace(&mut split, &part(lane, module), key.as_bytes(), None, Some(b"row")).expect("counts");
            whole.add(key.as_bytes(), b"row");
        }
        assert_eq!(split.root(), whole.root());
    }
}
