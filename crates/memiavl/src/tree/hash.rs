//! Hashing of changed nodes (spec FORMATS, IAVL tree and commit hashes).

use std::sync::Arc;

use changeset::Hash;
use memiavl_iter::{NodeId, branch_hash, leaf_hash};

use crate::error::Result;
use crate::tree::node::{Base, Body, NodeRef};

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
        Body::Leaf { key, value } => leaf_hash(node.version, key, value),
        Body::Branch(branch) => {
            let left = hash(base, &mut branch.left)?;
            let right = hash(base, &mut branch.right)?;
            branch_hash(branch.height, branch.size.into(), node.version, &left, &right)
        }
    };
    node.hash = Some(computed);
    Ok(computed)
}
