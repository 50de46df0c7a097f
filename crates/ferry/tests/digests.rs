//! Logical digests: the reference's equals what was recorded in each phase; ferry's own is the same before, in the middle of
//! and after a migration, and leads to the key where two nodes differ.

mod common;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use common::golden::{self, text};
use common::life::{block, fill, migrate_all};
use common::{changes, code_hash_key, code_key, delete, image, nonce_key, options, set, slot_key};
use ferry::flatkv::Lane;
use ferry::{
    Digest, DigestRequest, Error, ErrorKind, KillPoint, KvPair, Mode, Node, View, digest, digest_differences,
    first_different_keys, read_home, sei_digest,
};
use serde_json::Value;

const THREADS: usize = 3;

fn whole(view: &View) -> Digest {
    part(view, None, &[], 2)
}

fn part(view: &View, module: Option<&str>, prefix: &[u8], split_bytes: usize) -> Digest {
    let module = module.map(str::to_owned);
    let request = DigestRequest { module, prefix: prefix.to_vec(), split_bytes, threads: THREADS };
    digest(view, &request, &mut |_| ControlFlow::Continue(())).expect("a digest")
}

/// Compares the reference's digest with what was recorded.
fn check_sei(view: &View, recorded: &Value) {
    let got = sei_digest(view, THREADS, &mut |_| ControlFlow::Continue(())).expect("a digest");
    let height = &recorded["height"];
    assert_eq!(got.height, height.as_u64().expect("a height"));
    for (lane, bucket) in Lane::ALL.into_iter().zip(got.buckets) {
        let expected = &recorded[lane.name()];
        assert_eq!(bucket.rows, expected["count"].as_u64().expect("a count"), "height {height}: {lane}");
        assert_eq!(hex::encode(bucket.digest), text(&expected["digest"]), "height {height}: {lane}");
    }
    assert_eq!(hex::encode(got.whole), text(&recorded["final"]), "height {height}");
}

fn recorded_digests(life: &str) {
    let path = format!("{}/fixtures/{life}/digests.json", env!("CARGO_MANIFEST_DIR"));
    let recorded: Vec<Value> =
        serde_json::from_str(&std::fs::read_to_string(path).expect("a fixture")).expect("digests");
    let blocks = golden::blocks(life);
    let home = tempfile::tempdir().expect("a directory");
    let mut node = Node::open(home.path(), golden::options(&blocks[0], 0)).expect("a fresh node");
    let mut left: BTreeSet<u64> = recorded.iter().map(|at| at["height"].as_u64().expect("a height")).collect();
    for line in &blocks {
        golden::take(&mut node, line);
        if left.remove(&node.height()) {
            let at = recorded.iter().find(|at| at["height"] == node.height()).expect("recorded");
            check_sei(&node.view().expect("a view"), at);
            // The same from disk, beside the node.
            let still = read_home(home.path(), &golden::options(&blocks[0], 0).modules).expect("reads");
            check_sei(&still, at);
            assert_eq!(whole(&still), whole(&node.view().expect("a view")));
        }
    }
    assert_eq!(left, BTreeSet::new(), "heights that were not met");
}

#[test]
fn small_has_the_recorded_digests_in_each_phase() {
    recorded_digests("small");
}

#[test]
fn exact_has_the_recorded_digests_in_each_phase() {
    recorded_digests("exact");
}

/// Pairs of every kind, those without a row among them.
fn pairs() -> Vec<KvPair> {
    vec![
        set(&code_hash_key(1), &[4; 32]),
        set(&code_hash_key(40), &[5; 32]),
        set(&code_key(1), b"code"),
        set(&nonce_key(30), &[0; 8]),
        set(&slot_key(30, 1), &[0; 32]),
        set(&code_key(30), b""),
        set(b"\x08", b"short"),
        set(b"\x0a\x01", b"shorter than an account"),
        set(&[&nonce_key(1)[..], b"x"].concat(), b"longer"),
        set(b"\xff", b""),
    ]
}

fn filled(home: &std::path::Path, batch: u64) -> Node {
    let mut node = Node::open(home, options(batch)).expect("a fresh node");
    fill(&mut node);
    block(&mut node, changes("evm", pairs()));
    node
}

#[test]
fn the_digest_is_the_same_in_every_phase_however_finely_it_is_cut() {
    let home = tempfile::tempdir().expect("a directory");
    let mut node = filled(home.path(), 2);
    let before = whole(&node.view().expect("a view"));
    let rows: u64 = before.modules.iter().map(|module| module.whole.rows).sum();
    // 36 of `fill`; of the others one joins an account that is there, and zeros and nothing leave no row.
    assert_eq!((before.whole.rows, rows), (36 + 6, 36 + 6));
    node.set_mode(Mode::MigrateEvm).expect("a step");
    let mut states = Vec::new();
    while node.boundary() != ferry::Boundary::Complete {
        block(&mut node, vec![]);
        let view = node.view().expect("a view");
        states.push((view.height(), whole(&view).modules));
        for split_bytes in [0, 1] {
            assert_eq!(part(&view, None, &[], split_bytes).whole, before.whole, "height {}", view.height());
        }
    }
    assert!(states.len() > 10, "{}", states.len());
    for (height, modules) in states {
        assert_eq!(modules, before.modules, "height {height}");
    }
}

