//! Lookups by key and the ordered walk. Leaves stand in key order, so a lookup is a binary search over them and a walk
//! reads the files from front to back.

use std::iter::FusedIterator;
use std::ops::{Bound, Range};

use crate::error::Error;
use crate::layout::FILE_LEAVES;
use crate::node::{Leaf, LeafId};
use crate::records::{Records, record_offset};
use crate::tree::TreeSnapshot;

impl<B: AsRef<[u8]>> TreeSnapshot<B> {
    /// The leaf of `key`; none if the tree does not have it.
    ///
    /// # Errors
    /// A damaged leaf on the way.
    pub fn get(&self, key: &[u8]) -> Result<Option<Leaf<'_>>, Error> {
        self.search(key)?.ok().map(|at| self.records().leaf(LeafId(at))).transpose()
    }

    /// The place of the first leaf whose key is not less than `key`; the number of leaves if there is none.
    ///
    /// # Errors
    /// A damaged leaf on the way.
    pub fn lower_bound(&self, key: &[u8]) -> Result<u32, Error> {
        Ok(self.search(key)?.unwrap_or_else(|behind| behind))
    }

    /// The leaves between two keys, in byte order; from the back with [`rev`](Iterator::rev).
    ///
    /// # Errors
    /// A damaged leaf on the way to one of the ends.
    pub fn range(&self, start: Bound<&[u8]>, end: Bound<&[u8]>) -> Result<Leaves<'_>, Error> {
        let records = self.records();
        let start = match start {
            Bound::Unbounded => 0,
            Bound::Included(key) => records.first_not(|found| found < key)?,
            Bound::Excluded(key) => records.first_not(|found| found <= key)?,
        };
        let end = match end {
            Bound::Unbounded => records.leaf_count(),
            Bound::Included(key) => records.first_not(|found| found <= key)?,
            Bound::Excluded(key) => records.first_not(|found| found < key)?,
        };
        Ok(self.leaves(start..end))
    }

    /// The leaves at the given places, as far as there are any.
    pub fn leaves(&self, places: Range<u32>) -> Leaves<'_> {
        let records = self.records();
        let end = places.end.min(records.leaf_count());
        Leaves { records, start: places.start, end, front: None, back: None }
    }
}

impl<'a> Records<'a> {
    /// The place of the first leaf whose key is not `before`; keys that are come first.
    fn first_not(&self, before: impl Fn(&[u8]) -> bool) -> Result<u32, Error> {
        let (mut low, mut high) = (0, self.leaf_count());
        while low < high {
            let middle = low + (high - low) / 2;
            if before(self.key(LeafId(middle))?) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    pub(crate) fn key_order(&self, id: LeafId) -> Error {
        Error::KeyOrder { path: self.path(FILE_LEAVES), offset: record_offset(id.0), leaf: id.0 }
    }
}

/// Leaves in key order, from either end. Each key is checked to sort strictly behind the one before it. An error ends the
/// walk.
#[derive(Clone)]
pub struct Leaves<'a> {
    records: Records<'a>,
    start: u32,
    end: u32,
    /// The last key handed out from the front, and from the back.
    front: Option<&'a [u8]>,
    back: Option<&'a [u8]>,
}

impl<'a> Leaves<'a> {
    /// The places that are left to walk.
    pub fn places(&self) -> Range<u32> {
        self.start..self.end.max(self.start)
    }

    fn checked(&self, id: LeafId) -> Result<Leaf<'a>, Error> {
        let leaf = self.records.leaf(id)?;
        if self.front.is_some_and(|front| leaf.key <= front) || self.back.is_some_and(|back| leaf.key >= back) {
            return Err(self.records.key_order(id));
        }
        Ok(leaf)
    }
}

impl<'a> Iterator for Leaves<'a> {
    type Item = Result<Leaf<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.start >= self.end {
            return None;
        }
        let leaf = self.checked(LeafId(self.start));
        match &leaf {
            Ok(leaf) => (self.start, self.front) = (self.start + 1, Some(leaf.key)),
            Err(_) => self.start = self.end,
        }
        Some(leaf)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.places().len()))
    }
}

impl DoubleEndedIterator for Leaves<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.start >= self.end {
            return None;
        }
        let leaf = self.checked(LeafId(self.end - 1));
        match &leaf {
            Ok(leaf) => (self.end, self.back) = (self.end - 1, Some(leaf.key)),
            Err(_) => self.end = self.start,
        }
        Some(leaf)
    }
}

impl FusedIterator for Leaves<'_> {}
