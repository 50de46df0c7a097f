//! The way from a tree's root to a leaf, as a proof says it.

use changeset::Hash;
use memiavl_iter::NodeId;

use crate::error::{Error, Result};
use crate::proof::message::{ExistenceProof, InnerOp, LeafOp};
use crate::tree::{At, Base, Body, MemNode, Side, Tree, side_of};

/// Length byte before a child's hash.
const HASH_LENGTH: u8 = 32;

/// What a proof needs of a branch on the way.
struct Step<'n> {
    height: u8,
    size: u32,
    version: u32,
    side: Side,
    child: At<'n>,
    sibling: At<'n>,
}

/// The existence proof of the leaf where `key` belongs: of `key` itself if the tree has it.
pub(super) fn prove_leaf(tree: &Tree, key: &[u8]) -> Result<Option<ExistenceProof>> {
    let base = tree.base();
    let Some(root) = tree.root() else { return Ok(None) };
    let (mut at, mut path) = (root.at(), Vec::new());
    while let Some(step) = step(base, at, key)? {
        let sibling = node_hash(base, step.sibling)?;
        path.push(inner_op(&step, &sibling));
        at = step.child;
    }
    path.reverse();
    let (version, key, value) = leaf(base, at)?;
    Ok(Some(ExistenceProof { key, value, leaf: LeafOp::new(prefix(0, 1, version)), path }))
}

/// The turn that `key` takes at a branch; none at a leaf.
fn step<'n>(base: Base<'n>, at: At<'n>, key: &[u8]) -> Result<Option<Step<'n>>> {
    let (height, size, version, branch_key, left, right) = match at {
        At::Leaf(_) | At::Mem(MemNode { body: Body::Leaf { .. }, .. }) => return Ok(None),
        At::Branch(id) => {
            let branch = base.snapshot().branch(id)?;
            (branch.height, branch.size, branch.version, branch.key()?, branch.left.into(), branch.right.into())
        }
        At::Mem(MemNode { body: Body::Branch(branch), version, .. }) => {
            let branch_key = base.key(&branch.key)?;
            (branch.height, branch.size, *version, branch_key, branch.left.at(), branch.right.at())
        }
    };
    let side = side_of(key, branch_key);
    let (child, sibling) = match side {
        Side::Left => (left, right),
        Side::Right => (right, left),
    };
    Ok(Some(Step { height, size, version, side, child, sibling }))
}

fn inner_op(step: &Step<'_>, sibling: &Hash) -> InnerOp {
    let mut prefix = prefix(step.height, step.size, step.version);
    let mut suffix = Vec::new();
    if step.side == Side::Right {
        prefix.push(HASH_LENGTH);
        prefix.extend_from_slice(sibling);
    } else {
        suffix.push(HASH_LENGTH);
        suffix.extend_from_slice(sibling);
    }
    prefix.push(HASH_LENGTH);
    InnerOp::new(prefix, suffix)
}

/// What stands first in every node's hash (spec FORMATS, IAVL tree and commit hashes).
fn prefix(height: u8, size: u32, version: u32) -> Vec<u8> {
    let mut prefix = Vec::new();
    for number in [height.into(), size, version] {
        // Zig-zag of a number that is not negative: its double.
        prost::encoding::encode_varint(u64::from(number) << 1, &mut prefix);
    }
    prefix
}

fn node_hash(base: Base<'_>, at: At<'_>) -> Result<Hash> {
    match at {
        At::Leaf(id) => Ok(*base.snapshot().node_hash(NodeId::Leaf(id))?),
        At::Branch(id) => Ok(*base.snapshot().node_hash(NodeId::Branch(id))?),
        At::Mem(node) => node.hash.ok_or(Error::UnhashedNode),
    }
}

/// Version, key and value of a leaf.
fn leaf(base: Base<'_>, at: At<'_>) -> Result<(u32, Vec<u8>, Vec<u8>)> {
    match at {
        At::Leaf(id) => {
            let leaf = base.snapshot().leaf(id)?;
            Ok((leaf.version, leaf.key.to_vec(), leaf.value.to_vec()))
        }
        At::Mem(MemNode { body: Body::Leaf { key, value }, version, .. }) => {
            Ok((*version, base.key(key)?.to_vec(), value.as_slice().to_vec()))
        }
        At::Branch(_) | At::Mem(_) => Err(Error::MisplacedBranch),
    }
}
