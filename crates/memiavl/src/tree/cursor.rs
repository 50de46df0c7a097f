//! Leaves in order, either way, over a tree that others may go on changing.

use std::sync::Arc;

use changeset::ScanOrder;
use memiavl_iter::LeafId;

use crate::error::{Error, Result};
use crate::tree::find::side_of;
use crate::tree::live::Tree;
use crate::tree::node::{Body, MemNode, NodeRef, Side};

/// The leaves of a tree from a bound on. It owns the tree that it walks.
pub(crate) struct Cursor {
    tree: Tree,
    order: ScanOrder,
    /// What is still to come, the next one last.
    ahead: Vec<Ahead>,
}

/// Leaves still to come.
enum Ahead {
    /// Those of a subtree.
    Node(NodeRef),
    /// Those of the snapshot from `first` to `last`: a mapped subtree is a run of records.
    Run { first: u32, last: u32 },
}

/// A leaf of the cursor's tree.
pub(crate) enum LeafRef {
    /// In the snapshot.
    Mapped(LeafId),
    /// In memory.
    Mem(Arc<MemNode>),
}

impl Cursor {
    /// Ascending from the first key not below `from`, or descending from the last key below `from`; without a bound from
    /// the first or the last key.
    pub(crate) fn new(tree: Tree, order: ScanOrder, from: Option<&[u8]>) -> Result<Self> {
        let mut cursor = Self { tree, order, ahead: Vec::new() };
        match (cursor.tree.root().cloned(), from) {
            (None, _) => {}
            (Some(root), None) => cursor.ahead.push(Ahead::Node(root)),
            (Some(root), Some(from)) => cursor.seek(root, from)?,
        }
        Ok(cursor)
    }

    /// The tree under the cursor.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The next leaf; none at the end.
    pub(crate) fn next_leaf(&mut self) -> Result<Option<LeafRef>> {
        while let Some(next) = self.ahead.pop() {
            match next {
                Ahead::Run { first, last } => return self.next_of_run(first, last).map(Some),
                Ahead::Node(NodeRef::Leaf(id)) => return Ok(Some(LeafRef::Mapped(id))),
                Ahead::Node(NodeRef::Branch(id)) => {
                    self.ahead.push(Ahead::Run { first: id.first_leaf().index(), last: id.last_leaf().index() });
                }
                Ahead::Node(NodeRef::Mem(node)) => match &node.body {
                    Body::Leaf { .. } => return Ok(Some(LeafRef::Mem(node))),
                    Body::Branch(branch) => {
                        let (near, far) = match self.order {
                            ScanOrder::Ascending => (&branch.left, &branch.right),
                            ScanOrder::Descending => (&branch.right, &branch.left),
                        };
                        self.ahead.push(Ahead::Node(far.clone()));
                        self.ahead.push(Ahead::Node(near.clone()));
                    }
                },
            }
        }
        Ok(None)
    }

    fn next_of_run(&mut self, first: u32, last: u32) -> Result<LeafRef> {
        let index = match self.order {
            ScanOrder::Ascending => first,
            ScanOrder::Descending => last,
        };
        if first < last {
            self.ahead.push(match self.order {
                ScanOrder::Ascending => Ahead::Run { first: first + 1, last },
                ScanOrder::Descending => Ahead::Run { first, last: last - 1 },
            });
        }
        Ok(LeafRef::Mapped(self.tree.base().snapshot().leaf_id(index)?))
    }

    /// Goes down to `from` and keeps what lies ahead of it.
    fn seek(&mut self, root: NodeRef, from: &[u8]) -> Result<()> {
        let mut node = root;
        loop {
            let base = self.tree.base();
            let (key, left, right) = match &node {
                NodeRef::Leaf(id) => {
                    let is_ahead = self.is_ahead(base.snapshot().key(*id)?, from);
                    return Ok(self.push_if(is_ahead, node));
                }
                NodeRef::Branch(id) => {
                    let branch = base.snapshot().branch(*id)?;
                    (branch.key()?, branch.left.into(), branch.right.into())
                }
                NodeRef::Mem(mem) => match &mem.body {
                    Body::Leaf { key, .. } => {
                        let is_ahead = self.is_ahead(key, from);
                        return Ok(self.push_if(is_ahead, node));
                    }
                    Body::Branch(branch) => (base.key(&branch.key)?, branch.left.clone(), branch.right.clone()),
                },
            };
            node = match (self.order, side_of(from, key)) {
                (ScanOrder::Ascending, Side::Left) => {
                    self.ahead.push(Ahead::Node(right));
                    left
                }
                (ScanOrder::Ascending, Side::Right) => right,
                (ScanOrder::Descending, Side::Left) => left,
                (ScanOrder::Descending, Side::Right) => {
                    self.ahead.push(Ahead::Node(left));
                    right
                }
            };
        }
    }

    fn is_ahead(&self, key: &[u8], from: &[u8]) -> bool {
        match self.order {
            ScanOrder::Ascending => key >= from,
            ScanOrder::Descending => key < from,
        }
    }

    fn push_if(&mut self, is_ahead: bool, node: NodeRef) {
        if is_ahead {
            self.ahead.push(Ahead::Node(node));
        }
    }
}

impl LeafRef {
    /// Hands key and value to `read`.
    pub(crate) fn read<T>(&self, tree: &Tree, read: impl FnOnce(&[u8], &[u8]) -> T) -> Result<T> {
        match self {
            Self::Mapped(id) => {
                let leaf = tree.base().snapshot().leaf(*id)?;
                Ok(read(leaf.key, leaf.value))
            }
            Self::Mem(node) => match &node.body {
                Body::Leaf { key, value } => Ok(read(key, value)),
                Body::Branch(_) => Err(Error::MisplacedBranch),
            },
        }
    }
}
