//! Range scans: pairs in order, either way, as an iterator that owns what it reads.

use bytes::Bytes;
use changeset::{Pair, ScanOrder, ScanRange};

use crate::error::Result;
use crate::tree::cursor::{Cursor, LeafRef};
use crate::tree::live::Tree;
use crate::tree::node::{Body, NodeKey};

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
        let (key, value) = pair(cursor.tree(), &leaf)?;
        let is_inside = self.stop.as_ref().is_none_or(|stop| match self.order {
            ScanOrder::Ascending => key < stop,
            ScanOrder::Descending => key >= stop,
        });
        Ok(is_inside.then_some((key, value)))
    }
}

/// A leaf's pair: shared where it has bytes of its own in memory, copied where it is mapped or in the node.
fn pair(tree: &Tree, leaf: &LeafRef) -> Result<Pair> {
    if let LeafRef::Mem(node) = leaf
        && let Body::Leaf { key, value } = &node.body
    {
        let key = match key {
            NodeKey::Mapped(id) => Bytes::copy_from_slice(tree.base().snapshot().key(*id)?),
            NodeKey::Mem(key) => Bytes::copy_from_slice(key),
        };
        return Ok((key, value.to_bytes()));
    }
    leaf.read(tree, |key, value| (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)))
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