#[test]
fn two_nodes_that_differ_in_one_key_are_led_to_it() {
    let difference: [(&str, KvPair, &[u8]); 6] = [
        ("evm", set(&slot_key(3, 1), &[77; 32]), &slot_key(3, 1)),
        ("evm", set(&code_hash_key(3), &[1; 32]), &nonce_key(3)),
        ("evm", delete(&nonce_key(4)), &nonce_key(4)),
        ("evm", set(b"\x08", b"other"), b"\x08"),
        ("bank", set(&[3], b"other"), &[3]),
        ("wasm", set(b"new key", b""), b"new key"),
    ];
    for (module, pair, key) in difference {
        let (here, there) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let (mut a, mut b) = (filled(here.path(), 4), filled(there.path(), 4));
        // One node is in the middle of the first migration, the other has ended them all.
        a.set_mode(Mode::MigrateEvm).expect("a step");
        block(&mut a, changes(module, vec![pair]));
        for _ in 0..2 {
            block(&mut a, vec![]);
        }
        let (first, second) = (a.view().expect("a view"), b.view().expect("a view"));
        let ranges = digest_differences(&whole(&first), &whole(&second)).expect("comparable");
        assert_eq!(ranges.len(), 1, "{ranges:?}");
        assert_eq!(ranges[0].module, module);
        assert!(key.starts_with(&ranges[0].prefix), "{ranges:?}");
        let found = first_different_keys(&first, &second, THREADS, &mut |_| ControlFlow::Continue(())).expect("keys");
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].module.as_str(), found[0].prefix.as_slice()), (module, key));
        assert!(found[0].is_key);
        drop((first, second));
        migrate_all(&mut b);
        let found = first_different_keys(&a.view().expect("a view"), &b.view().expect("a view"), 1, &mut |_| {
            ControlFlow::Continue(())
        });
        assert_eq!(
            found.expect("keys")[0].module,
            ranges[0].module.as_str().min("bank"),
            "bank has the beats of blocks"
        );
    }
}

#[test]
fn equal_nodes_have_no_different_keys_and_digests_of_different_parts_are_not_compared() {
    let home = tempfile::tempdir().expect("a directory");
    let node = filled(home.path(), 2);
    let view = node.view().expect("a view");
    let found = first_different_keys(&view, &view, THREADS, &mut |_| ControlFlow::Continue(())).expect("keys");
    assert_eq!(found, []);
    let error = digest_differences(&whole(&view), &part(&view, None, &[], 1)).expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Input);
}

#[test]
fn a_part_lists_its_rows_and_a_stop_is_heeded() {
    let home = tempfile::tempdir().expect("a directory");
    let node = filled(home.path(), 2);
    let view = node.view().expect("a view");
    let slots = part(&view, Some("evm"), &[3], 1);
    assert_eq!(slots.modules.len(), 1);
    let listed = slots.modules[0].listed.as_ref().expect("few rows");
    assert_eq!(listed.len(), 9);
    assert_eq!(slots.modules[0].ranges.len(), 9);
    assert!(listed.iter().all(|row| row.lane == Lane::Storage && row.key[0] == 3));
    let stopped = digest(&view, &DigestRequest::default(), &mut |_| ControlFlow::Break(()));
    assert_eq!(stopped.expect_err("stopped").kind(), ErrorKind::Cancelled);
}

#[test]
fn a_home_that_crashed_between_its_stores_says_so_until_it_is_opened() {
    let (home, copied) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let mut node = filled(home.path(), 2);
    node.set_mode(Mode::MigrateEvm).expect("a step");
    block(&mut node, vec![]);
    let (from, to) = (home.path().to_owned(), copied.path().join("home"));
    let target = to.clone();
    node.set_kill_hook(Box::new(move |point| {
        if point == KillPoint::Durable && !target.exists() {
            image::take(&from, &target);
        }
    }));
    block(&mut node, vec![]);
    let expected = whole(&node.view().expect("a view"));
    let modules = options(2).modules;
    let error = read_home(&to, &modules).expect_err("memiavl has not got the block");
    assert!(matches!(error, Error::MemiavlBehind { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Retry);
    Node::open(&to, options(2)).expect("finishes the block").close().expect("closes");
    assert_eq!(whole(&read_home(&to, &modules).expect("reads")), expected);
}
