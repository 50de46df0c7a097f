//! Snapshots that the reference wrote: everything in them checks out, and lookups and walks agree with a plain model.

mod common;

use std::collections::BTreeMap;
use std::ops::Bound;

use memiavl_iter::{EMPTY_ROOT, NodeId, Snapshot, TreeSnapshot, branch_hash, leaf_hash, list_snapshots};

use crate::common::{fixture, fixtures};

fn model(tree: &TreeSnapshot) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let leaves = tree.leaves(0..u32::MAX).map(|leaf| leaf.expect("reads"));
    leaves.map(|leaf| (leaf.key.to_vec(), leaf.value.to_vec())).collect()
}

#[test]
fn every_hash_of_the_recorded_snapshots_checks_out() {
    let mut leaves = 0;
    for version in [0, 8, 11, 129] {
        let snapshot = Snapshot::open(&fixture(version)).expect("opens");
        assert_eq!(snapshot.version(), version);
        snapshot.verify().expect("verifies");
        leaves += snapshot.trees().iter().map(|(_, tree)| tree.leaf_count()).sum::<u32>();
    }
    assert_eq!(leaves, 450 + 651 + 298);
}

#[test]
fn a_branch_is_read_by_its_place_as_by_its_id() {
    let mut branches = 0;
    for version in [8, 11, 129] {
        let snapshot = Snapshot::open(&fixture(version)).expect("opens");
        for (_, tree) in snapshot.trees() {
            let mut open: Vec<_> = tree.root().into_iter().collect();
            while let Some(node) = open.pop() {
                let NodeId::Branch(id) = node else { continue };
                let (branch, by_place) = (tree.branch(id).expect("reads"), tree.branch_at(id.index()).expect("reads"));
                assert_eq!(by_place.id, id);
                assert_eq!((by_place.left, by_place.right), (branch.left, branch.right));
                assert_eq!(tree.branch_id(id.index()).expect("reads"), id);
                assert_eq!(tree.branch_hash(id.index()).expect("reads"), branch.hash);
                open.extend([branch.left, branch.right]);
                branches += 1;
            }
            assert!(tree.branch_at(tree.leaf_count().saturating_sub(1)).is_err(), "one more than there are");
        }
    }
    assert!(branches > 500, "{branches}");
}

#[test]
fn the_metadata_reads_as_written() {
    let snapshot = Snapshot::open(&fixture(129)).expect("opens");
    assert_eq!(snapshot.initial_version(), 100);
    assert_eq!(snapshot.metadata().commit_info.as_ref().expect("commit info").store_infos.len(), 5);
    let names: Vec<&str> = snapshot.trees().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["aardvark", "alpha", "beta", "delta", "gamma"]);
    assert!(snapshot.tree("evm").is_none());
    assert_eq!(snapshot.tree("beta").expect("there").leaf_count(), 83);
}

#[test]
fn an_empty_tree_has_no_root_and_the_hash_of_nothing() {
    let snapshot = Snapshot::open(&fixture(11)).expect("opens");
    let tree = snapshot.tree("authz").expect("there");
    assert!(tree.is_empty());
    assert_eq!((tree.root(), tree.root_hash()), (None, EMPTY_ROOT));
    assert!(tree.get(b"").expect("reads").is_none());
    assert_eq!(tree.leaves(0..9).count(), 0);
    tree.verify().expect("verifies");
}

#[test]
fn a_single_leaf_is_the_root() {
    let snapshot = Snapshot::open(&fixture(11)).expect("opens");
    let tree = snapshot.tree("mint").expect("there");
    let Some(NodeId::Leaf(id)) = tree.root() else { panic!("{:?}", tree.root()) };
    let leaf = tree.leaf(id).expect("reads");
    assert_eq!(*leaf.hash, tree.root_hash());
    assert_eq!(leaf_hash(leaf.version, leaf.key, leaf.value), tree.root_hash());
}

#[test]
fn two_leaves_hang_on_one_branch() {
    let snapshot = Snapshot::open(&fixture(11)).expect("opens");
    let tree = snapshot.tree("slashing").expect("there");
    let Some(NodeId::Branch(id)) = tree.root() else { panic!("{:?}", tree.root()) };
    let branch = tree.branch(id).expect("reads");
    assert_eq!((branch.height, branch.size, branch.key_leaf.index()), (1, 2, 1));
    let [left, right] = [branch.left, branch.right].map(|node| *tree.node_hash(node).expect("reads"));
    assert_eq!(branch_hash(1, 2, branch.version, &left, &right), tree.root_hash());
    assert_eq!(branch.key().expect("reads"), tree.key(branch.right.first_leaf()).expect("reads"));
}

