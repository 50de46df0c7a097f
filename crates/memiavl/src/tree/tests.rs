//! The tree against a map, and its structure against its definition.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use changeset::{Hash, KvPair, ScanOrder, ScanRange};
use memiavl_iter::{EMPTY_ROOT, TreeSnapshot, branch_hash, leaf_hash};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::snapshot::{Cancel, Pace, write_tree};
use crate::tree::arena::{LINE_BYTES, Place, lines_of};
use crate::tree::base::Base;
use crate::tree::find::{Wanted, find};
use crate::tree::node::{LeafValue, MemLeaf, MemNode, NodeKey, NodeRef};
use crate::tree::{Tree, TreeScan};

mod naive;

type Model = BTreeMap<Bytes, Bytes>;

/// What a subtree must look like from outside.
struct Checked {
    height: u8,
    size: u32,
    min: Bytes,
    max: Bytes,
    hash: Hash,
    mem_bytes: u64,
}

/// Checks balance, sizes, keys and stored hashes of a hashed subtree, and computes its hash from its leaves.
fn check_node(tree: &Tree, node: NodeRef) -> Checked {
    let base = tree.base();
    let (version, stored, parts) = match node {
        NodeRef::Leaf(id) => {
            let leaf = base.snapshot().leaf(id).expect("leaf");
            let (key, value) = (Bytes::copy_from_slice(leaf.key), Bytes::copy_from_slice(leaf.value));
            (leaf.version, *leaf.hash, Err((key, value)))
        }
        NodeRef::Branch(index) => {
            let branch = base.branch(index).expect("branch");
            let key = Bytes::copy_from_slice(branch.key().expect("key"));
            let children = (NodeRef::from(branch.left), NodeRef::from(branch.right));
            (branch.version, *branch.hash, Ok((branch.height, branch.size, key, children)))
        }
        NodeRef::Mem(place) => {
            let hash = base.lines().hash(place).expect("hashed");
            match base.lines().node(place) {
                MemNode::Leaf(leaf) => {
                    let (key, value) = base.pair(&leaf).expect("pair");
                    (leaf.version, hash, Err((key.into(), value.into())))
                }
                MemNode::Branch(branch) => {
                    let key = base.read_key(branch.key, Bytes::copy_from_slice).expect("key");
                    (branch.version, hash, Ok((branch.height, branch.size, key, (branch.left, branch.right))))
                }
            }
        }
    };
    let own_bytes = if let NodeRef::Mem(place) = node { bytes(base, place) } else { 0 };
    match parts {
        Err((key, value)) => {
            let hash = leaf_hash(version, &key, &value);
            assert_eq!(hash, stored, "leaf hash");
            Checked { height: 0, size: 1, min: key.clone(), max: key, hash, mem_bytes: own_bytes }
        }
        Ok((height, size, key, (left, right))) => {
            let (left, right) = (check_node(tree, left), check_node(tree, right));
            assert!(left.height.abs_diff(right.height) <= 1, "balance");
            assert_eq!(height, left.height.max(right.height) + 1, "height");
            assert_eq!(size, left.size + right.size, "size");
            assert!(left.max < key && key <= right.min, "key");
            let hash = branch_hash(height, size.into(), version, &left.hash, &right.hash);
            assert_eq!(hash, stored, "branch hash");
            let mem_bytes = own_bytes + left.mem_bytes + right.mem_bytes;
            Checked { height, size, min: left.min, max: right.max, hash, mem_bytes }
        }
    }
}

/// Memory that a node takes, its strings included.
fn bytes(base: Base<'_>, place: Place) -> u64 {
    let lines = |place| base.lines().read_string(place, |string| lines_of(string.len()));
    let node = base.lines().node(place);
    let key = if let NodeKey::Mem(place) = node.key() { lines(place) } else { 0 };
    let value = match node {
        MemNode::Leaf(MemLeaf { value: LeafValue::Long(place), .. }) => lines(place),
        _ => 0,
    };
    LINE_BYTES * (1 + key + value) as u64
}

