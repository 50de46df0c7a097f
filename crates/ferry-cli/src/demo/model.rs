//! What the state must be: every key with the height that wrote it, from which its value follows.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::keyspace::{Class, Keyspace};

/// The oracle: one ordered map a store.
pub(super) struct Model {
    keyspace: Keyspace,
    stores: BTreeMap<&'static str, BTreeMap<Bytes, Entry>>,
}

/// The origin of a key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    class: Class,
    index: u64,
    height: u64,
}

impl Model {
    pub(super) fn new(keyspace: Keyspace) -> Self {
        Self { keyspace, stores: BTreeMap::new() }
    }

    pub(super) fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    /// Block `height` set the key.
    pub(super) fn set(&mut self, class: Class, index: u64, height: u64) {
        let store = self.stores.entry(class.store()).or_default();
        store.insert(self.keyspace.key(class, index), Entry { class, index, height });
    }

    /// The key is gone.
    pub(super) fn delete(&mut self, class: Class, index: u64) {
        if let Some(store) = self.stores.get_mut(class.store()) {
            store.remove(&self.keyspace.key(class, index));
        }
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> u64 {
        self.stores.values().map(|store| store.len() as u64).sum()
    }

    /// The names of the stores.
    pub(super) fn stores(&self) -> impl Iterator<Item = &'static str> {
        self.stores.keys().copied()
    }

    /// All pairs of a store in key order.
    pub(super) fn pairs(&self, store: &str) -> impl DoubleEndedIterator<Item = (&Bytes, Bytes)> {
        let pairs = self.stores.get(store).into_iter().flatten();
        pairs.map(|(key, entry)| (key, self.value(*entry)))
    }

    /// The value of a key.
    pub(super) fn get(&self, store: &str, key: &[u8]) -> Option<Bytes> {
        self.stores.get(store)?.get(key).map(|entry| self.value(*entry))
    }

    fn value(&self, entry: Entry) -> Bytes {
        self.keyspace.value(entry.class, entry.index, entry.height)
    }
}
