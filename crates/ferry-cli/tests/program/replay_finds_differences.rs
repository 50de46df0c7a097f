//! A replay that cannot fail proves nothing: each thing that it compares is changed once in a recording, and the change
//! must be found, at its height, with both values.

use crate::common::{Home, Recording, fixture, flipped, gzip, run, unpack};
use serde_json::{Value, json};

/// Plants a difference into the line of `height` and expects to hear of it there.
#[track_caller]
fn check(height: u64, plant: impl FnOnce(&mut Value), what: &str) -> Value {
    let home = Home::recorded("small");
    let mut recording = Recording::of("small");
    plant(recording.at(height));
    let blocks = recording.write();
    let report = run(&["replay", "--home", home.text(), "--output", "json", "--blocks", &blocks]).json(3);
    let difference = report["difference"].clone();
    assert_eq!(report["outcome"], "differs");
    assert_eq!(difference["height"], height, "{difference}");
    assert!(difference["what"].as_str().expect("text").contains(what), "{difference}");
    assert_ne!(difference["expected"], difference["got"]);
    difference
}

#[test]
fn a_flipped_store_hash() {
    let difference =
        check(13, |line| line["commit_info"][3]["hash"] = flipped(&line["commit_info"][3]["hash"]), "hash of store");
    assert_eq!(difference["expected"], flipped(&difference["got"]), "both values stand in the report");
}

#[test]
fn a_flipped_app_hash() {
    check(14, |line| line["app_hash"] = flipped(&line["app_hash"]), "app hash");
}

#[test]
fn a_store_that_is_not_in_the_commit_info() {
    check(13, |line| drop(line["commit_info"].as_array_mut().expect("a list").pop()), "stores in the commit info");
}

#[test]
fn stores_in_another_order() {
    check(17, |line| line["commit_info"].as_array_mut().expect("a list").swap(2, 3), "stores in the commit info");
}

#[test]
fn a_flipped_root_and_a_root_too_early() {
    check(18, |line| line["flatkv_root"] = flipped(&line["flatkv_root"]), "root of FlatKV");
    let difference = check(16, |line| line["flatkv_root"] = line["app_hash"].clone(), "root of FlatKV");
    assert_eq!(difference["got"], "none");
}

#[test]
fn a_boundary_one_key_off_and_a_boundary_that_should_not_be() {
    let difference = check(20, |line| line["boundary"] = flipped(&line["boundary"]), "boundary record");
    assert_eq!(difference["expected"], flipped(&difference["got"]));
    let difference =
        check(21, |line| drop(line.as_object_mut().expect("an object").remove("boundary")), "boundary record");
    assert_eq!(difference["expected"], "none");
}

#[test]
fn a_version_record_that_should_not_be() {
    check(19, |line| line["migration_version"] = json!("0000000000000001"), "version record");
}

#[test]
fn a_changed_read_a_read_that_should_find_nothing_and_one_that_should_find_something() {
    let found = |line: &Value| line["reads"].as_array().expect("reads").iter().position(|read| !read["v"].is_null());
    let absent = |line: &Value| line["reads"].as_array().expect("reads").iter().position(|read| read["v"].is_null());
    let place = |at: Option<usize>| at.expect("such a read");
    check(
        17,
        |line| {
            let at = place(found(line));
            line["reads"][at]["v"] = flipped(&json!("00ff"));
        },
        "read of store",
    );
    let difference = check(
        20,
        |line| {
            let at = place(found(line));
            line["reads"][at]["v"] = Value::Null;
        },
        "read of store",
    );
    assert_eq!(difference["expected"], "none");
    let difference = check(
        20,
        |line| {
            let at = place(absent(line));
            line["reads"][at]["v"] = json!("");
        },
        "read of store",
    );
    assert_eq!((&difference["expected"], &difference["got"]), (&json!(""), &json!("none")), "empty is not absent");
}

#[test]
fn a_scan_of_another_length_or_other_bytes() {
    check(15, |line| line["scans"][0]["count"] = json!(0), "rows of the scan");
    check(20, |line| line["scans"][2]["sha256"] = flipped(&line["scans"][2]["sha256"]), "SHA-256 of the scan");
    check(
        20,
        |line| {
            let turned = !line["scans"][0]["ascending"].as_bool().expect("a bool");
            line["scans"][0]["ascending"] = json!(turned);
        },
        "SHA-256 of the scan",
    );
}

#[test]
fn the_height_that_the_node_was_opened_at() {
    check(12, |line| line["app_hash"] = flipped(&line["app_hash"]), "app hash");
}

#[test]
fn another_batch_size_and_a_mode_that_cannot_follow() {
    check(21, |line| line["batch_size"] = json!(8), "");
    let difference = check(18, |line| line["write_mode"] = json!("evm_migrated"), "write mode, step from migrate_evm");
    assert_eq!(difference["expected"], "accepted");
}

#[test]
fn a_changed_write() {
    check(13, |line| line["flushes"][0][0]["pairs"][0] = json!({"k": "00", "v": "00"}), "hash of store");
}

#[test]
fn a_write_that_the_node_refuses() {
    let write = json!([{"store": "migration", "pairs": [{"k": "00", "v": "00"}]}]);
    let difference = check(19, |line| line["flushes"][0] = write, "flush 0");
    assert_eq!(difference["expected"], "accepted");
}

#[test]
fn a_tree_of_another_version() {
    let mut recording = Recording::of("iavl-upgrades");
    recording.at(130)["commit_info"][1]["version"] = json!(129);
    let (home, blocks) = (Home::empty(), recording.write());
    let arguments = ["replay", "--home", home.text(), "--output", "json", "--from-genesis", "--blocks", &blocks];
    let report = run(&arguments).json(3);
    assert_eq!(report["difference"]["height"], 130);
    assert_eq!((&report["difference"]["expected"], &report["difference"]["got"]), (&json!("129"), &json!("130")));
}

#[test]
fn a_dropped_a_changed_and_an_added_row_at_the_end() {
    let home = Home::recorded("small");
    let blocks = fixture("small/blocks.jsonl.gz");
    let sound = unpack(&fixture("small/final_rows.tsv.gz"));
    let lines: Vec<&str> = sound.lines().collect();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let check = |lines: Vec<String>, row: u64, none: Option<&str>| {
        let path = directory.path().join("rows.tsv.gz");
        std::fs::write(&path, gzip((lines.join("\n") + "\n").as_bytes())).expect("writes");
        let (path, blocks) = (path.to_str().expect("UTF-8"), blocks.to_str().expect("UTF-8"));
        let arguments = ["replay", "--home", home.text(), "--output", "json", "--blocks", blocks, "--final-rows", path];
        let difference = run(&arguments).json(3)["difference"].clone();
        assert_eq!(difference["what"], format!("row {row} of FlatKV"));
        assert_eq!(difference["height"], 175);
        if let Some(side) = none {
            assert_eq!(difference[side], "none");
        }
    };
    let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    let mut dropped = owned(&lines);
    dropped.remove(1000);
    check(dropped, 1000, None);
    check(owned(&lines[..lines.len() - 1]), lines.len() as u64 - 1, Some("expected"));
    let mut changed = owned(&lines);
    changed[7] = changed[7].replace('\t', "\t01");
    check(changed, 7, None);
    let mut added = owned(&lines);
    added.push("ff\t00".to_owned());
    check(added, lines.len() as u64, Some("got"));
}
