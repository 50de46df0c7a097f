//! Range scans: pairs in order, either way, as an iterator that owns what it reads.

use bytes::Bytes;
use changeset::{Pair, ScanOrder, ScanRange};

use crate::error::Result;
use crate::tree::cursor::Cursor;
use crate::tree::live::Tree;

/// The pairs of a tree in a range. Later changes of the tree that it was made from do not reach it.
pub(crate) struct TreeScan {
    /// None once the end or an error was met.
    cursor: Option<Cursor>,
    /// Where the scan ends: the range's end when ascending, its start when descending.
    stop: Option<Bytes>,
    order: ScanOrder,
}

impl TreeScan {
    /// The pairs of `tree` in `range`.
    pub(crate) fn new(tree: Tree, range: &ScanRange, order: ScanOrder) -> Result<Self> {
        let (from, stop) = match order {
            ScanOrder::Ascending => (&range.start, &range.end),
            ScanOrder::Descending => (&range.end, &range.start),
        };
        let cursor = Cursor::new(tree, order, from.as_deref())?;
        Ok(Self { cursor: Some(cursor), stop: stop.clone(), order })
    }

    fn next_pair(&mut self) -> Result<Option<Pair>> {
        let Some(cursor) = &mut self.cursor else {
            return Ok(None);
        };
        let Some(leaf) = cursor.next_leaf()? else {
            return Ok(None);
        };
        let copied = |key: &[u8], value: &[u8]| (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
        let (key, value) = leaf.read(cursor.tree(), copied)?;
        let is_inside = self.stop.as_ref().is_none_or(|stop| match self.order {
            ScanOrder::Ascending => key < stop,
            ScanOrder::Descending => key >= stop,
        });
        Ok(is_inside.then_some((key, value)))
    }
}

impl Iterator for TreeScan {
    type Item = Result<Pair>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_pair().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.cursor = None;
        }
        next
    }
}
