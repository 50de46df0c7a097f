//! Hashing of changed nodes (spec FORMATS, IAVL tree and commit hashes).

use changeset::Hash;
use memiavl_iter::{NodeId, branch_hash, leaf_hash};
use triomphe::Arc;

use crate::error::Result;
use crate::tree::node::{At, Base, Body, MemNode, NodeRef};

/// Levels below the root at which a tree falls into parts: 16 of them, when changes are spread over it.
const PARTS_LEVEL: u32 = 4;

/// A changed subtree without a hash. Those of a tree can be hashed side by side: no node is in two of them.
pub(crate) struct Unhashed<'t> {
    base: Base<'t>,
    node: &'t mut NodeRef,
}

impl Unhashed<'_> {
    /// Computes the subtree's hashes.
    pub(crate) fn hash(&mut self) -> Result<()> {
        hash(self.base, self.node).map(drop)
    }
}

/// The parts of the tree at `root` that have no hash yet.
pub(crate) fn unhashed_parts<'t>(base: Base<'t>, root: &'t mut NodeRef) -> Vec<Unhashed<'t>> {
    let mut parts = Vec::new();
    gather(base, root, PARTS_LEVEL, &mut parts);
    parts
}

fn gather<'t>(base: Base<'t>, node: &'t mut NodeRef, levels: u32, parts: &mut Vec<Unhashed<'t>>) {
    let is_unhashed = matches!(node.at(), At::Mem(MemNode { hash: None, .. }));
    if !is_unhashed {
        return;
    }
    if levels == 0 {
        parts.push(Unhashed { base, node });
    } else if let NodeRef::Mem(shared) = node
        && let Body::Branch(branch) = &mut Arc::make_mut(shared).body
    {
        gather(base, &mut branch.left, levels - 1, parts);
        gather(base, &mut branch.right, levels - 1, parts);
    }
}

/// The hash of `node`; all changed nodes below get theirs.
///
/// An unhashed node that a savepoint holds too is copied first: a hash is only ever written through unique access.
pub(crate) fn hash(base: Base<'_>, node: &mut NodeRef) -> Result<Hash> {
    let shared = match node {
        NodeRef::Leaf(id) => return Ok(*base.snapshot().node_hash(NodeId::Leaf(*id))?),
        NodeRef::Branch(id) => return Ok(*base.snapshot().node_hash(NodeId::Branch(*id))?),
        NodeRef::Mem(shared) => shared,
    };
    if let Some(known) = shared.hash {
        return Ok(known);
    }
    let node = Arc::make_mut(shared);
    let computed = match &mut node.body {
        Body::Leaf { key, value } => leaf_hash(node.version, base.key(key)?, value.as_slice()),
        Body::Branch(branch) => {
            let left = hash(base, &mut branch.left)?;
            let right = hash(base, &mut branch.right)?;
            branch_hash(branch.height, branch.size.into(), node.version, &left, &right)
        }
    };
    node.hash = Some(computed);
    Ok(computed)
}
