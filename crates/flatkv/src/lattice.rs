//! The lattice states and row counts, per lane and module.
//!
//! ```text
//! entry   state 2048 | u64 big endian rows | u64 big endian bytes (physical keys and rows)
//! ```
//! The store's root is the root of the sum of all states.

use std::collections::BTreeMap;
use std::sync::Arc;

use lthash::{LtHash, Root};

use crate::codec::Fields;
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

    /// Adds a row.
    pub(crate) fn add(&mut self, key: &[u8], row: &[u8]) -> Option<()> {
        self.hash.add(key, row);
        self.totals.rows = self.totals.rows.checked_add(1)?;
        self.totals.bytes = self.totals.bytes.checked_add(weight(key, row))?;
        Some(())
    }

    /// Takes a row away.
    pub(crate) fn subtract(&mut self, key: &[u8], row: &[u8]) -> Option<()> {
        self.hash.subtract(key, row);
        self.totals.rows = self.totals.rows.checked_sub(1)?;
        self.totals.bytes = self.totals.bytes.checked_sub(weight(key, row))?;
        Some(())
    }
}

fn weight(key: &[u8], row: &[u8]) -> u64 {
    key.len() as u64 + row.len() as u64
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

    /// Replaces a row: the element of `old` goes, that of `new` comes.
    pub(crate) fn replace(&mut self, part: &Part, key: &[u8], old: Option<&[u8]>, new: Option<&[u8]>) -> Result<()> {
        if !self.0.contains_key(part) {
            self.0.insert(part.clone(), Arc::default());
        }
        // UNWRAP: inserted above when it was absent.
        let entry = Arc::make_mut(self.0.get_mut(part).expect("an entry"));
        let counted = old
            .map_or(Some(()), |row| entry.subtract(key, row))
            .and_then(|()| new.map_or(Some(()), |row| entry.add(key, row)));
        counted.ok_or_else(|| FlatKvError::Counts { lane: part.0, module: part.1.to_string() })
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

    fn part(lane: Lane, module: &str) -> Part {
        (lane, module.into())
    }

    #[test]
    fn an_entry_survives_its_bytes_and_every_other_length_is_refused() {
        let mut entry = Entry::default();
        entry.add(b"k", b"row").expect("counts");
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
        before.replace(&a, b"a/1", None, Some(b"x")).expect("counts");
        let mut after = before.clone();
        after.replace(&b, b"b/1", None, Some(b"y")).expect("counts");
        let changed: Vec<_> = after.changed(&before).map(|(part, _, old)| (part.clone(), old.is_some())).collect();
        assert_eq!(changed, [(b, false)]);
    }

    #[test]
    fn removing_a_row_that_was_never_counted_is_refused() {
        let result = Lattices::default().replace(&part(Lane::Code, "evm"), b"evm/7", Some(b"x"), None);
        assert!(matches!(result, Err(FlatKvError::Counts { lane: Lane::Code, .. })));
    }

    #[test]
    fn the_root_is_that_of_the_sum_whatever_the_lanes() {
        let (mut split, mut whole) = (Lattices::default(), LtHash::new());
        for (lane, module, key) in [(Lane::Misc, "a", "a/1"), (Lane::Code, "evm", "evm/2"), (Lane::Misc, "b", "b/3")] {
            split.replace(&part(lane, module), key.as_bytes(), None, Some(b"row")).expect("counts");
            whole.add(key.as_bytes(), b"row");
        }
        assert_eq!(split.root(), whole.root());
    }
}