/// Walks from the root by the branches and counts the leaves in order; the ranges of the ids must add up.
fn descend(tree: &TreeSnapshot, node: NodeId, next: &mut u32) {
    match node {
        NodeId::Leaf(leaf) => {
            assert_eq!(leaf.index(), *next);
            *next += 1;
        }
        NodeId::Branch(id) => {
            let branch = tree.branch(id).expect("reads");
            assert_eq!(branch.left.size() + branch.right.size(), branch.size);
            assert_eq!(branch.right.first_leaf(), branch.key_leaf);
            let key = branch.key().expect("reads");
            let before = tree.leaf_id(branch.key_leaf.index() - 1).expect("there");
            assert!(tree.key(before).expect("reads") < key);
            descend(tree, branch.left, next);
            descend(tree, branch.right, next);
        }
    }
}

#[test]
fn the_way_down_passes_every_leaf_once_and_in_order() {
    for dir in fixtures() {
        for (name, tree) in Snapshot::open(&dir).expect("opens").trees() {
            let mut next = 0;
            if let Some(root) = tree.root() {
                descend(tree, root, &mut next);
            }
            assert_eq!(next, tree.leaf_count(), "{name}");
        }
    }
}

#[test]
fn lookups_agree_with_a_map() {
    for dir in fixtures() {
        for (name, tree) in Snapshot::open(&dir).expect("opens").trees() {
            let model = model(tree);
            assert_eq!(model.len(), tree.leaf_count() as usize, "{name}");
            for (place, key) in model.keys().enumerate() {
                // The key itself, its neighbours on either side, and what it is a prefix of.
                let probes =
                    [key.clone(), key[..key.len() - 1].to_vec(), [key, &[0][..]].concat(), [key, &[255][..]].concat()];
                for probe in probes {
                    let found = tree.get(&probe).expect("reads").map(|leaf| leaf.value.to_vec());
                    assert_eq!(found.as_ref(), model.get(&probe));
                    let expected = model.range(..probe.clone()).count();
                    assert_eq!(tree.lower_bound(&probe).expect("reads") as usize, expected);
                }
                assert_eq!(tree.leaf_id(place as u32).and_then(|id| tree.key(id)).expect("reads"), key);
            }
        }
    }
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

#[test]
fn ranges_agree_with_a_map_in_both_directions() {
    let snapshot = Snapshot::open(&fixture(129)).expect("opens");
    let tree = snapshot.tree("beta").expect("there");
    let model = model(tree);
    let keys: Vec<&Vec<u8>> = model.keys().collect();
    let bounds = |key: &Vec<u8>| [Bound::Unbounded, Bound::Included(key.clone()), Bound::Excluded(key.clone())];
    for (low, high) in [(0, 82), (3, 3), (10, 11), (40, 80)] {
        for start in bounds(keys[low]) {
            for end in bounds(keys[high]) {
                let inside = |key: &&&Vec<u8>| {
                    (match &start {
                        Bound::Unbounded => true,
                        Bound::Included(low) => *key >= &low,
                        Bound::Excluded(low) => *key > &low,
                    }) && (match &end {
                        Bound::Unbounded => true,
                        Bound::Included(high) => *key <= &high,
                        Bound::Excluded(high) => *key < &high,
                    })
                };
                let mut expected: Vec<&Vec<u8>> = keys.iter().filter(|key| inside(key)).copied().collect();
                let range = || tree.range(as_slice(&start), as_slice(&end)).expect("reads");
                let up: Vec<&[u8]> = range().map(|leaf| leaf.expect("reads").key).collect();
                assert_eq!(up, expected, "{start:?} {end:?}");
                let down: Vec<&[u8]> = range().rev().map(|leaf| leaf.expect("reads").key).collect();
                expected.reverse();
                assert_eq!(down, expected, "{start:?} {end:?}");
            }
        }
    }
}

#[test]
fn a_walk_from_both_ends_meets_in_the_middle() {
    let snapshot = Snapshot::open(&fixture(8)).expect("opens");
    let tree = snapshot.tree("evm").expect("there");
    let mut leaves = tree.leaves(0..u32::MAX);
    let mut seen = 0;
    while let (Some(front), back) = (leaves.next(), leaves.next_back()) {
        front.expect("reads");
        seen += 1 + back.map_or(0, |back| back.map(|_| 1).expect("reads"));
    }
    assert_eq!(seen, 229);
    assert!(leaves.next().is_none() && leaves.next_back().is_none());
}

#[test]
fn the_recorded_snapshots_are_listed_in_order_of_version() {
    let dir = fixture(8).parent().expect("fixtures").to_owned();
    let versions: Vec<u64> = list_snapshots(&dir).expect("lists").into_iter().map(|(version, _)| version).collect();
    assert_eq!(versions, [0, 8, 11, 129]);
}
