//! What a change writes: a mapped node that it touches is read into memory, one that others can reach is written anew, and one
//! that nobody else can reach is changed in place.

use beside::beside;

use crate::error::{Error, Result};
use crate::tree::arena::{Epoch, LINE_BYTES, Place, Writer};
use crate::tree::base::Base;
use crate::tree::node::{LeafValue, MemBranch, MemLeaf, MemNode, NodeKey, NodeRef, SHORT_BYTES_MAX};

/// A change under way.
pub(crate) struct Edit<'t> {
    /// Where nodes are read.
    pub(crate) base: Base<'t>,
    /// The version of every node that the change touches.
    version: u32,
    writer: Writer<'t>,
}

impl<'t> Edit<'t> {
    /// A change in `epoch`, which must be open, that nodes of `version` come from.
    pub(crate) fn new(base: Base<'t>, epoch: &'t Epoch, version: u32) -> Self {
        Self { base, version, writer: Writer::new(epoch) }
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
        self.writer.grown() * LINE_BYTES.cast_signed()
    }

    /// Makes the change in two parts of the tree at once.
    pub(crate) fn part<A, B: Send>(
        &mut self,
        here: impl FnOnce(&mut Self) -> A,
        there: impl FnOnce(&mut Self) -> B + Send,
    ) -> (A, B) {
        let mut other = Self::new(self.base, self.writer.epoch(), self.version);
        let done = beside(true, || here(self), || there(&mut other));
        self.writer.count(other.writer.grown());
        done
    }
}

impl Edit<'_> {
    /// A new leaf.
    pub(crate) fn new_leaf(&mut self, key: &[u8], value: &[u8]) -> Result<NodeRef> {
        let (key, value) = (self.new_key(key)?, self.new_value(value)?);
        let leaf = MemLeaf { version: self.version, key, value };
        let place = self.writer.line()?;
        self.base.lines().set_leaf(place, &leaf, self.epoch());
        Ok(NodeRef::Mem(place))
    }

    /// A new branch over two leaves.
    pub(crate) fn new_branch(&mut self, key: NodeKey, left: NodeRef, right: NodeRef) -> Result<NodeRef> {
        let branch = MemBranch { version: self.version, height: 1, size: 2, key, left, right };
        let place = self.writer.line()?;
        self.base.lines().set_branch(place, &branch, self.epoch());
        Ok(NodeRef::Mem(place))
    }

    /// A key of a node's own.
    pub(crate) fn new_key(&mut self, key: &[u8]) -> Result<NodeKey> {
        self.writer.string(key).map(NodeKey::Mem)
    }

    /// A node's key for another one to have too.
    pub(crate) fn copied_key(&mut self, key: NodeKey) -> Result<NodeKey> {
        match key {
            NodeKey::Mapped(_) => Ok(key),
            NodeKey::Mem(place) => self.base.lines().read_string(place, |key| self.new_key(key)),
        }
    }

    fn new_value(&mut self, value: &[u8]) -> Result<LeafValue> {
        match u8::try_from(value.len()) {
            Ok(length) if value.len() <= SHORT_BYTES_MAX => {
                let mut bytes = [0; SHORT_BYTES_MAX];
                bytes[..value.len()].copy_from_slice(value);
                Ok(LeafValue::Short { length, bytes })
            }
            _ => self.writer.string(value).map(LeafValue::Long),
        }
    }

    /// The branch at `node`, to be changed and then [put](Self::put_branch) back. A mapped one is checked.
    pub(crate) fn branch(&self, node: NodeRef) -> Result<MemBranch> {
        self.branch_if_any(node)?.ok_or(Error::MisplacedLeaf)
    }

    /// As [`branch`](Self::branch); none if a leaf stands there.
    pub(crate) fn branch_if_any(&self, node: NodeRef) -> Result<Option<MemBranch>> {
        match node {
            NodeRef::Leaf(_) => Ok(None),
            NodeRef::Branch(index) => {
                let branch = self.base.verified_branch(index)?;
                Ok(Some(MemBranch {
                    version: branch.version,
                    height: branch.height,
                    size: branch.size,
                    key: NodeKey::Mapped(branch.key_leaf),
                    left: branch.left.into(),
                    right: branch.right.into(),
                }))
            }
            NodeRef::Mem(place) => match self.base.lines().node(place) {
                MemNode::Branch(branch) => Ok(Some(branch)),
                MemNode::Leaf(_) => Ok(None),
            },
        }
    }

    /// The changed branch stands at `node`. It has no hash yet.
    pub(crate) fn put_branch(&mut self, node: &mut NodeRef, branch: &MemBranch) -> Result<()> {
        let place = self.own_place(node)?;
        self.base.lines().set_branch(place, branch, self.epoch());
        Ok(())
    }

    /// Replaces the value of the leaf at `node`, by a change of `version`.
    pub(crate) fn replace_value(&mut self, node: &mut NodeRef, version: u32, new: &[u8]) -> Result<()> {
        let key = match *node {
            NodeRef::Mem(place) => {
                let leaf = self.base.mem_leaf(place)?;
                self.leave_value(leaf.value);
                leaf.key
            }
            // Whoever found it there has compared its key.
            NodeRef::Leaf(id) => NodeKey::Mapped(id),
            NodeRef::Branch(_) => return Err(Error::MisplacedBranch),
        };
        let leaf = MemLeaf { version, key, value: self.new_value(new)? };
        let place = self.own_place(node)?;
        self.base.lines().set_leaf(place, &leaf, self.epoch());
        Ok(())
    }

    /// The node leaves the tree, with its key and its value.
    pub(crate) fn leave(&mut self, node: NodeRef) {
        let NodeRef::Mem(place) = node else { return };
        let left = self.base.lines().node(place);
        if let MemNode::Leaf(leaf) = left {
            self.leave_value(leaf.value);
        }
        self.leave_key(left.key());
        self.leave_place(place);
    }

    /// The branch at `node` leaves the tree, its key does not.
    pub(crate) fn leave_branch(&mut self, node: NodeRef) {
        if let NodeRef::Mem(place) = node {
            self.leave_place(place);
        }
    }

    /// No node has the key any more.
    pub(crate) fn leave_key(&mut self, key: NodeKey) {
        if let NodeKey::Mem(place) = key {
            self.writer.leave_string(place);
        }
    }

    fn leave_value(&mut self, value: LeafValue) {
        if let LeafValue::Long(place) = value {
            self.writer.leave_string(place);
        }
    }

    fn leave_place(&mut self, place: Place) {
        self.writer.leave(place, self.base.lines().born(place));
    }

    /// A line for what `node` is to be: its own, if nobody else can reach it.
    fn own_place(&mut self, node: &mut NodeRef) -> Result<Place> {
        if let NodeRef::Mem(place) = *node
            && self.base.lines().born(place) == self.epoch()
        {
            return Ok(place);
        }
        let own = self.writer.line()?;
        self.leave_branch(*node);
        *node = NodeRef::Mem(own);
        Ok(own)
    }

    fn epoch(&self) -> u32 {
        self.writer.epoch().number()
    }
}
