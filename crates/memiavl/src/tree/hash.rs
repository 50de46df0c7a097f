//! Hashing of changed nodes (spec FORMATS, IAVL tree and commit hashes).

use changeset::Hash;
use memiavl_iter::{NodeId, branch_hash, leaf_hash};

use crate::error::Result;
use crate::tree::arena::Place;
use crate::tree::base::Base;
use crate::tree::node::{MemNode, NodeRef};

/// Levels below the root at which a tree falls into parts: 16 of them, when changes are spread over it.
const PARTS_LEVEL: u32 = 4;

/// A changed subtree without a hash. Those of a tree can be hashed side by side: no node is in two of them.
pub(crate) struct Unhashed<'t> {
    base: Base<'t>,
    place: Place,
}

impl Unhashed<'_> {
    /// Computes the subtree's hashes.
    pub(crate) fn hash(&self) -> Result<()> {
        hash(self.base, NodeRef::Mem(self.place)).map(drop)
    }
}

/// The parts of the tree at `root` that have no hash yet.
pub(crate) fn unhashed_parts(base: Base<'_>, root: NodeRef) -> Vec<Unhashed<'_>> {
    let mut parts = Vec::new();
    gather(base, root, PARTS_LEVEL, &mut parts);
    parts
}

fn gather<'t>(base: Base<'t>, node: NodeRef, levels: u32, parts: &mut Vec<Unhashed<'t>>) {
    let NodeRef::Mem(place) = node else { return };
    if base.lines().hash(place).is_some() {
        return;
    }
    if levels == 0 {
        parts.push(Unhashed { base, place });
    } else if let MemNode::Branch(branch) = base.lines().node(place) {
        gather(base, branch.left, levels - 1, parts);
        gather(base, branch.right, levels - 1, parts);
    }
}

/// The hash of `node`; all changed nodes below get theirs.
pub(crate) fn hash(base: Base<'_>, node: NodeRef) -> Result<Hash> {
    let place = match node {
        NodeRef::Leaf(id) => return Ok(*base.snapshot().node_hash(NodeId::Leaf(id))?),
        NodeRef::Branch(index) => return Ok(*base.snapshot().branch_hash(index)?),
        NodeRef::Mem(place) => place,
    };
    if let Some(known) = base.lines().hash(place) {
        return Ok(known);
    }
    let computed = match base.lines().node(place) {
        MemNode::Leaf(leaf) => {
            base.read_key(leaf.key, |key| base.read_value(&leaf.value, |value| leaf_hash(leaf.version, key, value)))?
        }
        MemNode::Branch(branch) => {
            let (left, right) = (hash(base, branch.left)?, hash(base, branch.right)?);
            branch_hash(branch.height, branch.size.into(), branch.version, &left, &right)
        }
    };
    base.lines().set_hash(place, &computed);
    Ok(computed)
}
