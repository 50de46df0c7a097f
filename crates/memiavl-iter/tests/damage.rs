//! Damaged trees: each refusal says where and what, and no damage makes a reader panic, loop or go silent.

mod common;

use std::ops::{Bound, ControlFlow};

use changeset::StoreErrorKind;
use memiavl_iter::{Error, Field, NodeId, TreeSnapshot, encode_branch};
use proptest::prelude::*;

use crate::common::Files;

/// Uses every accessor of a tree, damaged or not, and counts the nodes that the way down passes.
fn read_everything(tree: &TreeSnapshot<&[u8]>) -> u64 {
    let mut keys = vec![Vec::new(), vec![0xff; 3]];
    for leaf in tree.leaves(0..u32::MAX) {
        let Ok(leaf) = leaf else { break };
        keys.push(leaf.key.to_vec());
        tree.verify_leaf(&leaf).ok();
    }
    for key in &keys {
        let found = tree.get(key).ok().flatten();
        assert!(found.is_none_or(|leaf| leaf.key == key.as_slice()));
        tree.lower_bound(key).ok();
        if let Ok(range) = tree.range(Bound::Excluded(key), Bound::Unbounded) {
            assert!(range.rev().count() <= tree.leaf_count() as usize);
        }
    }
    let mut nodes = 0;
    let mut open: Vec<NodeId> = tree.root().into_iter().collect();
    while let Some(node) = open.pop() {
        nodes += 1;
        if let NodeId::Branch(id) = node
            && let Ok(branch) = tree.branch(id)
        {
            branch.key().ok();
            assert!(tree.branch_at(id.index()).is_ok_and(|same| same.id == id), "by its place");
            open.extend([branch.left, branch.right]);
        }
    }
    assert!(nodes <= 2 * u64::from(tree.leaf_count()), "two ways down met");
    nodes
}

fn is_the_original(files: &Files, original: &Files) -> bool {
    (&files.nodes, &files.leaves, &files.kvs) == (&original.nodes, &original.leaves, &original.kvs)
}

/// Whether the audit finds something, its ranges as small as they can be or taken at once.
fn is_faulty(tree: &TreeSnapshot<&[u8]>) -> bool {
    let audit = |step: u32| {
        let mut faults = 0;
        let mut go_on = |_| ControlFlow::Continue(());
        for start in (0..tree.leaf_count()).step_by(step as usize) {
            let range = start..start.saturating_add(step);
            tree.audit_leaves(range.clone(), &mut go_on, &mut |_| faults += 1);
            tree.audit_branches(range, &mut go_on, &mut |_| faults += 1);
        }
        faults
    };
    assert_eq!(audit(1), audit(u32::MAX), "ranges do not matter");
    audit(u32::MAX) > 0
}

/// The damage is found when the tree is opened or verified, or only the version in the metadata differs: the snapshot's
/// commit info answers for that (see the snapshot's tests).
fn check_found(damaged: &Files, original: &Files, what: &str) {
    let Ok(tree) = damaged.open() else { return };
    read_everything(&tree);
    let root = original.open().expect("opens").root_hash();
    assert_eq!(is_faulty(&tree), tree.verify().is_err(), "the audit in ranges says something else: {what}");
    let found = tree.verify().is_err() || tree.root_hash() != root;
    assert!(found || is_the_original(damaged, original), "silent: {what}");
    if is_the_original(damaged, original) {
        assert_eq!(damaged.metadata[..8], original.metadata[..8], "{what}");
    }
}

#[test]
fn every_flipped_byte_is_found() {
    for tree in ["slashing", "distribution", "mint"] {
        let original = Files::of(if tree == "mint" { 11 } else { 8 }, tree);
        for file in 0..4 {
            for at in 0..original.clone().each()[file].len() {
                for flip in [0x01, 0x80, 0xff] {
                    let mut damaged = original.clone();
                    damaged.each()[file][at] ^= flip;
                    check_found(&damaged, &original, &format!("tree {tree} file {file} byte {at} flip {flip:#x}"));
                }
            }
        }
    }
}

