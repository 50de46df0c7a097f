//! The demonstration's checks can fail: a state that differs from the model in one key is found, whichever way it differs.

use std::path::Path;

use ferry::{KvPair, NamedChangeSet, Node, Options, View};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use super::check;
use super::model::Model;
use super::sampler::{Sample, check_stamps};
use super::workload::Workload;
use crate::difference::{Difference, Halt};
use crate::generate;
use crate::keyspace::{Class, Keyspace, Sizes};
use crate::signals::Signals;

fn keyspace() -> Keyspace {
    Keyspace::new(3, Sizes { accounts: 200, slots: 400, bank: 150, wasm: 100 })
}

/// A node with a first block of writes, and the model of it.
fn node(home: &Path) -> (Node, Model) {
    let mut model = Model::new(keyspace());
    generate::fill(home, &keyspace(), &Signals::default(), &mut |class, index, height| model.set(class, index, height))
        .expect("fills");
    let mut node = Node::open(home, Options::default()).expect("opens");
    let changes = Workload::new(3, 100, &model).block(node.next_height(), &mut model);
    node.apply(changes).expect("applies");
    node.commit().expect("commits");
    (node, model)
}

fn home() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// Writes behind the model's back.
fn tamper(node: &mut Node, store: &str, pair: KvPair) -> View {
    node.apply(vec![NamedChangeSet::new(store, vec![pair])]).expect("applies");
    node.commit().expect("commits");
    node.view().expect("a view")
}

#[track_caller]
fn difference<T>(result: Result<T, Halt>) -> Difference {
    match result {
        Err(Halt::Different(difference)) => *difference,
        Err(Halt::Failed(error)) => panic!("failed: {error:#}"),
        Ok(_) => panic!("the difference was not found"),
    }
}

#[test]
fn a_state_like_the_model_passes_every_check() {
    let home = home();
    let (node, model) = node(home.path());
    let view = node.view().expect("a view");
    let checked = check::everything(&model, &view).unwrap_or_else(|halt| panic!("{halt:?}"));
    assert_eq!(checked.keys, model.len());
    assert_eq!(checked.scan_rows, 2 * model.len(), "each store both ways");
    check::sample(&model, &view, 1).unwrap_or_else(|halt| panic!("{halt:?}"));
}

#[test]
fn a_lost_key_is_found() {
    let home = home();
    let (mut node, model) = node(home.path());
    let lost = keyspace().key(Class::Balance, 149);
    let view = tamper(&mut node, "bank", KvPair::delete(lost.clone()));
    let found = difference(check::everything(&model, &view));
    assert!(found.what.contains(&hex::encode(&lost)) || found.what.contains("bank"), "{found:?}");
    assert_eq!(found.got, "none");
}

#[test]
fn a_key_too_many_is_found() {
    let home = home();
    let (mut node, model) = node(home.path());
    let view = tamper(&mut node, "gov", KvPair::set("zzz", "1"));
    let found = difference(check::everything(&model, &view));
    assert!(found.what.contains("scan of store gov"), "{found:?}");
    assert_eq!(found.expected, "none");
}

#[test]
fn a_value_of_an_earlier_block_is_found() {
    let home = home();
    let (mut node, mut model) = node(home.path());
    model.set(Class::Nonce, 7, 99);
    let view = node.view().expect("a view");
    let found = difference(check::everything(&model, &view));
    assert_eq!(found.expected, hex::encode(keyspace().value(Class::Nonce, 7, 99)));
    let view = tamper(&mut node, "evm", KvPair::set(keyspace().key(Class::Nonce, 7), vec![0; 8]));
    assert_eq!(difference(check::everything(&model, &view)).got, "0000000000000000");
}

#[test]
fn a_view_that_mixes_blocks_is_found() {
    let home = home();
    let (mut node, model) = node(home.path());
    check_stamps(model.keyspace(), &node.view().expect("a view")).unwrap_or_else(|halt| panic!("{halt:?}"));
    // A block without stamps looks like a view whose keys are all of the block before.
    let view = tamper(&mut node, "gov", KvPair::set("k", "v"));
    assert!(difference(check_stamps(model.keyspace(), &view)).what.contains("stamp"));
}

#[test]
fn a_reader_judges_what_it_reads() {
    let keyspace = keyspace();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..200 {
        let sample = Sample::pick(&keyspace, &mut rng);
        let other = Sample::pick(&keyspace, &mut rng);
        difference(sample.judge(&keyspace, 9, Some(b"")));
        if sample.key != other.key {
            let value = other.value(&keyspace, 5);
            difference(sample.judge(&keyspace, 9, Some(&value)));
        }
        let value = sample.value(&keyspace, 5);
        sample.judge(&keyspace, 5, Some(&value)).unwrap_or_else(|halt| panic!("{halt:?}"));
        difference(sample.judge(&keyspace, 4, Some(&value)));
    }
}
