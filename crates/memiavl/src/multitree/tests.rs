//! Upgrades as the reference takes them, and the ways back in a block.

use changeset::{ChangelogEntry, Hash, KvPair, NamedChangeSet, TreeNameUpgrade};

use crate::error::{Error, Result};
use crate::multitree::{Forest, MultiTree};

fn add(name: &str) -> TreeNameUpgrade {
    TreeNameUpgrade { name: name.to_owned(), ..TreeNameUpgrade::default() }
}

fn rename(from: &str, name: &str) -> TreeNameUpgrade {
    TreeNameUpgrade { rename_from: from.to_owned(), ..add(name) }
}

fn delete(name: &str) -> TreeNameUpgrade {
    TreeNameUpgrade { delete: true, ..add(name) }
}

fn set(store: &str, key: &'static str) -> NamedChangeSet {
    NamedChangeSet::new(store, vec![KvPair::set(key, store.to_owned())])
}

/// Trees `a`, `b` and `c`, each with its own name as a value, at version 1.
fn abc() -> MultiTree {
    let mut trees = MultiTree::new(Forest::empty(0)).expect("made");
    trees.upgrade(&[add("c"), add("a"), add("b")]).expect("added");
    trees.apply(&[set("a", "k"), set("b", "k"), set("c", "k")]).expect("applied");
    commit(&mut trees);
    trees
}

fn commit(trees: &mut MultiTree) -> Vec<(String, Hash)> {
    let roots = trees.working_roots().expect("hashed");
    let prepared = trees.prepare().expect("hashed");
    trees.publish(prepared);
    roots
}

/// Name and value of each tree.
fn values(trees: &MultiTree) -> Vec<(String, Option<String>)> {
    let value = |value: bytes::Bytes| String::from_utf8(value.to_vec()).expect("text");
    let named = trees.working().trees().iter();
    named.map(|named| (named.name.to_string(), named.tree.get(b"k").expect("read").map(value))).collect()
}

#[track_caller]
fn check(upgrades: &[TreeNameUpgrade], expected: &[(&str, Option<&str>)]) {
    let mut trees = abc();
    trees.upgrade(upgrades).expect("upgraded");
    let got = values(&trees);
    assert_eq!(got.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect::<Vec<_>>(), expected);
    // A replay of the entry leads to the same state.
    let mut replayed = abc().committed().forest().clone();
    let entry = changeset::open_entry(&trees.handoff([0; 32]).entry).expect("opens").entry;
    replayed.replay(&entry).expect("replayed");
    assert_eq!(
        commit(&mut trees).into_iter().map(|(_, root)| root).collect::<Vec<_>>(),
        replayed.roots().expect("hashed")
    );
}

#[test]
fn trees_are_added_renamed_and_deleted() {
    check(&[add("bb")], &[("a", Some("a")), ("b", Some("b")), ("bb", None), ("c", Some("c"))]);
    check(&[rename("a", "z")], &[("b", Some("b")), ("c", Some("c")), ("z", Some("a"))]);
    check(&[delete("b")], &[("a", Some("a")), ("c", Some("c"))]);
}

#[test]
fn names_are_compared_at_the_end_of_the_list() {
    check(&[delete("b"), add("b")], &[("a", Some("a")), ("b", None), ("c", Some("c"))]);
    check(
        &[rename("a", "t"), rename("b", "a"), rename("t", "b")],
        &[("a", Some("b")), ("b", Some("a")), ("c", Some("c"))],
    );
    // Two trees have the name for a moment, and the first in the list goes.
    check(&[rename("a", "b"), delete("b")], &[("b", Some("b")), ("c", Some("c"))]);
    // The tree that is deleted leaves its place to the last one: `c` now stands before `b`.
    check(&[delete("a"), rename("c", "b"), delete("b")], &[("b", Some("b"))]);
}

#[track_caller]
fn refused(upgrades: &[TreeNameUpgrade], is_expected: fn(&Error) -> bool) {
    let mut trees = abc();
    let before = values(&trees);
    let error = trees.upgrade(upgrades).expect_err("refused");
    assert!(is_expected(&error), "{error:?}");
    assert_eq!(values(&trees), before);
    trees.apply(&[set("a", "k")]).expect("the block goes on");
}

