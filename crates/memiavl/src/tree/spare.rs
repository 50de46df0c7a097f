//! Nodes that no tree has any more, to be used again.
//!
//! A block copies some thousand nodes and lets as many go, on another thread. An allocator takes a seventh of a block's time for
//! that: what one thread frees and another one asks for goes the long way through it. Here they change hands by the lot.

use std::mem;
use std::sync::{Mutex, PoisonError};

use memiavl_iter::LeafId;
use triomphe::Arc;

use crate::tree::node::{Body, LeafValue, MemNode, NodeKey, NodeRef};

/// Nodes of a lot.
const LOT_NODES: usize = 256;
/// Lots that are kept, some 10 MB: what a block of five thousand scattered writes takes. More are given back.
const LOTS_MAX: usize = 256;

/// The nodes that are kept; nothing is done under the lock but to move a lot.
static LOTS: Mutex<Vec<Lot>> = Mutex::new(Vec::new());

/// Nodes that nobody else holds and that hold nothing.
type Lot = Vec<Arc<MemNode>>;

/// Where nodes come from.
#[derive(Default)]
pub(crate) struct Spares {
    lot: Lot,
    /// Whether there are no lots.
    is_dry: bool,
}

impl Spares {
    /// A node of its own.
    pub(crate) fn node(&mut self, node: MemNode) -> Arc<MemNode> {
        if self.lot.is_empty() && !self.is_dry {
            match lots(|lots| lots.pop()) {
                Some(lot) => self.lot = lot,
                None => self.is_dry = true,
            }
        }
        match self.lot.pop() {
            Some(mut spare) => match Arc::get_mut(&mut spare) {
                Some(place) => {
                    *place = node;
                    spare
                }
                None => Arc::new(node),
            },
            None => Arc::new(node),
        }
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        give(mem::take(&mut self.lot));
    }
}

/// Lets the subtree at `root` go. What nobody else holds is kept to be used again.
pub(crate) fn let_go(root: NodeRef) {
    let mut lot = Lot::new();
    release(root, &mut lot);
    give(lot);
}

fn release(node: NodeRef, lot: &mut Lot) {
    let NodeRef::Mem(mut shared) = node else { return };
    let Some(node) = Arc::get_mut(&mut shared) else { return };
    match &mut node.body {
        Body::Leaf { key, value } => {
            *key = NodeKey::Mapped(LeafId::NONE);
            if let LeafValue::Long(_) = value {
                *value = LeafValue::copied(&[]);
            }
        }
        Body::Branch(branch) => {
            branch.key = NodeKey::Mapped(LeafId::NONE);
            for child in [&mut branch.left, &mut branch.right] {
                release(mem::replace(child, NodeRef::Leaf(LeafId::NONE)), lot);
            }
        }
    }
    lot.push(shared);
    if lot.len() == LOT_NODES {
        give(mem::take(lot));
    }
}

fn give(lot: Lot) {
    if !lot.is_empty() {
        // Dropped behind the lock if there are enough.
        let _too_many = lots(|lots| {
            if lots.len() < LOTS_MAX {
                lots.push(lot);
                None
            } else {
                Some(lot)
            }
        });
    }
}

fn lots<T>(change: impl FnOnce(&mut Vec<Lot>) -> T) -> T {
    change(&mut LOTS.lock().unwrap_or_else(PoisonError::into_inner))
}