#[test]
fn a_leaf_that_was_checked_among_others_is_refused_as_one_alone() {
    let original = Files::of(8, "distribution");
    let verified = |tree: &TreeSnapshot<&[u8]>, in_turn: bool| -> Vec<_> {
        let leaves = tree.leaves(0..u32::MAX).map_while(Result::ok);
        let verify = |leaf| if in_turn { tree.verify_leaf_in_turn(&leaf) } else { tree.verify_leaf(&leaf) };
        leaves.map(|leaf| verify(leaf).map_err(|error| error.to_string())).collect()
    };
    let mut refused = 0;
    for file in 2..4 {
        for at in 0..original.clone().each()[file].len() {
            let mut damaged = original.clone();
            damaged.each()[file][at] ^= 1;
            let (Ok(alone), Ok(among_others)) = (damaged.open(), damaged.open()) else { continue };
            let expected = verified(&alone, false);
            assert_eq!(verified(&among_others, true), expected, "file {file} byte {at}");
            refused += expected.iter().filter(|verified| verified.is_err()).count();
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn every_truncation_is_found() {
    let original = Files::of(8, "distribution");
    for file in 0..4 {
        for length in 0..original.clone().each()[file].len() {
            let mut damaged = original.clone();
            damaged.each()[file].truncate(length);
            let tree = damaged.open();
            if let Ok(tree) = &tree {
                read_everything(tree);
            }
            assert!(tree.and_then(|tree| tree.verify()).is_err(), "file {file} length {length}");
        }
    }
}

#[test]
fn leaves_and_branches_cut_together_leave_a_tree_with_another_root() {
    let original = Files::of(8, "distribution");
    let root = original.open().expect("opens").root_hash();
    for leaves in 0..5 {
        let mut damaged = original.clone();
        damaged.leaves.truncate(leaves * 48);
        damaged.nodes.truncate(leaves.saturating_sub(1) * 48);
        let tree = damaged.open().expect("the lengths fit");
        read_everything(&tree);
        assert!(tree.verify().is_err() || tree.root_hash() != root, "leaves {leaves}");
    }
}

/// What `result` says is wrong: file name, offset, field, range and number found.
fn field<T>(result: Result<T, Error>) -> (String, u64, Field, u64, u64, u64) {
    match result.err() {
        Some(Error::Field { path, offset, field, min, max, got }) => {
            (path.file_name().expect("a file").to_str().expect("UTF-8").to_owned(), offset, field, min, max, got)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn refusals_when_opening_say_what_was_wrong() {
    let original = Files::of(8, "slashing");
    let check = |damage: &dyn Fn(&mut Files), kind, is_right: &dyn Fn(&Error) -> bool| {
        let mut files = original.clone();
        damage(&mut files);
        let error = files.open().expect_err("refused");
        assert_eq!(error.kind(), kind, "{error}");
        assert!(is_right(&error), "{error:?}");
    };
    use StoreErrorKind::{Corruption, Incompatible};
    check(
        &|f| f.metadata.truncate(11),
        Corruption,
        &|e| matches!(e, Error::MetadataLength { expected: 12, got: 11, path } if path.ends_with("tree/metadata")),
    );
    check(&|f| f.metadata[0] = b'J', Corruption, &|e| {
        matches!(e, Error::Magic { expected: 0x4c56_4149, got: 0x4c56_414a, .. })
    });
    check(&|f| f.metadata[4] = 1, Incompatible, &|e| matches!(e, Error::Format { expected: 0, got: 1, .. }));
    check(
        &|f| f.leaves.truncate(95),
        Corruption,
        &|e| matches!(e, Error::PartialRecord { record_bytes: 48, got: 95, path } if path.ends_with("leaves")),
    );
    check(
        &|f| f.nodes.push(0),
        Corruption,
        &|e| matches!(e, Error::PartialRecord { record_bytes: 48, got: 49, path } if path.ends_with("nodes")),
    );
    check(&|f| f.nodes.clear(), Corruption, &|e| matches!(e, Error::BranchCount { expected: 1, got: 0, .. }));
    check(&|f| f.leaves.clear(), Corruption, &|e| matches!(e, Error::BranchCount { expected: 0, got: 1, .. }));
}

#[test]
fn refusals_of_a_leaf_say_what_was_wrong() {
    let original = Files::of(8, "slashing");
    let room = original.kvs.len() as u64;
    let check = |damage: &dyn Fn(&mut Files), expected: (&str, u64, Field, u64, u64, u64)| {
        let mut files = original.clone();
        damage(&mut files);
        let tree = files.open().expect("opens");
        let found = field(tree.leaf_id(1).and_then(|id| tree.leaf(id)));
        let (file, offset, what, min, max, got) = expected;
        assert_eq!(found, (file.to_owned(), offset, what, min, max, got));
    };
    let offset = |files: &Files| u64::from_le_bytes(files.leaves[56..64].try_into().expect("8 bytes"));
    let at = offset(&original);
    let key_length = u64::from(original.leaves[52]);
    check(&|f| f.leaves[63] = 1, ("leaves", 56, Field::KvsOffset, 0, room - 8, at | 1 << 56));
    check(&|f| f.leaves[52] += 1, ("leaves", 52, Field::KeyLength, key_length, key_length, key_length + 1));
    check(&|f| f.kvs[at as usize + 3] = 1, ("kvs", at, Field::KeyLength, 0, room - at - 4, key_length | 1 << 24));
    let value_at = at + 4 + key_length;
    let value_length = room - value_at - 4;
    check(
        &|f| f.kvs[value_at as usize + 3] = 0xff,
        ("kvs", value_at, Field::ValueLength, 0, value_length, value_length | 0xff << 24),
    );
    check(
        &|f| f.kvs.truncate(value_at as usize + 3),
        ("kvs", value_at, Field::KvsEnd, value_at + 4, u64::MAX, value_at + 3),
    );
}

#[test]
fn refusals_of_a_branch_say_what_was_wrong() {
    let original = Files::of(8, "distribution");
    let root_at = original.nodes.len() - 48;
    let check = |at: usize, byte: u8, (what, min, max): (Field, u64, u64)| {
        let mut files = original.clone();
        files.nodes[root_at + at] = byte;
        let tree = files.open().expect("opens");
        let Some(NodeId::Branch(root)) = tree.root() else { panic!("five leaves have a branch") };
        let found = field(tree.branch(root));
        assert_eq!(found, ("nodes".to_owned(), (root_at + at) as u64, what, min, max, byte.into()));
    };
    check(0, 2, (Field::Height, 3, 3));
    check(0, 200, (Field::Height, 3, 3));
    check(1, 1, (Field::PreTrees, 0, 0));
    check(8, 4, (Field::Size, 5, 5));
    check(12, 0, (Field::KeyLeaf, 2, 3));
    check(12, 200, (Field::KeyLeaf, 2, 3));
}

/// Who goes on from a branch by the places of its children alone must not be led elsewhere by their records.
#[test]
fn a_child_that_covers_other_leaves_is_refused_with_its_parent() {
    let original = Files::of(129, "beta");
    let (mut refused, root) = (0, original.open().expect("opens").root());
    let mut open: Vec<_> = root.into_iter().collect();
    while let Some(node) = open.pop() {
        let NodeId::Branch(id) = node else { continue };
        let children = original.open().expect("opens").branch(id).map(|branch| [branch.left, branch.right]);
        let children = children.expect("reads");
        for child in children {
            let NodeId::Branch(child) = child else { continue };
            for at in [1, 8, 9, 10, 11] {
                let mut files = original.clone();
                files.nodes[child.index() as usize * 48 + at] ^= 1;
                let tree = files.open().expect("opens");
                let parent = tree.branch(id).expect("its own record is sound");
                assert!(tree.verify_branch(&parent).is_err(), "branch {} byte {at}", child.index());
                refused += 1;
            }
        }
        open.extend(children);
    }
    assert!(refused > 50, "{refused}");
}

#[test]
fn what_only_the_full_check_sees_is_reported_with_its_place() {
    let original = Files::of(8, "distribution");
    let verify = |damage: &dyn Fn(&mut Files)| {
        let mut files = original.clone();
        damage(&mut files);
        let result = files.open().and_then(|tree| tree.verify());
        result.expect_err("found")
    };
    let error = verify(&|f| f.nodes[2] = 1);
    assert_eq!(field::<()>(Err(error)), ("nodes".to_owned(), 2, Field::Padding, 0, 0, 1));
    let error = verify(&|f| f.kvs.push(0));
    let end = original.kvs.len() as u64;
    assert_eq!(field::<()>(Err(error)), ("kvs".to_owned(), end, Field::KvsEnd, end, end, end + 1));
    let last_at = u64::from_le_bytes(original.leaves[4 * 48 + 8..][..8].try_into().expect("8 bytes"));
    let error = verify(&|f| {
        f.kvs.insert(last_at as usize, 0);
        f.leaves[4 * 48 + 8..][..8].copy_from_slice(&(last_at + 1).to_le_bytes());
    });
    let expected = ("leaves".to_owned(), 4 * 48 + 8, Field::KvsOffset, last_at, last_at, last_at + 1);
    assert_eq!(field::<()>(Err(error)), expected, "bytes that belong to no leaf");
    let error = verify(&|f| *f.kvs.last_mut().expect("not empty") ^= 1);
    assert!(matches!(error, Error::HashMismatch { offset, .. } if offset == 4 * 48 + 16), "{error:?}");
    let error = verify(&|f| *f.nodes.last_mut().expect("not empty") ^= 1);
    assert!(
        matches!(error, Error::HashMismatch { offset, expected, got, .. }
        if offset == 3 * 48 + 16 && expected[31] == got[31] ^ 1 && expected[..31] == got[..31]),
        "{error:?}"
    );
}

#[test]
fn keys_out_of_order_are_found_by_a_walk_from_either_end() {
    let mut files = Files::of(8, "distribution");
    let (second, third) = (files.leaves[48..96].to_vec(), files.leaves[96..144].to_vec());
    files.leaves[48..96].copy_from_slice(&third);
    files.leaves[96..144].copy_from_slice(&second);
    let tree = files.open().expect("opens");
    let mut up = tree.leaves(0..5);
    assert!(up.next().is_some_and(|leaf| leaf.is_ok()) && up.next().is_some_and(|leaf| leaf.is_ok()));
    let error = up.next().expect("an error").expect_err("out of order");
    assert!(matches!(error, Error::KeyOrder { offset: 96, leaf: 2, .. }), "{error:?}");
    assert!(up.next().is_none(), "nothing follows an error");
    let mut down = tree.leaves(0..5).rev().skip(3);
    let error = down.next().expect("an error").expect_err("out of order");
    assert!(matches!(error, Error::KeyOrder { offset: 48, leaf: 1, .. }), "{error:?}");
    assert!(down.next().is_none(), "nothing follows an error");
}

/// A chain of branches, each with one leaf and the rest below it, would take a recursive reader as deep as there are
/// leaves. Each branch alone has a height that fits its size; that its smaller half is too small stops it at once.
#[test]
fn a_chain_of_branches_is_no_tree() {
    let leaves = 2000u32;
    let nodes: Vec<u8> = (0..leaves - 1)
        .flat_map(|index| {
            let size = index + 2;
            let height = size.next_power_of_two().trailing_zeros() as u8;
            encode_branch(height, 0, 1, size, size - 1, &[0; 32])
        })
        .collect();
    let mut files = Files::of(8, "slashing");
    files.leaves = files.leaves[..48].repeat(leaves as usize);
    files.nodes = nodes;
    let tree = files.open().expect("opens");
    assert_eq!(read_everything(&tree), 1, "the root is refused");
}

#[test]
fn a_node_that_is_not_there_is_the_callers_error() {
    let files = Files::of(8, "slashing");
    let tree = files.open().expect("opens");
    let error = tree.leaf_id(2).expect_err("two leaves");
    assert!(matches!(error, Error::NoSuchNode { count: 2, got: 2, .. }), "{error:?}");
    assert_eq!(error.kind(), StoreErrorKind::Input);
    // An id of a larger tree.
    let larger = Files::of(8, "distribution");
    let id = larger.open().expect("opens").leaf_id(4).expect("five leaves");
    assert!(matches!(tree.leaf(id), Err(Error::NoSuchNode { count: 2, got: 4, .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_do_more_than_fail(
        leaf_count in 0usize..40,
        seed in proptest::collection::vec(any::<u8>(), 48..200),
        kvs in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let leaves: Vec<u8> = seed.iter().copied().cycle().take(leaf_count * 48).collect();
        let nodes: Vec<u8> = seed.iter().rev().copied().cycle().take(leaf_count.saturating_sub(1) * 48).collect();
        let metadata = Files::of(8, "slashing").metadata;
        let tree = TreeSnapshot::from_parts("tree", &metadata, &nodes[..], &leaves[..], &kvs[..]).expect("the lengths fit");
        read_everything(&tree);
        prop_assert!(tree.verify().is_err() || (leaf_count == 0 && kvs.is_empty()));
    }

    /// Small changes of small fields get further than random bytes: they look like a tree.
    #[test]
    fn a_tree_with_some_bytes_changed_is_found_out(
        changes in proptest::collection::vec((0usize..4, any::<proptest::sample::Index>(), 0u8..12), 1..6)
    ) {
        let original = Files::of(129, "delta");
        let mut damaged = original.clone();
        for (file, at, byte) in changes {
            let bytes = &mut *damaged.each()[file];
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        check_found(&damaged, &original, "random change");
    }
}