/// Checks all of a tree whose hashes are computed, against what it must hold.
fn check(tree: &mut Tree, model: &Model) -> Hash {
    let root = tree.root_hash().expect("hashed");
    match tree.root() {
        None => assert_eq!((root, tree.mem_bytes()), (EMPTY_ROOT, 0)),
        Some(node) => {
            let checked = check_node(tree, node);
            assert_eq!((checked.hash, checked.mem_bytes), (root, tree.mem_bytes()));
        }
    }
    check_reads(tree, model);
    root
}

fn check_reads(tree: &Tree, model: &Model) {
    let pairs: Vec<_> = model.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    assert_eq!(scan(tree, ScanRange::ALL, ScanOrder::Ascending), pairs);
    let mut walked = Vec::new();
    tree.walk(None, &mut |key, value| {
        walked.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
        ControlFlow::Continue(())
    })
    .expect("walked");
    assert_eq!(walked, pairs);
    assert_eq!(tree.len().expect("counted"), model.len() as u64);
}

fn scan(tree: &Tree, range: ScanRange, order: ScanOrder) -> Vec<(Bytes, Bytes)> {
    let scan = TreeScan::new(tree.clone(), &range, order).expect("scan");
    scan.collect::<Result<_, _>>().expect("pairs")
}

fn apply(model: &mut Model, pairs: &[KvPair]) {
    for pair in pairs {
        if pair.delete {
            model.remove(&pair.key);
        } else {
            model.insert(pair.key.clone(), pair.value.clone());
        }
    }
}

/// The tree as a snapshot of it has it.
fn mapped(tree: &Tree) -> (TempDir, Tree) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let (_handle, cancel) = Cancel::new();
    write_tree(&dir.path().join("tree"), tree, &mut Pace::unlimited(&cancel)).expect("written");
    let snapshot = TreeSnapshot::open(&dir.path().join("tree")).expect("opened");
    snapshot.verify().expect("sound");
    (dir, Tree::mapped(Arc::new(snapshot), 0))
}

fn key() -> impl Strategy<Value = Bytes> {
    // Few enough that most removals meet a key; of lengths 0 to 3, so that some are prefixes of others. Some take more than
    // a line.
    let tail = |key: &[u8]| if key.first() == Some(&4) { &[b'x'; 60][..] } else { &[] };
    prop::collection::vec(0u8..5, 0..4).prop_map(move |key| Bytes::from([&key, tail(&key)].concat()))
}

/// Keys as chains have them: many that share a long prefix, some that share none.
fn clustered_key() -> impl Strategy<Value = Bytes> {
    let prefix = prop_oneof![Just(&b""[..]), Just(&b"contract one, of many slots"[..]), Just(&b"contract two"[..])];
    (prefix, prop::collection::vec(any::<u8>(), 0..12)).prop_map(|(prefix, rest)| [prefix, &rest].concat().into())
}

fn pair() -> impl Strategy<Value = KvPair> {
    // Those that lie in a leaf and those that do not.
    let bytes = |length| prop::collection::vec(any::<u8>(), length);
    let value = prop_oneof![3 => bytes(0..6), 1 => bytes(14..19), 1 => bytes(36..130)];
    prop_oneof![3 => (key(), value).prop_map(|(key, value)| KvPair::set(key, value)), 2 => key().prop_map(KvPair::delete)]
}

fn block() -> impl Strategy<Value = Vec<KvPair>> {
    prop::collection::vec(pair(), 0..40)
}

