//! The six faults that an operator must be able to find and mend: each planted alone into a recorded life in the middle of a
//! migration, found and named by `verify`, mended by `reconcile`, and behind it the life goes on equal.

use std::fs;

use ferry::flatkv::{FlatKv, Lane, Options, Patient, RowMend, split};
use ferry::{Boundary, Node};

use crate::common::{Home, copy, run};
use crate::reconcile::{apply, dry, home, replay, state, text};

/// The block that the home stands at; what it touches, it has moved.
const HEIGHT: u64 = 42;

/// What is to be found: a kind, a module, and the key where there is one.
type Named = (&'static str, String, Option<Vec<u8>>);

/// Rows that the last block has moved, as FlatKV holds them.
fn last_moved(home: &Home) -> Vec<RowMend> {
    let view = FlatKv::open_read_only(&state(home).join("flatkv"), &Options::default()).expect("opens");
    let touched = view.touched_by(HEIGHT).expect("reads").expect("an undo record");
    let rows = touched.into_iter().map(|row| {
        let before = view.stored_row(row.lane, &row.key).expect("reads");
        RowMend { lane: row.lane, key: row.key, before, after: None }
    });
    rows.filter(|row| !row.key.starts_with(b"migration/") && row.before.is_some()).collect()
}

/// Writes to the closed FlatKV past everything that keeps it sound.
fn write(home: &Home, rows: &[RowMend]) {
    let mut patient = Patient::open(&state(home).join("flatkv"), &Options::default()).expect("opens");
    rows.iter().for_each(|row| patient.set_row(row));
    patient.finish().expect("writes");
}

fn named(kind: &'static str, row: &RowMend) -> Named {
    let (module, key) = split(row.lane, &row.key).expect("a key");
    (kind, module.to_owned(), Some(key.to_vec()))
}

fn lose_the_batch(home: &Home) -> Vec<Named> {
    let rows = last_moved(home);
    write(home, &rows);
    rows.iter().map(|row| named("row_missing", row)).collect()
}

fn flip_a_row(home: &Home) -> Vec<Named> {
    let row = last_moved(home).swap_remove(0);
    let mut flipped = row.before.clone().expect("a row");
    flipped[12] ^= 0x10;
    write(home, &[RowMend { after: Some(flipped), ..row.clone() }]);
    vec![named("row_flipped", &row)]
}

fn move_the_boundary(home: &Home) -> Vec<Named> {
    let record = Boundary::in_progress("evm", [0x03; 53]).encode();
    let row = [&[0][..], &HEIGHT.to_be_bytes(), &record].concat();
    let key = b"migration/migration-boundary".to_vec();
    write(home, &[RowMend { lane: Lane::Misc, key, before: None, after: Some(row) }]);
    vec![("boundary_moved", "migration".to_owned(), Some(b"migration-boundary".to_vec()))]
}

/// A memiavl whose last block took nothing out.
fn leave_residue(home: &Home) -> Vec<Named> {
    let keys = last_moved(home);
    let other = Home::recorded("small");
    replay(&other, &["--until", "41"]);
    let mut node = Node::open(other.path(), ferry::Options::default()).expect("opens");
    node.set_batch_size(0).expect("a pause");
    node.apply(Vec::new()).expect("a flush");
    node.commit().expect("commits");
    node.close().expect("closes");
    fs::remove_dir_all(state(home).join("memiavl")).expect("removes");
    copy(&state(&other).join("memiavl"), &state(home).join("memiavl"));
    keys.iter().filter(|row| row.lane != Lane::Account).map(|row| named("residue", row)).collect()
}

fn flip_a_leaf(home: &Home) -> Vec<Named> {
    let tree = state(home).join("memiavl/current/bank");
    let mut kvs = fs::read(tree.join("kvs")).expect("reads");
    // A record is a key and a value, each behind its length; the first one is a leaf's.
    let length = |at: usize| u32::from_le_bytes(kvs[at..at + 4].try_into().expect("four bytes")) as usize;
    let key = kvs[4..4 + length(0)].to_vec();
    let value = 4 + key.len() + 4;
    assert!(length(value - 4) > 0, "a value");
    kvs[value] ^= 4;
    fs::remove_file(tree.join("kvs")).expect("removes");
    fs::write(tree.join("kvs"), kvs).expect("writes");
    vec![("leaf_damaged", "bank".to_owned(), Some(key))]
}

fn lose_a_module(home: &Home) -> Vec<Named> {
    fs::remove_dir_all(state(home).join("memiavl/current/wasm")).expect("removes");
    vec![("tree_missing", "wasm".to_owned(), None)]
}

#[track_caller]
fn is_found_and_mended(plant: impl Fn(&Home) -> Vec<Named>) {
    let home = home();
    let planted = plant(&home);
    assert!(!planted.is_empty());
    let aside = tempfile::tempdir().expect("a directory");
    let (plan, kept) = (aside.path().join("plan"), aside.path().join("kept"));
    let verified = run(&["verify", "--home", home.text(), "--plan", text(&plan), "--output", "json"]);
    // Keys in the wrong place are a divergence, wrong bytes are corruption.
    assert!([3, 4].contains(&verified.code), "{verified:?}");
    let plan = fs::read(&plan).expect("reads");
    let plan: serde_json::Value = serde_json::from_slice(&plan).expect("JSON");
    let found: Vec<_> = plan["findings"].as_array().expect("findings").iter().collect();
    for (kind, module, key) in &planted {
        let key = key.as_ref().map_or(serde_json::Value::Null, |key| hex::encode(key).into());
        let is_it = |found: &&serde_json::Value| {
            (&found["kind"], &found["module"], &found["key"]) == (&(*kind).into(), &module.as_str().into(), &key)
        };
        assert!(found.iter().copied().any(|found| is_it(&found)), "{kind} {module} {key} is not in {found:#?}");
    }

    let shown = dry(&home).json(3);
    assert_eq!(shown["outcome"], "mendable", "{shown}");
    let id = shown["plan_id"].as_str().expect("a name");
    let done = apply(&home, &["--confirm", id, "--keep", text(&kept)]).json(0);
    assert_eq!(done["outcome"], "mended", "{done}");
    run(&["verify", "--home", home.text(), "--output", "json"]).json(0);
    assert_eq!(replay(&home, &[])["last_height"], 175);
}

#[test]
fn a_lost_batch_is_found_key_by_key_and_mended() {
    is_found_and_mended(lose_the_batch);
}

#[test]
fn a_flipped_row_is_found_and_mended() {
    is_found_and_mended(flip_a_row);
}

#[test]
fn a_moved_boundary_is_found_and_mended() {
    is_found_and_mended(move_the_boundary);
}

#[test]
fn residue_is_found_key_by_key_and_mended() {
    is_found_and_mended(leave_residue);
}

#[test]
fn a_flipped_leaf_is_found_and_mended() {
    is_found_and_mended(flip_a_leaf);
}

#[test]
fn a_missing_module_is_found_and_mended() {
    is_found_and_mended(lose_a_module);
}
