//! Leading a chain through its modes: nodes that were opened again, or asked twice, take every step with the others.

use std::ops::ControlFlow;

use ferry::drive::{Controls, Drive, drive};
use ferry::{Error, ErrorKind, KvPair, Metrics, Mode, NamedChangeSet, Node, Options};

const MODULES: [&str; 3] = ["acc", "bank", "evm"];

fn open(home: &std::path::Path) -> Node {
    let modules: Vec<String> = MODULES.map(str::to_owned).to_vec();
    let options = Options { create: true, initial_stores: modules.clone(), modules, ..Options::default() };
    Node::open(home, options).expect("the node opens")
}

/// Three keys a module, and one more with each block.
fn changes(height: u64) -> Vec<NamedChangeSet> {
    let key = |index: u64| [&[0x01], index.to_be_bytes().as_slice()].concat();
    let pairs = (0..3).chain([height + 10]).map(|index| KvPair::set(key(index), key(height)));
    let pairs: Vec<KvPair> = pairs.collect();
    MODULES.map(|module| NamedChangeSet::new(module, pairs.clone())).to_vec()
}

/// One block on the way to the end, in which the step is asked for so many times.
fn block(node: &mut Node, steps: usize) -> (ferry::AppHash, Mode) {
    let height = node.next_height();
    node.set_batch_size(if height < 3 { 0 } else { 2 }).expect("between blocks");
    for _ in 0..steps {
        node.step_towards(Mode::FlatkvOnly).expect("a step");
    }
    node.apply(changes(height)).expect("a flush");
    let mode = node.mode();
    (node.commit().expect("committed").app_hash, mode)
}

#[test]
fn a_node_that_is_opened_again_or_asks_twice_steps_at_the_same_blocks_as_the_others() {
    let homes: Vec<_> = (0..3).map(|_| tempfile::tempdir().expect("a home")).collect();
    let (mut straight, mut twice) = (open(homes[0].path()), open(homes[1].path()));
    let mut modes = Vec::new();
    while straight.mode() != Mode::FlatkvOnly {
        let expected = block(&mut straight, 1);
        assert_eq!(block(&mut twice, 2), expected, "height {}", straight.height());
        let mut reopened = open(homes[2].path());
        assert_eq!(block(&mut reopened, 1), expected, "height {}", straight.height());
        reopened.close().expect("closed");
        modes.push(expected.1);
        assert!(straight.height() < 100, "the migration ends");
    }
    assert_eq!(modes[..2], [Mode::MemiavlOnly; 2], "the first migration does not begin in a pause");
    modes.dedup();
    use Mode::{FlatkvOnly, MemiavlOnly, MigrateAllButBank, MigrateBank, MigrateEvm};
    assert_eq!(modes, [MemiavlOnly, MigrateEvm, MigrateAllButBank, MigrateBank, FlatkvOnly]);
}

#[test]
fn the_steps_end_at_the_goal_and_do_not_go_back() {
    let home = tempfile::tempdir().expect("a home");
    let mut node = open(home.path());
    assert_eq!(node.step_towards(Mode::FlatkvOnly).expect("a pause is no error"), Mode::MemiavlOnly);
    node.set_batch_size(1_000).expect("between blocks");
    for _ in 0..6 {
        node.step_towards(Mode::EvmMigrated).expect("a step");
        node.apply(changes(node.next_height())).expect("a flush");
        node.commit().expect("committed");
    }
    assert_eq!(node.step_towards(Mode::EvmMigrated).expect("there already"), Mode::EvmMigrated);
    assert_eq!(node.step_towards(Mode::MemiavlOnly).expect("behind it"), Mode::EvmMigrated);
    node.apply(Vec::new()).expect("a flush");
    let error = node.step_towards(Mode::FlatkvOnly).expect_err("in the middle of a block");
    assert_eq!(error.kind(), ErrorKind::Input);
}

#[test]
fn a_drive_into_a_migration_is_refused_before_a_block_is_made() {
    let home = tempfile::tempdir().expect("a directory");
    let mut node = open(home.path());
    for into in [Mode::MigrateEvm, Mode::MigrateAllButBank, Mode::MigrateBank] {
        let asked = Drive { to: into, interval: None, blocks_max: Some(1), rests: false };
        let refused = drive(&mut node, &asked, &Controls::new(2), &Metrics::new(), &mut |_| ControlFlow::Continue(()));
        let refused = refused.expect_err("keys still move in it");
        assert!(matches!(refused, Error::DriveTarget { mode } if mode == into), "{refused}");
    }
    assert_eq!(node.height(), 0);
}
