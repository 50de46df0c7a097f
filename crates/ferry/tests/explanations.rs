//! What is known of a key: in every phase, at every height that is kept, and after an offline import.

mod common;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use common::life::{State, beat, block, fill, migrate_all, state};
use common::{MODULES, changes, code_hash_key, options, set};
use ferry::{Explanation, Import, Mode, Node, Passing, Side, explain, import};

fn modules() -> Vec<String> {
    MODULES.map(str::to_owned).to_vec()
}

fn ask(home: &std::path::Path, module: &str, key: &[u8], height: Option<u64>) -> Explanation {
    explain(home, &modules(), module, key, height).unwrap_or_else(|error| panic!("{module} {height:?}: {error}"))
}

#[test]
fn every_key_is_explained_as_readers_saw_it_at_every_height() {
    let home = tempfile::tempdir().expect("a directory");
    let mut node = Node::open(home.path(), options(8)).expect("a fresh node");
    fill(&mut node);
    block(&mut node, changes("evm", vec![set(&code_hash_key(3), &[4; 32])]));
    let mut seen = BTreeMap::<u64, State>::new();
    let first = node.height();
    seen.insert(first, state(&node));
    for mode in [Mode::MigrateEvm, Mode::EvmMigrated, Mode::MigrateAllButBank] {
        node.set_mode(mode).expect("a step");
        for _ in 0..3 {
            beat(&mut node);
            seen.insert(node.height(), state(&node));
        }
    }
    let mut passed = BTreeMap::<(String, Vec<u8>), u64>::new();
    for (height, stores) in &seen {
        for (module, pairs) in stores {
            for (key, value) in pairs {
                let got = ask(home.path(), module, key, Some(*height));
                assert_eq!((got.height, got.reader.as_ref()), (*height, Some(value)), "{module} {key:?}");
                assert_eq!(got.reader_side == Some(Side::Memiavl), got.memiavl.is_some(), "{module} {key:?}");
                if let Passing::Block(line) = &got.passing {
                    assert!(got.is_migrated && line.height <= *height);
                    let known = *passed.entry((module.clone(), key.to_vec())).or_insert(line.height);
                    assert_eq!(known, line.height, "the block stays the same at later heights");
                } else {
                    assert_eq!((&got.passing, got.is_migrated), (&Passing::NotYet, false), "{module} {key:?}");
                }
            }
        }
    }
    assert!(passed.len() > 20, "{}", passed.len());
    let newest = *seen.keys().next_back().expect("a height");
    let error = explain(home.path(), &modules(), "evm", b"k", Some(newest + 1)).expect_err("refused");
    assert_eq!(error.kind(), ferry::ErrorKind::Input);
}

#[test]
fn an_imported_key_was_passed_by_the_import() {
    let home = tempfile::tempdir().expect("a directory");
    let mut node = Node::open(home.path(), options(5)).expect("a fresh node");
    fill(&mut node);
    let height = node.height();
    let before = state(&node);
    node.close().expect("closes");
    let request = Import { at_height: height, to: Mode::FlatkvOnly, threads: 2 };
    import(home.path(), request, &options(5), &mut |_| ControlFlow::Continue(())).expect("imports");
    for (module, pairs) in &before {
        for (key, value) in pairs {
            let got = ask(home.path(), module, key, None);
            assert_eq!((got.reader.as_ref(), got.reader_side), (Some(value), Some(Side::FlatKv)));
            assert!(matches!(&got.passing, Passing::Block(line) if line.height == height), "{:?}", got.passing);
        }
    }
    let mut node = Node::open(home.path(), options(5)).expect("opens");
    beat(&mut node);
    drop(node);
    assert!(matches!(ask(home.path(), "acc", &[1], None).passing, Passing::Block(line) if line.height == height));
}

#[test]
fn a_key_that_ended_its_way_stays_explained_after_the_last_migration() {
    let home = tempfile::tempdir().expect("a directory");
    let mut node = Node::open(home.path(), options(7)).expect("a fresh node");
    fill(&mut node);
    migrate_all(&mut node);
    let last = state(&node);
    node.close().expect("closes");
    for (module, pairs) in &last {
        for (key, value) in pairs {
            let got = ask(home.path(), module, key, None);
            assert_eq!((got.reader.as_ref(), got.mode), (Some(value), Mode::FlatkvOnly), "{module} {key:?}");
            assert!(matches!(got.passing, Passing::Block(_)), "{module} {key:?}");
        }
    }
}
