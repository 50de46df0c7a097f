//! Leaves in order, either way, over a tree that others may go on changing.

use changeset::ScanOrder;
use memiavl_iter::LeafId;

use crate::error::Result;
use crate::tree::find::{Wanted, find, side_of};
use crate::tree::live::Tree;
use crate::tree::node::{MemLeaf, MemNode, NodeRef, Side};

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
    Mem(MemLeaf),
}

impl Cursor {
    /// Ascending from the first key not below `from`, or descending from the last key below `from`; without a bound from
    /// the first or the last key.
    pub(crate) fn new(tree: Tree, order: ScanOrder, from: Option<&[u8]>) -> Result<Self> {
        let mut cursor = Self { tree, order, ahead: Vec::new() };
        match (cursor.tree.root(), from) {
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
                Ahead::Node(NodeRef::Branch(index)) => {
                    let id = self.tree.base().snapshot().branch_id(index)?;
                    self.ahead.push(Ahead::Run { first: id.first_leaf().index(), last: id.last_leaf().index() });
                }
                Ahead::Node(NodeRef::Mem(place)) => match self.tree.base().lines().node(place) {
                    MemNode::Leaf(leaf) => return Ok(Some(LeafRef::Mem(leaf))),
                    MemNode::Branch(branch) => {
                        let (near, far) = match self.order {
                            ScanOrder::Ascending => (branch.left, branch.right),
                            ScanOrder::Descending => (branch.right, branch.left),
                        };
                        self.ahead.push(Ahead::Node(far));
                        self.ahead.push(Ahead::Node(near));
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
        while let Some((side, left, right)) = self.turn(node, from)? {
            node = match (self.order, side) {
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
        if self.is_ahead(node, from)? {
            self.ahead.push(Ahead::Node(node));
        }
        Ok(())
    }

    /// On which side of a branch `key` lies, and both sides; none at a leaf.
    fn turn(&self, node: NodeRef, key: &[u8]) -> Result<Option<(Side, NodeRef, NodeRef)>> {
        let base = self.tree.base();
        match node {
            NodeRef::Leaf(_) => Ok(None),
            NodeRef::Branch(index) => {
                let branch = base.branch(index)?;
                Ok(Some((side_of(key, branch.key()?), branch.left.into(), branch.right.into())))
            }
            NodeRef::Mem(place) => match base.lines().node(place) {
                MemNode::Leaf(_) => Ok(None),
                MemNode::Branch(branch) => {
                    let side = base.read_key(branch.key, |branch_key| side_of(key, branch_key))?;
                    Ok(Some((side, branch.left, branch.right)))
                }
            },
        }
    }

    /// Whether the leaf at `node` lies ahead of `from`.
    fn is_ahead(&self, node: NodeRef, from: &[u8]) -> Result<bool> {
        let found = find(self.tree.base(), node, &mut Wanted::key(from))?.order;
        Ok(match self.order {
            ScanOrder::Ascending => found.is_le(),
            ScanOrder::Descending => found.is_gt(),
        })
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
            Self::Mem(leaf) => {
                let base = tree.base();
                base.read_key(leaf.key, |key| base.read_value(&leaf.value, |value| read(key, value)))
            }
        }
    }
}