#[test]
fn upgrades_that_do_not_fit_change_nothing() {
    refused(&[add("b")], |error| matches!(error, Error::TreeExists { name } if name == "b"));
    refused(&[rename("a", "b")], |error| matches!(error, Error::TreeExists { name } if name == "b"));
    refused(&[add("d"), delete("e")], |error| matches!(error, Error::UpgradeOfUnknownTree { name } if name == "e"));
    refused(&[rename("e", "f")], |error| matches!(error, Error::UpgradeOfUnknownTree { name } if name == "e"));
    for name in ["", ".", "..", "a/b", "nul\0", "__metadata"] {
        let mut trees = abc();
        let error = trees.upgrade(&[add(name)]).expect_err("refused");
        assert!(matches!(&error, Error::TreeName { name: got } if got == name), "{error:?}");
    }
    let long = "x".repeat(256);
    assert!(matches!(abc().upgrade(&[add(&long)]), Err(Error::TreeName { name }) if name == long));
}

#[test]
fn upgrades_behind_changes_are_refused() {
    let mut trees = abc();
    trees.apply(&[set("a", "k")]).expect("applied");
    let error = trees.upgrade(&[add("d")]).expect_err("refused");
    assert!(matches!(error, Error::UpgradeAfterChanges { version: 2 }), "{error:?}");
}

#[test]
fn a_savepoint_brings_back_changes_upgrades_and_the_entry() -> Result<()> {
    let mut trees = abc();
    trees.upgrade(&[add("d")])?;
    let start = trees.savepoint();
    trees.apply(&[set("a", "x"), set("d", "x")])?;
    let middle = trees.savepoint();
    // Hashed while the savepoints hold the same nodes.
    let (roots, entry) = (trees.working_roots()?, trees.handoff([0; 32]));
    trees.apply(&[set("c", "x"), set("a", "y"), NamedChangeSet::new("b", vec![KvPair::delete("k")])])?;
    assert_ne!(trees.working_roots()?, roots);
    trees.restore(middle);
    assert_eq!((trees.working_roots()?, trees.handoff([0; 32])), (roots, entry));
    trees.restore(start);
    assert_eq!(values(&trees).len(), 4);
    trees.upgrade(&[delete("d")])?;
    trees.discard();
    assert_eq!((values(&trees), trees.next_version()), (values(&abc()), 2));
    assert!(trees.is_between_blocks());
    Ok(())
}

/// The roots and the entry that `asked` leads to, from `abc` and one block more, with what `done` wrote ahead of the block.
fn from_ahead(
    done: &[NamedChangeSet],
    before: &[NamedChangeSet],
    asked: &[NamedChangeSet],
) -> (Vec<(String, Hash)>, bool) {
    let mut trees = abc();
    trees.apply(&[set("b", "m")]).expect("applied");
    trees.working_roots().expect("hashed");
    let mut ahead = trees.ahead().expect("ahead");
    ahead.apply(done).expect("applied");
    commit(&mut trees);
    if !before.is_empty() {
        trees.apply(before).expect("applied");
    }
    let is_begun = trees.is_begun_by(&ahead);
    trees.apply_from(ahead, asked.to_vec()).expect("applied");
    (trees.working_roots().expect("hashed"), is_begun)
}

#[track_caller]
fn ahead_changes_nothing(done: &[NamedChangeSet], before: &[NamedChangeSet], asked: &[NamedChangeSet], is_begun: bool) {
    let without = from_ahead(&[], &[set("c", "k")], asked);
    let expected = match before {
        [] => {
            let mut trees = abc();
            trees.apply(&[set("b", "m")]).expect("applied");
            commit(&mut trees);
            trees.apply(asked).expect("applied");
            trees.working_roots().expect("hashed")
        }
        _ => without.0,
    };
    assert_eq!(from_ahead(done, before, asked), (expected, is_begun));
}

#[test]
fn ahead_of_the_block_the_same_changes_lead_to_the_same_trees() {
    let gone = |key: &'static str| NamedChangeSet::new("b", vec![KvPair::delete(key)]);
    let both = NamedChangeSet::new("b", vec![KvPair::delete("k"), KvPair::set("n", "x")]);
    ahead_changes_nothing(&[gone("k")], &[], &[gone("k")], true);
    ahead_changes_nothing(&[gone("k")], &[], &[set("a", "z"), both], true);
}

