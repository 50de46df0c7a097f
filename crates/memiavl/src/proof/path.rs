//! The way from a tree's root to a leaf, as a proof says it.

use changeset::Hash;
use memiavl_iter::NodeId;

use crate::error::{Error, Result};
use crate::proof::message::{ExistenceProof, InnerOp, LeafOp};
use crate::tree::{Base, MemNode, NodeRef, Side, Tree, side_of};

/// Length byte before a child's hash.
const HASH_LENGTH: u8 = 32;

/// What a proof needs of a branch on the way.
struct Step {
    height: u8,
    size: u32,
    version: u32,
    side: Side,
    child: NodeRef,
    sibling: NodeRef,
}

/// The existence proof of the leaf where `key` belongs: of `key` itself if the tree has it.
pub(super) fn prove_leaf(tree: &Tree, key: &[u8]) -> Result<Option<ExistenceProof>> {
    let base = tree.base();
    let Some(root) = tree.root() else { return Ok(None) };
    let (mut at, mut path) = (root, Vec::new());
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
fn step(base: Base<'_>, at: NodeRef, key: &[u8]) -> Result<Option<Step>> {
    let (height, size, version, side, left, right) = match at {
        NodeRef::Leaf(_) => return Ok(None),
        NodeRef::Branch(index) => {
            let branch = base.branch(index)?;
            let side = side_of(key, branch.key()?);
            (branch.height, branch.size, branch.version, side, branch.left.into(), branch.right.into())
        }
        NodeRef::Mem(place) => match base.lines().node(place) {
            MemNode::Leaf(_) => return Ok(None),
            MemNode::Branch(branch) => {
                let side = base.read_key(branch.key, |own| side_of(key, own))?;
                (branch.height, branch.size, branch.version, side, branch.left, branch.right)
            }
        },
    };
    let (child, sibling) = match side {
        Side::Left => (left, right),
        Side::Right => (right, left),
    };
    Ok(Some(Step { height, size, version, side, child, sibling }))
}

fn inner_op(step: &Step, sibling: &Hash) -> InnerOp {
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

fn node_hash(base: Base<'_>, at: NodeRef) -> Result<Hash> {
    match at {
        NodeRef::Leaf(id) => Ok(*base.snapshot().node_hash(NodeId::Leaf(id))?),
        NodeRef::Branch(index) => Ok(*base.snapshot().branch_hash(index)?),
        NodeRef::Mem(place) => base.lines().hash(place).ok_or(Error::UnhashedNode),
    }
}

/// Version, key and value of a leaf.
fn leaf(base: Base<'_>, at: NodeRef) -> Result<(u32, Vec<u8>, Vec<u8>)> {
    match at {
        NodeRef::Leaf(id) => {
            let leaf = base.snapshot().leaf(id)?;
            Ok((leaf.version, leaf.key.to_vec(), leaf.value.to_vec()))
        }
        NodeRef::Mem(place) => {
            let leaf = base.mem_leaf(place)?;
            let (key, value) = base.pair(&leaf)?;
            Ok((leaf.version, key, value))
        }
        NodeRef::Branch(_) => Err(Error::MisplacedBranch),
    }
}
