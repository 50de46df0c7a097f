//! Unique access to the nodes that a change touches: a mapped one is read into memory, a shared one copied, one that
//! nobody else can reach is changed in place.

use beside::beside;
use triomphe::Arc;

use crate::error::{Error, Result};
use crate::tree::node::{At, Base, Body, LeafValue, MemBranch, MemNode, NodeKey, NodeRef};
use crate::tree::spare::Spares;

/// A change under way.
pub(crate) struct Edit<'t> {
    /// Where mapped nodes are read.
    pub(crate) base: Base<'t>,
    /// The version of every node that the change touches.
    version: u32,
    /// How much more memory the tree's nodes take, in bytes.
    grown: i64,
    spares: Spares,
}

impl<'t> Edit<'t> {
    /// A change that nodes of `version` come from.
    pub(crate) fn new(base: Base<'t>, version: u32) -> Self {
        Self { base, version, grown: 0, spares: Spares::default() }
    }

    /// The version of what is changed now.
    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    /// What is changed from here on has `version`.
    pub(crate) fn set_version(&mut self, version: u32) {
        self.version = version;
    }

    /// How much more memory the tree's nodes take than before, in bytes.
    pub(crate) fn grown(&self) -> i64 {
        self.grown
    }

    /// Makes the change in two parts of the tree at once.
    pub(crate) fn part<A, B: Send>(
        &mut self,
        here: impl FnOnce(&mut Self) -> A,
        there: impl FnOnce(&mut Self) -> B + Send,
    ) -> (A, B) {
        let part = || Self::new(self.base, self.version);
        let (mut own, mut other) = (part(), part());
        let done = beside(true, || here(&mut own), || there(&mut other));
        self.grown += own.grown + other.grown;
        done
    }
}

impl Edit<'_> {
    /// A new leaf.
    pub(crate) fn new_leaf(&mut self, key: NodeKey, value: &[u8]) -> NodeRef {
        self.new_node(self.version, Body::Leaf { key, value: LeafValue::copied(value) })
    }

    /// A new branch over two leaves.
    pub(crate) fn new_branch(&mut self, key: NodeKey, left: NodeRef, right: NodeRef) -> NodeRef {
        self.new_node(self.version, Body::Branch(MemBranch { height: 1, size: 2, key, left, right }))
    }

    /// The branch at `node`, to be changed: it takes the working version and loses its hash.
    pub(crate) fn branch_mut<'n>(&mut self, node: &'n mut NodeRef) -> Result<&'n mut MemBranch> {
        let (version, branch) = self.unversioned_branch_mut(node)?;
        *version = self.version;
        Ok(branch)
    }

    /// The branch at `node` and its version, which whoever changes it is to raise. It loses its hash.
    pub(crate) fn unversioned_branch_mut<'n>(
        &mut self,
        node: &'n mut NodeRef,
    ) -> Result<(&'n mut u32, &'n mut MemBranch)> {
        if let NodeRef::Branch(id) = node {
            let branch = self.base.verified_branch(*id)?;
            let body = Body::Branch(MemBranch {
                height: branch.height,
                size: branch.size,
                key: NodeKey::Mapped(branch.key_leaf),
                left: branch.left.into(),
                right: branch.right.into(),
            });
            *node = self.new_node(branch.version, body);
        }
        match node {
            NodeRef::Mem(shared) => match self.touch(shared) {
                MemNode { version, body: Body::Branch(branch), .. } => Ok((version, branch)),
                MemNode { body: Body::Leaf { .. }, .. } => Err(Error::MisplacedLeaf),
            },
            NodeRef::Leaf(_) | NodeRef::Branch(_) => Err(Error::MisplacedLeaf),
        }
    }

    /// Replaces the value of the leaf at `node`, by a change of `version`.
    pub(crate) fn replace_value(&mut self, node: &mut NodeRef, version: u32, new: &[u8]) -> Result<()> {
        match node {
            NodeRef::Mem(shared) => {
                let changed = self.touch(shared);
                changed.version = version;
                let before = changed.bytes();
                if let Body::Leaf { value, .. } = &mut changed.body {
                    *value = LeafValue::copied(new);
                }
                let after = changed.bytes();
                self.grow(after);
                self.shrink(before);
            }
            // Whoever found it there has compared its key.
            NodeRef::Leaf(id) => {
                *node = self.new_node(version, Body::Leaf { key: NodeKey::Mapped(*id), value: LeafValue::copied(new) });
            }
            NodeRef::Branch(_) => return Err(Error::MisplacedBranch),
        }
        Ok(())
    }

    /// Accounts for a node that leaves the tree.
    pub(crate) fn forget(&mut self, node: At<'_>) {
        if let At::Mem(node) = node {
            self.shrink(node.bytes());
        }
    }

    fn new_node(&mut self, version: u32, body: Body) -> NodeRef {
        let node = MemNode { version, hash: None, body };
        self.grow(node.bytes());
        NodeRef::Mem(self.spares.node(node))
    }

    /// The node, to be changed: nobody else can reach it, and its hash is gone.
    fn touch<'n>(&mut self, shared: &'n mut Arc<MemNode>) -> &'n mut MemNode {
        if Arc::get_mut(shared).is_none() {
            let MemNode { version, hash: _, body } = &**shared;
            *shared = self.spares.node(MemNode { version: *version, hash: None, body: body.clone() });
        }
        // UNWRAP: the lines above have made a copy, unless it was nobody else's before.
        let node = Arc::get_mut(shared).expect("a node of its own");
        node.hash = None;
        node
    }

    fn grow(&mut self, bytes: u64) {
        self.grown += bytes.cast_signed();
    }

    fn shrink(&mut self, bytes: u64) {
        self.grown -= bytes.cast_signed();
    }
}
