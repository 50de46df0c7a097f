//! The walk that the migration reads by: each mapped leaf is checked against its hash before it is handed out.

use std::ops::ControlFlow;

use changeset::ScanOrder;

use crate::error::Result;
use crate::tree::cursor::{Cursor, LeafRef};
use crate::tree::live::Tree;

/// Takes a pair, and says whether the walk goes on.
pub(crate) type Visit<'v> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'v;

impl Tree {
    /// Hands pairs in byte order, strictly after `after`, to `visit` until it breaks.
    ///
    /// A leaf in memory came from a caller or from the changelog and is as it was handed in; only a mapped one can have
    /// been damaged since it was hashed.
    pub(crate) fn walk(&self, after: Option<&[u8]>, visit: &mut Visit<'_>) -> Result<()> {
        let mut cursor = Cursor::new(self.clone(), ScanOrder::Ascending, after)?;
        while let Some(leaf) = cursor.next_leaf()? {
            let mut hand_out = |key: &[u8], value: &[u8]| {
                // The cursor starts at the bound itself.
                if after == Some(key) { ControlFlow::Continue(()) } else { visit(key, value) }
            };
            let flow = match leaf {
                LeafRef::Mapped(id) => {
                    let snapshot = self.base().snapshot();
                    let leaf = snapshot.leaf(id)?;
                    snapshot.verify_leaf_in_turn(&leaf)?;
                    hand_out(leaf.key, leaf.value)
                }
                LeafRef::Mem(_) => leaf.read(self, hand_out)?,
            };
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }
}
