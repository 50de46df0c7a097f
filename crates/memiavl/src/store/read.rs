//! Reads, scans and walks of the trees of one version, as the store and its views offer them.

use bytes::Bytes;
use changeset::{PairIter, ScanOrder, ScanRange, StoreError, StoreResult};

use crate::error::{Error, Result};
use crate::multitree::Forest;
use crate::tree::{TreeScan, Visit};

impl Forest {
    /// The value of `key` in `module`; none in a module that does not exist.
    pub(super) fn read_get(&self, module: &str, key: &[u8]) -> Result<Option<Bytes>> {
        self.tree(module).map_or(Ok(None), |tree| tree.get(key))
    }

    /// Whether `key` is in `module`.
    pub(super) fn read_contains(&self, module: &str, key: &[u8]) -> Result<bool> {
        self.tree(module).map_or(Ok(false), |tree| tree.contains(key))
    }

    /// Which of `keys`, which ascend, are in `module`.
    pub(super) fn read_contains_many(&self, module: &str, keys: &[Bytes]) -> Result<Vec<bool>> {
        self.tree(module).map_or_else(|| Ok(vec![false; keys.len()]), |tree| tree.contains_many(keys))
    }

    /// Many keys of one module.
    pub(super) fn read_many(&self, module: &str, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>> {
        match self.tree(module) {
            Some(tree) => keys.iter().map(|key| tree.get(key)).collect(),
            None => Ok(vec![None; keys.len()]),
        }
    }

    /// The pairs of `module` in `range`; the iterator owns what it reads.
    pub(super) fn read_scan(
        &self,
        module: &str,
        range: &ScanRange,
        order: ScanOrder,
    ) -> StoreResult<PairIter<'static>> {
        let Some(tree) = self.tree(module) else {
            return Ok(Box::new(std::iter::empty()));
        };
        let scan = TreeScan::new(tree.clone(), range, order)?;
        Ok(Box::new(scan.map(|pair| pair.map_err(StoreError::from))))
    }

    /// The names of the trees, in byte order.
    pub(super) fn read_modules(&self) -> Vec<String> {
        self.trees().iter().map(|named| named.name.to_string()).collect()
    }

    /// How many keys `module` has; none if there is no such tree.
    pub(super) fn read_len(&self, module: &str) -> Result<Option<u64>> {
        self.tree(module).map(|tree| tree.len()).transpose()
    }

    /// Hands the pairs of `module` strictly after `after` to `visit` until it breaks, each checked against its leaf's hash.
    pub(super) fn read_walk(&self, module: &str, after: Option<&[u8]>, visit: &mut Visit<'_>) -> Result<()> {
        let unknown = || Error::UnknownTree { name: module.to_owned(), version: self.version().into() };
        self.tree(module).ok_or_else(unknown)?.walk(after, visit)
    }
}

/// Implements the reading traits for `$store`, whose field or method `$forest` gives the trees to read.
macro_rules! impl_reads {
    ($store:ty, $forest:ident) => {
        impl changeset::Read for $store {
            fn get(&self, module: &str, key: &[u8]) -> changeset::StoreResult<Option<bytes::Bytes>> {
                Ok(self.$forest().read_get(module, key)?)
            }

            fn contains(&self, module: &str, key: &[u8]) -> changeset::StoreResult<bool> {
                Ok(self.$forest().read_contains(module, key)?)
            }

            fn contains_many(&self, module: &str, keys: &[bytes::Bytes]) -> changeset::StoreResult<Vec<bool>> {
                Ok(self.$forest().read_contains_many(module, keys)?)
            }

            fn get_many(
                &self,
                module: &str,
                keys: &[bytes::Bytes],
            ) -> changeset::StoreResult<Vec<Option<bytes::Bytes>>> {
                Ok(self.$forest().read_many(module, keys)?)
            }
        }

        impl changeset::Scan for $store {
            fn scan<'a>(
                &'a self,
                module: &str,
                range: &changeset::ScanRange,
                order: changeset::ScanOrder,
            ) -> changeset::StoreResult<changeset::PairIter<'a>> {
                self.$forest().read_scan(module, range, order)
            }
        }

        impl changeset::Walk for $store {
            fn modules(&self) -> changeset::StoreResult<Vec<String>> {
                Ok(self.$forest().read_modules())
            }

            fn len(&self, module: &str) -> changeset::StoreResult<Option<u64>> {
                Ok(self.$forest().read_len(module)?)
            }

            fn walk(
                &self,
                module: &str,
                after: Option<&[u8]>,
                visit: &mut dyn FnMut(&[u8], &[u8]) -> std::ops::ControlFlow<()>,
            ) -> changeset::StoreResult<()> {
                Ok(self.$forest().read_walk(module, after, visit)?)
            }
        }
    };
}
pub(super) use impl_reads;
