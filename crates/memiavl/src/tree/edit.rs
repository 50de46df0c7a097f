//! Unique access to the nodes that a change touches: a mapped one is read into memory, a shared one copied, one that
//! nobody else can reach is changed in place.

use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::tree::node::{At, Base, Body, BranchKey, MemBranch, MemNode, NodeRef};

/// A change under way.
pub(crate) struct Edit<'t> {
    /// Where mapped nodes are read.
    pub(crate) base: Base<'t>,
    /// The version of every node that the change touches.
    pub(crate) version: u32,
    /// Memory that the tree's nodes take.
    pub(crate) mem_bytes: &'t mut u64,
}

impl Edit<'_> {
    /// A new leaf.
    pub(crate) fn new_leaf(&mut self, key: Bytes, value: Bytes) -> NodeRef {
        self.new_node(Body::Leaf { key, value })
    }

    /// A new branch over two leaves.
    pub(crate) fn new_branch(&mut self, key: BranchKey, left: NodeRef, right: NodeRef) -> NodeRef {
        self.new_node(Body::Branch(MemBranch { height: 1, size: 2, key, left, right }))
    }

    /// The branch at `node`, to be changed: it takes the working version and loses its hash.
    pub(crate) fn branch_mut<'n>(&mut self, node: &'n mut NodeRef) -> Result<&'n mut MemBranch> {
        if let NodeRef::Branch(id) = node {
            let branch = self.base.verified_branch(*id)?;
            *node = self.new_node(Body::Branch(MemBranch {
                height: branch.height,
                size: branch.size,
                key: BranchKey::Mapped(branch.key_leaf),
                left: branch.left.into(),
                right: branch.right.into(),
            }));
        }
        match node {
            NodeRef::Mem(shared) => match &mut self.touch(shared).body {
                Body::Branch(branch) => Ok(branch),
                Body::Leaf { .. } => Err(Error::MisplacedLeaf),
            },
            NodeRef::Leaf(_) | NodeRef::Branch(_) => Err(Error::MisplacedLeaf),
        }
    }

    /// Replaces the value of the leaf at `node`, which has `key`.
    pub(crate) fn replace_value(&mut self, node: &mut NodeRef, key: Bytes, new: Bytes) {
        match node {
            NodeRef::Mem(shared) => {
                let changed = self.touch(shared);
                let before = changed.bytes();
                if let Body::Leaf { value, .. } = &mut changed.body {
                    *value = new;
                }
                let after = changed.bytes();
                self.grow(after);
                self.shrink(before);
            }
            NodeRef::Leaf(_) | NodeRef::Branch(_) => *node = self.new_leaf(key, new),
        }
    }

    /// Accounts for a node that leaves the tree.
    pub(crate) fn forget(&mut self, node: At<'_>) {
        if let At::Mem(node) = node {
            self.shrink(node.bytes());
        }
    }

    fn touch<'n>(&self, shared: &'n mut Arc<MemNode>) -> &'n mut MemNode {
        let node = Arc::make_mut(shared);
        node.version = self.version;
        node.hash = None;
        node
    }

    fn new_node(&mut self, body: Body) -> NodeRef {
        let node = MemNode { version: self.version, hash: None, body };
        self.grow(node.bytes());
        NodeRef::Mem(Arc::new(node))
    }

    fn grow(&mut self, bytes: u64) {
        *self.mem_bytes = self.mem_bytes.saturating_add(bytes);
    }

    fn shrink(&mut self, bytes: u64) {
        *self.mem_bytes = self.mem_bytes.saturating_sub(bytes);
    }
}
