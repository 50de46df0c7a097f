//! A memiavl tree from files that anyone may have written. A tree that passes the full check must answer as a sorted map
//! does; one that does not must still end every call.

use std::ops::Bound;

use memiavl_iter::{NodeId, TreeSnapshot, encode_branch, encode_leaf, encode_metadata};

type Tree = TreeSnapshot<Vec<u8>>;

/// The four files as they are.
///
/// ```text
/// u16 length of nodes | u16 length of leaves | metadata 12 | nodes | leaves | kvs      (lengths little endian)
/// ```
pub(crate) fn snapshot_open(bytes: &[u8]) {
    let Some((head, rest)) = bytes.split_first_chunk::<4>() else { return };
    let length = |at: usize| usize::from(u16::from_le_bytes([head[at], head[at + 1]]));
    let (metadata, rest) = rest.split_at(rest.len().min(12));
    let (nodes, rest) = rest.split_at(rest.len().min(length(0)));
    let (leaves, kvs) = rest.split_at(rest.len().min(length(2)));
    if let Ok(tree) = Tree::from_parts("tree", metadata, nodes.to_vec(), leaves.to_vec(), kvs.to_vec()) {
        use_tree(&tree);
    }
}

/// A tree whose leaves are sound and whose branches are not: 8 bytes make a branch.
///
/// ```text
/// height | pre-trees | u16 size | u16 key leaf | version | byte of the hash
/// ```
pub(crate) fn node_layout(bytes: &[u8]) {
    let branches: Vec<&[u8; 8]> = bytes.as_chunks::<8>().0.iter().take(300).collect();
    let number = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]));
    let nodes = branches.iter().flat_map(|[height, pre_trees, size, size_high, leaf, leaf_high, version, hash]| {
        let (size, leaf) = (number(*size, *size_high), number(*leaf, *leaf_high));
        encode_branch(*height, *pre_trees, u32::from(*version), size, leaf, &[*hash; 32])
    });
    let (mut leaves, mut kvs) = (Vec::new(), Vec::new());
    // One more leaf than branches; at most 301, so two bytes name them in order.
    for index in 0..=branches.len() as u16 {
        let (key, value) = (index.to_be_bytes(), b"value");
        let hash = memiavl_iter::leaf_hash(1, &key, value);
        leaves.extend(encode_leaf(1, 2, kvs.len() as u64, &hash));
        kvs.extend([2, 0, 0, 0, key[0], key[1], 5, 0, 0, 0].iter().chain(value));
    }
    let tree = Tree::from_parts("tree", &encode_metadata(1), nodes.collect(), leaves, kvs).expect("lengths fit");
    use_tree(&tree);
}

fn use_tree(tree: &Tree) {
    let is_sound = tree.verify().is_ok();
    let mut pairs = Vec::new();
    for index in 0..tree.leaf_count() {
        let leaf = tree.leaf_id(index).and_then(|id| tree.leaf(id));
        match leaf {
            Ok(leaf) => {
                let verified = tree.verify_leaf(&leaf);
                assert!(!is_sound || verified.is_ok(), "a leaf of a sound tree");
                pairs.push((leaf.key.to_vec(), leaf.value.to_vec()));
            }
            Err(error) => assert!(!is_sound, "{error}"),
        }
    }
    let walked = tree.root().map_or(0, |root| walk(tree, root, is_sound, 0));
    assert!(!is_sound || walked == tree.leaf_count(), "a walk meets every leaf");
    for (key, value) in &pairs {
        let got = tree.get(key).map(|leaf| leaf.map(|leaf| leaf.value.to_vec()));
        assert!(!is_sound || got.is_ok_and(|got| got.as_ref() == Some(value)), "a key of a sound tree");
        let from: Result<Vec<_>, _> =
            tree.range(Bound::Excluded(key), Bound::Unbounded).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        if is_sound {
            let later = pairs.iter().filter(|(other, _)| other > key).count();
            assert_eq!(from.expect("a range of a sound tree").len(), later);
        }
    }
}

/// Leaves below a node. The way down must end whatever the branches say.
fn walk(tree: &Tree, node: NodeId, is_sound: bool, depth: u32) -> u32 {
    assert!(depth < 64, "the way down does not end");
    let NodeId::Branch(id) = node else { return 1 };
    match tree.branch(id) {
        Ok(branch) => {
            assert!(!is_sound || tree.verify_branch(&branch).is_ok(), "a branch of a sound tree");
            walk(tree, branch.left, is_sound, depth + 1) + walk(tree, branch.right, is_sound, depth + 1)
        }
        Err(error) => {
            assert!(!is_sound, "{error}");
            0
        }
    }
}
