//! The nodes of a tree in post order: what a copy of the tree, to the bit, is made from.
//!
//! Post order and kinds of nodes are the whole shape: a branch stands behind both its subtrees, its height and size follow
//! from them, and its key is that of the leftmost leaf of the right one. Hashes follow from the rest.

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::tree::live::Tree;
use crate::tree::node::{MemNode, NodeRef};

/// A node, as far as it does not follow from its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredNode<'t> {
    /// A leaf.
    Leaf {
        /// The version that it was made with.
        version: u32,
        /// The key.
        key: Cow<'t, [u8]>,
        /// The value.
        value: Cow<'t, [u8]>,
    },
    /// A branch over the last two finished subtrees.
    Branch {
        /// The version that it was made with.
        version: u32,
    },
}

/// The nodes of a tree in post order; each mapped one is checked against its hash.
///
/// An error ends the iteration.
pub struct PostOrder<'t> {
    tree: &'t Tree,
    /// What is still to come, the next one last.
    ahead: Vec<Ahead>,
    /// Nodes to pass over before the first one.
    skip: u64,
}

/// What is still to come.
enum Ahead {
    /// A whole subtree.
    Subtree(NodeRef),
    /// A branch whose subtrees stand before it.
    Branch(NodeRef),
}

impl Tree {
    /// The nodes behind the first `skip` ones, in post order. Whole subtrees are passed over without being read.
    pub(crate) fn post_order(&self, skip: u64) -> PostOrder<'_> {
        let ahead = self.root().map(Ahead::Subtree).into_iter().collect();
        PostOrder { tree: self, ahead, skip }
    }
}

impl<'t> PostOrder<'t> {
    fn advance(&mut self) -> Result<Option<StoredNode<'t>>> {
        let base = self.tree.base();
        while let Some(ahead) = self.ahead.pop() {
            let node = match ahead {
                Ahead::Branch(_) if self.skip > 0 => {
                    self.skip -= 1;
                    continue;
                }
                Ahead::Branch(node) => return self.branch(node).map(Some),
                Ahead::Subtree(node) => node,
            };
            if self.skip > 0 {
                // Branches are one fewer than leaves.
                let nodes = 2 * u64::from(base.shape(node)?.size) - 1;
                if self.skip >= nodes {
                    self.skip -= nodes;
                    continue;
                }
            }
            match base.children(node)? {
                None => return self.leaf(node).map(Some),
                Some((left, right)) => {
                    self.ahead.push(Ahead::Branch(node));
                    self.ahead.push(Ahead::Subtree(right));
                    self.ahead.push(Ahead::Subtree(left));
                }
            }
        }
        Ok(None)
    }

    fn leaf(&self, node: NodeRef) -> Result<StoredNode<'t>> {
        let base = self.tree.base();
        match node {
            NodeRef::Leaf(id) => {
                let leaf = base.verified_leaf(id)?;
                Ok(StoredNode::Leaf { version: leaf.version, key: leaf.key.into(), value: leaf.value.into() })
            }
            NodeRef::Mem(place) => {
                let leaf = base.mem_leaf(place)?;
                let (key, value) = base.pair(&leaf)?;
                Ok(StoredNode::Leaf { version: leaf.version, key: key.into(), value: value.into() })
            }
            NodeRef::Branch(_) => Err(Error::MisplacedBranch),
        }
    }

    fn branch(&self, node: NodeRef) -> Result<StoredNode<'t>> {
        let base = self.tree.base();
        let version = match node {
            NodeRef::Branch(index) => base.verified_branch(index)?.version,
            NodeRef::Mem(place) => match base.lines().node(place) {
                MemNode::Branch(branch) => branch.version,
                MemNode::Leaf(_) => return Err(Error::MisplacedLeaf),
            },
            NodeRef::Leaf(_) => return Err(Error::MisplacedLeaf),
        };
        Ok(StoredNode::Branch { version })
    }
}

impl<'t> Iterator for PostOrder<'t> {
    type Item = std::result::Result<StoredNode<'t>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let item = self.advance().transpose();
        if matches!(item, Some(Err(_))) {
            self.ahead.clear();
        }
        item
    }
}
