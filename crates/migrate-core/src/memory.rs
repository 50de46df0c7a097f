//! A store in memory, for tests alone: a reader, a writer and an iterator over sorted maps, with switches that make each
//! of them fail. No program enables the feature that holds it.

use std::collections::BTreeMap;
use std::io;
use std::ops::{Bound, ControlFlow};

use bytes::Bytes;
use changeset::{NamedChangeSet, Read, StoreError, StoreErrorKind, StoreResult, Walk, Write};

/// Modules with their sorted keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryStore {
    modules: BTreeMap<String, BTreeMap<Bytes, Bytes>>,
    /// Whether each read fails.
    pub fail_reads: bool,
    /// Whether each write fails.
    pub fail_writes: bool,
    /// After how many pairs a walk fails.
    pub fail_walk_after: Option<usize>,
}

impl MemoryStore {
    /// A store with `modules`, all empty.
    pub fn with_modules<'a>(modules: impl IntoIterator<Item = &'a str>) -> Self {
        let modules = modules.into_iter().map(|name| (name.to_owned(), BTreeMap::new())).collect();
        Self { modules, ..Self::default() }
    }

    /// Sets a key, making its module if need be.
    pub fn set(&mut self, module: &str, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.modules.entry(module.to_owned()).or_default().insert(key.into(), value.into());
    }

    /// Drops a whole module.
    pub fn drop_module(&mut self, module: &str) {
        self.modules.remove(module);
    }

    /// The module's pairs; none if it does not exist.
    pub fn module(&self, module: &str) -> Option<&BTreeMap<Bytes, Bytes>> {
        self.modules.get(module)
    }

    fn failure() -> StoreError {
        StoreError::new(StoreErrorKind::Io, io::Error::other("switched to fail"))
    }
}

impl Read for MemoryStore {
    fn get(&self, module: &str, key: &[u8]) -> StoreResult<Option<Bytes>> {
        if self.fail_reads {
            return Err(Self::failure());
        }
        Ok(self.modules.get(module).and_then(|pairs| pairs.get(key)).cloned())
    }
}

impl Write for MemoryStore {
    fn apply(&mut self, changes: &[NamedChangeSet]) -> StoreResult<()> {
        if self.fail_writes {
            return Err(Self::failure());
        }
        for set in changes {
            let pairs = self.modules.entry(set.name.clone()).or_default();
            for pair in set.pairs() {
                if pair.delete {
                    pairs.remove(&pair.key);
                } else {
                    pairs.insert(pair.key.clone(), pair.value.clone());
                }
            }
        }
        Ok(())
    }
}

impl Walk for MemoryStore {
    fn modules(&self) -> StoreResult<Vec<String>> {
        Ok(self.modules.keys().cloned().collect())
    }

    fn len(&self, module: &str) -> StoreResult<Option<u64>> {
        Ok(self.modules.get(module).map(|pairs| pairs.len() as u64))
    }

    fn walk(
        &self,
        module: &str,
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> StoreResult<()> {
        let pairs = self.modules.get(module).ok_or_else(Self::failure)?;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        for (index, (key, value)) in pairs.range::<[u8], _>((start, Bound::Unbounded)).enumerate() {
            if self.fail_walk_after.is_some_and(|after| index >= after) {
                return Err(Self::failure());
            }
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }
}