proptest! {
    #[test]
    fn a_tree_is_a_map_of_sound_structure_at_every_version(blocks in prop::collection::vec(block(), 1..8)) {
        let (mut tree, mut model) = (Tree::new(1), Model::new());
        for pairs in blocks {
            tree.apply(&pairs).expect("applied");
            apply(&mut model, &pairs);
            check(&mut tree, &model);
            tree.advance().expect("version");
        }
    }

    #[test]
    fn changes_made_in_key_order_lead_where_single_ones_lead(
        before in prop::collection::vec(pair(), 0..150), mut pairs in prop::collection::vec(pair(), 0..150),
        sorted in any::<bool>(), from_snapshot in any::<bool>(),
    ) {
        let mut single = Tree::new(1);
        single.apply(&before).expect("applied");
        single.root_hash().expect("hashed");
        single.advance().expect("version");
        let mut _dir = None;
        if from_snapshot {
            let (dir, tree) = mapped(&single);
            (_dir, single) = (Some(dir), tree);
        }
        if sorted {
            pairs.sort_by(|a, b| a.key.cmp(&b.key));
        }
        let mut swept = single.clone();
        swept.apply(&pairs).expect("applied");
        for pair in pairs {
            single.apply(&[pair]).expect("applied");
        }
        prop_assert_eq!(swept.root_hash().expect("hashed"), single.root_hash().expect("hashed"));
        prop_assert_eq!(swept.mem_bytes(), single.mem_bytes());
    }

    #[test]
    fn blocks_lead_to_the_root_that_single_changes_from_the_root_lead_to(
        blocks in prop::collection::vec((block(), any::<bool>(), any::<bool>()), 1..8),
    ) {
        let (mut tree, mut naive) = (Tree::new(1), naive::Naive::default());
        let mut dirs = Vec::new();
        for (mut pairs, sorted, with_snapshot) in blocks {
            if sorted {
                pairs.sort_by(|a, b| a.key.cmp(&b.key));
            }
            tree.apply(&pairs).expect("applied");
            prop_assert_eq!(tree.root_hash().expect("hashed"), naive.block(&pairs));
            tree.advance().expect("version");
            if with_snapshot {
                let (dir, mapped) = mapped(&tree);
                dirs.push(dir);
                tree = mapped;
            }
        }
    }

    #[test]
    fn versions_that_are_let_go_leave_all_others_as_they_were(
        blocks in prop::collection::vec((block(), 0_usize..6, any::<bool>()), 1..40), with_snapshot in any::<bool>(),
    ) {
        let (mut tree, mut naive, mut model) = (Tree::new(1), naive::Naive::default(), Model::new());
        let (mut kept, mut _dir) = (Vec::new(), None);
        for (at, (pairs, gone, sealed)) in blocks.iter().enumerate() {
            tree.apply(pairs).expect("applied");
            apply(&mut model, pairs);
            prop_assert_eq!(check(&mut tree, &model), naive.block(pairs));
            tree.advance().expect("version");
            // As savepoints are, and commits.
            if *sealed {
                tree.seal();
            }
            kept.push((tree.clone(), model.clone()));
            if *gone < kept.len() {
                kept.remove(*gone);
            }
            for (other, model) in &mut kept {
                check(other, model);
            }
            if with_snapshot && at == 5 {
                let (dir, mapped) = mapped(&tree);
                (_dir, tree) = (Some(dir), mapped);
            }
        }
        tree.seal();
        drop(kept);
        prop_assert_eq!(tree.lines_in_use() as u64 * LINE_BYTES, tree.mem_bytes());
    }

    #[test]
    fn versions_made_together_lead_where_one_after_the_other_leads(
        before in block(), blocks in prop::collection::vec((block(), block(), any::<bool>()), 1..12),
        initial_version in prop_oneof![Just(1), Just(100)], from_snapshot in any::<bool>(),
    ) {
        let mut single = Tree::new(initial_version);
        let mut _dir = None;
        if from_snapshot {
            single.apply(&before).expect("applied");
            single.root_hash().expect("hashed");
            single.advance().expect("version");
            let (dir, tree) = mapped(&single);
            (_dir, single) = (Some(dir), tree);
        }
        let mut together = single.clone();
        let mut versions = Vec::new();
        for (mut first, second, sorted) in blocks {
            if sorted {
                first.sort_by(|a, b| a.key.cmp(&b.key));
            }
            versions.push(if sorted { vec![first] } else { vec![first, second] });
        }
        for changes in &versions {
            changes.iter().for_each(|pairs| single.apply(pairs).expect("applied"));
            single.root_hash().expect("hashed");
            single.advance().expect("version");
        }
        let versions: Vec<_> = versions.iter().map(|changes| changes.iter().map(Vec::as_slice).collect()).collect();
        together.replay(&versions).expect("replayed");
        prop_assert_eq!(together.root_hash().expect("hashed"), single.root_hash().expect("hashed"));
        prop_assert_eq!((together.version(), together.mem_bytes()), (single.version(), single.mem_bytes()));
    }

    #[test]
    fn many_keys_asked_for_at_once_are_where_each_one_is(
        before in block(), after in block(), mut asked in prop::collection::vec(key(), 0..60), from_snapshot in any::<bool>(),
    ) {
        let mut tree = Tree::new(1);
        tree.apply(&before).expect("applied");
        tree.root_hash().expect("hashed");
        let mut _dir = None;
        if from_snapshot {
            let (dir, mapped) = mapped(&tree);
            (_dir, tree) = (Some(dir), mapped);
        }
        tree.apply(&after).expect("applied");
        asked.sort();
        let each: Vec<_> = asked.iter().map(|key| tree.contains(key).expect("looked up")).collect();
        prop_assert_eq!(tree.contains_many(&asked).expect("looked up"), each);
    }

    #[test]
    fn a_snapshot_at_any_version_changes_no_later_hash(blocks in prop::collection::vec((block(), any::<bool>()), 1..8)) {
        let (mut live, mut model) = (Tree::new(1), Model::new());
        let mut mirror = live.clone();
        let mut dirs = Vec::new();
        for (pairs, with_snapshot) in blocks {
            live.apply(&pairs).expect("applied");
            mirror.apply(&pairs).expect("applied");
            apply(&mut model, &pairs);
            prop_assert_eq!(check(&mut mirror, &model), live.root_hash().expect("hashed"));
            live.advance().expect("version");
            mirror.advance().expect("version");
            if with_snapshot {
                let (dir, tree) = mapped(&mirror);
                dirs.push(dir);
                mirror = tree;
            }
        }
    }

    #[test]
    fn clones_keep_what_they_had_while_the_tree_moves_on(blocks in prop::collection::vec(block(), 2..8)) {
        let (mut tree, mut model) = (Tree::new(1), Model::new());
        let mut old = Vec::new();
        for pairs in blocks {
            // Taken before hashing, as a savepoint is.
            old.push((tree.clone(), model.clone(), None));
            tree.apply(&pairs).expect("applied");
            apply(&mut model, &pairs);
            let root = check(&mut tree, &model);
            old.push((tree.clone(), model.clone(), Some(root)));
            tree.advance().expect("version");
        }
        for (mut tree, model, root) in old {
            check_reads(&tree, &model);
            let again = check(&mut tree, &model);
            prop_assert_eq!(root.unwrap_or(again), again);
        }
    }

    #[test]
    fn lookups_in_a_snapshot_agree_with_the_map(
        keys in prop::collection::btree_set(clustered_key(), 1..400), others in prop::collection::vec(clustered_key(), 50),
    ) {
        let pairs: Vec<_> = keys.iter().map(|key| KvPair::set(key.clone(), key.clone())).collect();
        let mut tree = Tree::new(1);
        tree.apply(&pairs).expect("applied");
        tree.root_hash().expect("hashed");
        let (_dir, tree) = mapped(&tree);
        let base = tree.base();
        let root = tree.root().expect("a root");
        for key in keys.iter().chain(&others) {
            let got = tree.get(key).expect("read");
            prop_assert_eq!(got.as_ref(), keys.get(key));
            // The way down by rank ends where the way down by keys ends.
            let by_rank = find(base, root, &mut Wanted::key(key)).expect("found");
            let leaf = match by_rank.leaf {
                NodeRef::Leaf(id) => base.snapshot().key(id).expect("key"),
                other => panic!("{other:?}"),
            };
            prop_assert_eq!(by_rank.order, key.as_ref().cmp(leaf));
            let before = keys.range(..=key.clone()).next_back();
            prop_assert_eq!(leaf, before.or(keys.first()).expect("a key"));
        }
    }

    #[test]
    fn scans_meet_the_range_either_way(
        pairs in block(), more in block(), start in prop::option::of(key()), end in prop::option::of(key()),
    ) {
        let (mut tree, mut model) = (Tree::new(1), Model::new());
        tree.apply(&pairs).expect("applied");
        apply(&mut model, &pairs);
        tree.root_hash().expect("hashed");
        tree.advance().expect("version");
        let (_dir, mut tree) = mapped(&tree);
        tree.apply(&more).expect("applied");
        apply(&mut model, &more);
        let range = ScanRange { start, end };
        let mut expected: Vec<_> = model.into_iter().filter(|(key, _)| range.contains(key)).collect();
        prop_assert_eq!(&scan(&tree, range.clone(), ScanOrder::Ascending), &expected);
        expected.reverse();
        prop_assert_eq!(scan(&tree, range, ScanOrder::Descending), expected);
    }

    #[test]
    fn a_walk_starts_strictly_after_its_bound_and_ends_when_told(pairs in block(), after in key(), count in 0usize..9) {
        let (mut tree, mut model) = (Tree::new(1), Model::new());
        tree.apply(&pairs).expect("applied");
        apply(&mut model, &pairs);
        let mut walked = Vec::new();
        tree.walk(Some(&after), &mut |key, _| {
            walked.push(Bytes::copy_from_slice(key));
            if walked.len() > count { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }).expect("walked");
        let expected: Vec<_> = model.into_keys().filter(|key| *key > after).take(count + 1).collect();
        prop_assert_eq!(walked, expected);
    }
}

#[test]
fn setting_an_equal_value_raises_the_leafs_version() {
    let mut tree = Tree::new(1);
    let pairs = [KvPair::set("k", "v")];
    tree.apply(&pairs).expect("applied");
    assert_eq!(tree.root_hash().expect("hashed"), leaf_hash(1, b"k", b"v"));
    tree.advance().expect("version");
    tree.apply(&pairs).expect("applied");
    assert_eq!(tree.root_hash().expect("hashed"), leaf_hash(2, b"k", b"v"));
}

#[test]
fn removing_an_absent_key_changes_nothing() {
    let mut tree = Tree::new(1);
    tree.apply(&[KvPair::set("a", "1"), KvPair::set("c", "3")]).expect("applied");
    let before = tree.root_hash().expect("hashed");
    tree.advance().expect("version");
    tree.apply(&[KvPair::delete("b")]).expect("applied");
    assert_eq!(tree.root_hash().expect("hashed"), before);
}

#[test]
fn a_first_block_at_a_high_initial_version_hashes_with_version_1() {
    let mut tree = Tree::new(100);
    tree.apply(&[KvPair::set("k", "v")]).expect("applied");
    assert_eq!(tree.root_hash().expect("hashed"), leaf_hash(1, b"k", b"v"));
    tree.advance().expect("version");
    assert_eq!(tree.version(), 100);
    tree.apply(&[KvPair::set("k", "w")]).expect("applied");
    assert_eq!(tree.root_hash().expect("hashed"), leaf_hash(101, b"k", b"w"));
}

#[test]
fn lookups_on_two_threads_answer_in_the_order_of_the_keys() {
    let key = |number: u32| Bytes::copy_from_slice(&number.to_be_bytes());
    let odd: Vec<_> = (0..1000).map(|number| KvPair::set(key(2 * number + 1), "v")).collect();
    let mut tree = Tree::new(1);
    tree.apply(&odd).expect("applied");
    tree.root_hash().expect("hashed");
    let (_dir, tree) = mapped(&tree);
    let asked: Vec<_> = (500..1501).map(key).collect();
    let expected: Vec<_> = (500..1501).map(|number| number % 2 == 1).collect();
    assert_eq!(tree.contains_many(&asked).expect("looked up"), expected);
}

#[test]
fn a_tree_that_nobody_else_holds_takes_no_more_than_it_ends_with() {
    let mut tree = Tree::new(1);
    let mut most = 0;
    for round in 0..50 {
        let pairs = (0..100_u32).map(|key| KvPair::set(key.to_be_bytes().to_vec(), vec![round; 200]));
        tree.apply(&pairs.collect::<Vec<_>>()).expect("applied");
        tree.advance().expect("version");
        most = most.max(tree.lines_in_use() as u64 * LINE_BYTES);
    }
    assert_eq!(most, tree.mem_bytes());
}
