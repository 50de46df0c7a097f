//! The nodes of a tree in post order: what a copy of the tree, to the bit, is made from.
//!
//! Post order and kinds of nodes are the whole shape: a branch stands behind both its subtrees, its height and size follow
//! from them, and its key is that of the leftmost leaf of the right one. Hashes follow from the rest.

use crate::error::{Error, Result};
use crate::tree::live::Tree;
use crate::tree::node::{At, Body, MemNode};

/// A node, as far as it does not follow from its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredNode<'t> {
    /// A leaf.
    Leaf {
        /// The version that it was made with.
        version: u32,
        /// The key.
        key: &'t [u8],
        /// The value.
        value: &'t [u8],
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
    ahead: Vec<Ahead<'t>>,
    /// Nodes to pass over before the first one.
    skip: u64,
}

/// What is still to come.
enum Ahead<'t> {
    /// A whole subtree.
    Subtree(At<'t>),
    /// A branch whose subtrees stand before it.
    Branch(At<'t>),
}

impl Tree {
    /// The nodes behind the first `skip` ones, in post order. Whole subtrees are passed over without being read.
    pub(crate) fn post_order(&self, skip: u64) -> PostOrder<'_> {
        let ahead = self.root().map(|root| Ahead::Subtree(root.at())).into_iter().collect();
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

    fn leaf(&self, node: At<'t>) -> Result<StoredNode<'t>> {
        match node {
            At::Leaf(id) => {
                let leaf = self.tree.base().verified_leaf(id)?;
                Ok(StoredNode::Leaf { version: leaf.version, key: leaf.key, value: leaf.value })
            }
            At::Mem(MemNode { version, body: Body::Leaf { key, value }, .. }) => {
                Ok(StoredNode::Leaf { version: *version, key: self.tree.base().key(key)?, value: value.as_slice() })
            }
            At::Branch(_) | At::Mem(_) => Err(Error::MisplacedBranch),
        }
    }

    fn branch(&self, node: At<'t>) -> Result<StoredNode<'t>> {
        let version = match node {
            At::Branch(id) => {
                let snapshot = self.tree.base().snapshot();
                let branch = snapshot.branch(id)?;
                snapshot.verify_branch(&branch)?;
                branch.version
            }
            At::Mem(node) => node.version,
            At::Leaf(_) => return Err(Error::MisplacedLeaf),
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