#[test]
fn ahead_of_other_changes_nothing_is_taken() {
    let gone = |key: &'static str| NamedChangeSet::new("b", vec![KvPair::delete(key)]);
    // Another key, another store, the same one twice, and fewer pairs than were written.
    ahead_changes_nothing(&[gone("k")], &[], &[gone("m")], true);
    ahead_changes_nothing(&[gone("k")], &[], &[set("a", "z")], true);
    ahead_changes_nothing(&[gone("k")], &[], &[gone("k"), set("b", "k")], true);
    ahead_changes_nothing(&[gone("k"), gone("m")], &[], &[gone("k")], true);
    ahead_changes_nothing(&[gone("k")], &[], &[], true);
}

#[test]
fn ahead_of_a_block_that_has_changes_nothing_is_taken() {
    let gone = NamedChangeSet::new("b", vec![KvPair::delete("k")]);
    ahead_changes_nothing(std::slice::from_ref(&gone), &[set("c", "k")], std::slice::from_ref(&gone), false);
}

fn entry(version: i64, upgrades: Vec<TreeNameUpgrade>, changesets: Vec<NamedChangeSet>) -> ChangelogEntry {
    ChangelogEntry { version, changesets, upgrades }
}

fn values_of(forest: &Forest) -> Vec<(String, u64, u32)> {
    let trees = forest.trees().iter();
    trees.map(|named| (named.name.to_string(), named.tree.len().expect("counted"), named.tree.version())).collect()
}

/// Many keys of one store, set and deleted again in part: enough for two threads.
fn many(store: &str, round: u16) -> NamedChangeSet {
    let key = |at: u16| (at.wrapping_mul(0x9e37) ^ round).to_be_bytes().to_vec();
    let pairs = (0..400).map(|at| match at % 3 {
        0 => KvPair::delete(key(at)),
        _ => KvPair::set(key(at), vec![round as u8; 9]),
    });
    NamedChangeSet::new(store, pairs.collect())
}

#[test]
fn entries_that_are_replayed_together_lead_where_each_leads_by_itself() -> Result<()> {
    let mut entries = Vec::new();
    for version in 2..40_i64 {
        let round = version as u16;
        let upgrades = match version {
            10 => vec![add("d")],
            11 => vec![rename("d", "e"), delete("b")],
            _ => vec![],
        };
        let third = if version < 11 { "b" } else { "e" };
        let sets = vec![many("c", round), many("a", round), many(third, round), many("c", round / 2)];
        entries.push(entry(version, upgrades, if version % 7 == 0 { vec![] } else { sets }));
    }
    let start = abc().committed().forest().clone();
    let (mut one_by_one, mut together) = (start.clone(), start);
    entries.iter().try_for_each(|entry| one_by_one.replay(entry))?;
    together.replay_all(&entries)?;
    assert_eq!(together.version(), 39);
    assert_eq!(values_of(&together), values_of(&one_by_one));
    assert_eq!(together.mem_bytes(), one_by_one.mem_bytes());
    assert_eq!(together.roots()?, one_by_one.roots()?);
    Ok(())
}

#[test]
fn the_first_entry_that_does_not_fit_is_named_whatever_is_wrong_behind_it() {
    let fine = || vec![set("a", "x"), set("b", "x")];
    let unknown = |version| entry(version, vec![], vec![set("a", "y"), set("nowhere", "x")]);
    let twice = |version| entry(version, vec![add("a")], fine());
    let start = abc().committed().forest().clone();
    let refused = |entries: &[ChangelogEntry]| match start.clone().replay_all(entries).expect_err("refused") {
        Error::Replay { version, source } => (version, *source),
        other => panic!("{other:?}"),
    };
    let good = || vec![entry(2, vec![], fine()), entry(3, vec![add("d")], fine()), entry(4, vec![], fine())];
    let with = |behind: Vec<ChangelogEntry>| good().into_iter().chain(behind).collect::<Vec<_>>();

    let (version, error) = refused(&with(vec![unknown(5), entry(9, vec![], fine())]));
    assert!(
        matches!((version, &error), (5, Error::UnknownTree { name, version: 5 }) if name == "nowhere"),
        "{error:?}"
    );
    let (version, error) = refused(&with(vec![entry(9, vec![], fine()), unknown(6)]));
    assert!(matches!((version, &error), (5, Error::EntryVersion { expected: 5, got: 9 })), "{error:?}");
    let (version, error) = refused(&with(vec![twice(5), unknown(6)]));
    assert!(matches!((version, &error), (5, Error::TreeExists { name }) if name == "a"), "{error:?}");
    let (version, error) = refused(&with(vec![twice(9)]));
    assert!(matches!((version, &error), (5, Error::EntryVersion { expected: 5, got: 9 })), "{error:?}");
}
