//! The state as transactions see it: what was there, and over it what the block has changed so far.

use std::collections::BTreeMap;

use bytes::Bytes;
use ferry::{KvPair, NamedChangeSet, Node, View};

use crate::error::Error;

/// What can be read: a node, a view of a block, a map.
pub trait Read {
    /// The value of a key; none if it is absent.
    ///
    /// # Errors
    /// The store's.
    fn get(&self, module: &'static str, key: &[u8]) -> Result<Option<Bytes>, Error>;

    /// A number; 0 if it is absent.
    ///
    /// # Errors
    /// The store's; a value that is no number.
    fn number(&self, module: &'static str, key: &[u8]) -> Result<u64, Error> {
        let Some(value) = self.get(module, key)? else { return Ok(0) };
        let number = value.as_ref().try_into().map_err(|_| Error::Value {
            module,
            key: hex::encode(key),
            expected: size_of::<u64>(),
            got: value.len(),
        })?;
        Ok(u64::from_be_bytes(number))
    }
}

impl Read for Node {
    fn get(&self, module: &'static str, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(Self::get(self, module, key)?)
    }
}

impl Read for View {
    fn get(&self, module: &'static str, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(Self::get(self, module, key).map_err(ferry::Error::from)?)
    }
}

/// A whole state in memory, by module and key: what a model of the chain is run on.
pub type Pairs = BTreeMap<(&'static str, Vec<u8>), Bytes>;

impl Read for Pairs {
    fn get(&self, module: &'static str, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(BTreeMap::get(self, &(module, key.to_vec())).cloned())
    }
}

/// Changes over something that is read. They can lie over one another: a block's over the node, a transaction's over the
/// block's.
pub struct Overlay<'a, R> {
    base: &'a R,
    changes: BTreeMap<(&'static str, Vec<u8>), Option<Bytes>>,
}

impl<'a, R: Read> Overlay<'a, R> {
    /// No changes yet.
    pub fn new(base: &'a R) -> Self {
        Self { base, changes: BTreeMap::new() }
    }

    pub(crate) fn set(&mut self, module: &'static str, key: Vec<u8>, value: impl Into<Bytes>) {
        self.changes.insert((module, key), Some(value.into()));
    }

    pub(crate) fn delete(&mut self, module: &'static str, key: Vec<u8>) {
        self.changes.insert((module, key), None);
    }

    /// Writes a number; 0 is written by removing the key.
    pub(crate) fn set_number(&mut self, module: &'static str, key: Vec<u8>, number: u64) {
        match number {
            0 => self.delete(module, key),
            _ => self.set(module, key, number.to_be_bytes().to_vec()),
        }
    }

    /// The changes alone.
    pub fn into_changes(self) -> Changes {
        Changes(self.changes)
    }

    /// Takes over the changes of an overlay that lay over this one.
    pub(crate) fn take(&mut self, changes: Changes) {
        self.changes.extend(changes.0);
    }
}

impl<R: Read> Read for Overlay<'_, R> {
    fn get(&self, module: &'static str, key: &[u8]) -> Result<Option<Bytes>, Error> {
        match self.changes.get(&(module, key.to_vec())) {
            Some(change) => Ok(change.clone()),
            None => self.base.get(module, key),
        }
    }
}

/// What was changed: each key once, with its new value or none.
pub struct Changes(BTreeMap<(&'static str, Vec<u8>), Option<Bytes>>);

impl Changes {
    /// As a node takes them: a changeset a module.
    pub(crate) fn into_changesets(self) -> Vec<NamedChangeSet> {
        let mut modules: BTreeMap<&str, Vec<KvPair>> = BTreeMap::new();
        for ((module, key), change) in self.0 {
            modules.entry(module).or_default().push(match change {
                Some(value) => KvPair::set(key, value),
                None => KvPair::delete(key),
            });
        }
        modules.into_iter().map(|(module, pairs)| NamedChangeSet::new(module, pairs)).collect()
    }

    /// Makes them in a state in memory.
    pub fn write_to(self, pairs: &mut Pairs) {
        for (key, change) in self.0 {
            match change {
                Some(value) => drop(pairs.insert(key, value)),
                None => drop(pairs.remove(&key)),
            }
        }
    }
}
