//! `digest`, `journal`, `explain` and `inspect`: what they say agrees with the recorded lives, two nodes that part ways are
//! told apart at the block, at the range and at the key, and nothing is written below a home.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ferry::{Node, Options};
use serde_json::Value;

use crate::common::{Home, Recording, fixture, flipped, run, unpack};
use crate::writes_nothing::tree;

fn replay(home: &Home, blocks: &str, until: u64) -> i32 {
    let until = until.to_string();
    run(&["replay", "--home", home.text(), "--until", &until, "--output", "json", "--blocks", blocks]).code
}

fn small() -> String {
    fixture("small/blocks.jsonl.gz").to_str().expect("UTF-8").to_owned()
}

fn at(height: u64) -> Home {
    let home = Home::recorded("small");
    assert_eq!(replay(&home, &small(), height), 0);
    home
}

fn json(words: &[&str]) -> Value {
    run(&[words, &["--output", "json"]].concat()).json(0)
}

/// A file beside the homes with a command's output.
fn saved(home: &Home, name: &str, words: &[&str]) -> String {
    let path = home.path().join(name);
    std::fs::write(&path, run(words).stdout).expect("writes");
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn the_references_digest_is_the_recorded_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ferry/fixtures/small/digests.json");
    let recorded: Vec<Value> = serde_json::from_slice(&std::fs::read(path).expect("a fixture")).expect("digests");
    for expected in &recorded[..2] {
        let home = at(expected["height"].as_u64().expect("a height"));
        let got = json(&["digest", "--home", home.text(), "--format", "sei"]);
        for field in ["height", "account", "code", "storage", "misc", "final"] {
            assert_eq!(got[field], expected[field], "height {}: {field}", expected["height"]);
        }
    }
}

/// Two homes at a height, the second with one value changed in the block: both homes, the block, its store and key.
fn parted() -> (Home, Home, u64, String, String) {
    const BLOCK: u64 = 30;
    let mut recording = Recording::of("small");
    let flush = &mut recording.at(BLOCK)["flushes"][0];
    let sets = flush.as_array_mut().expect("changesets");
    let (store, pair) = sets
        .iter_mut()
        .find_map(|set| {
            let store = set["store"].as_str().expect("a store").to_owned();
            let pairs = set["pairs"].as_array_mut().expect("pairs");
            let pair = pairs.iter_mut().find(|pair| pair["v"].as_str().is_some_and(|value| !value.is_empty()))?;
            Some((store, pair))
        })
        .expect("a written pair");
    pair["v"] = flipped(&pair["v"]);
    let key = pair["k"].as_str().expect("a key").to_owned();
    let (first, second) = (at(BLOCK - 3), at(BLOCK - 3));
    assert_eq!(replay(&first, &small(), BLOCK), 0);
    assert_eq!(replay(&second, &recording.write(), BLOCK), 3, "the recording's own hashes tell");
    (first, second, BLOCK, store, key)
}

#[test]
fn two_nodes_that_part_ways_are_told_apart_at_the_block_at_the_range_and_at_the_key() {
    let (first, second, block, store, key) = parted();
    let exported = saved(&first, "first.ndjson", &["journal", "export", "--home", first.text()]);
    for sides in [[first.text(), second.text()], [&exported, second.text()], [second.text(), &exported]] {
        let diff = run(&["journal", "diff", sides[0], sides[1], "--output", "json"]).json(3);
        assert_eq!((&diff["outcome"], &diff["divergent_height"]), (&"different".into(), &block.into()));
        assert!(diff["fields"].as_array().expect("fields").contains(&"app_hash".into()), "{diff}");
        assert_eq!((&diff["first"]["height"], &diff["second"]["height"]), (&block.into(), &block.into()));
    }
    let equal = run(&["journal", "diff", first.text(), &exported, "--output", "json"]).json(0);
    assert_eq!((&equal["outcome"], &equal["divergent_height"]), (&"equal".into(), &Value::Null));
    assert!(equal["compared_blocks"].as_u64().expect("a number") > 10, "{equal}");

    let file = |home: &Home| saved(home, "digest.json", &["digest", "--home", home.text(), "--output", "json"]);
    let (a, b) = (file(&first), file(&second));
    let diff = run(&["digest", "diff", &a, &b, "--output", "json"]).json(3);
    let differences = diff["differences"].as_array().expect("differences");
    assert_eq!(differences.len(), 1, "{diff}");
    assert_eq!(differences[0]["module"], store.as_str());
    let range = differences[0]["prefix"].as_str().expect("a prefix");
    // A code hash stands under its account's nonce.
    let place = |key: &str| if key.len() == 42 { key.replacen("08", "0a", 1) } else { key.to_owned() };
    assert!(place(&key).starts_with(range), "{diff}");
    assert!(diff["next"].as_str().expect("a call").contains(range), "{diff}");
    for sides in [[a.as_str(), second.text()], [first.text(), b.as_str()]] {
        let mixed = run(&["digest", "diff", sides[0], sides[1], "--output", "json"]).json(3);
        assert_eq!(mixed["differences"], diff["differences"]);
    }
    let keys = run(&["digest", "diff", first.text(), second.text(), "--output", "json"]).json(3);
    assert_eq!(keys["differences"][0]["kind"], "key");
    assert_eq!(keys["differences"][0]["prefix"], place(&key));
    assert_eq!(run(&["digest", "diff", &a, first.text(), "--output", "json"]).json(0)["outcome"], "equal");
}

#[test]
fn files_that_are_no_digest_and_no_journal_are_refused_by_name() {
    let home = at(30);
    let digest = saved(&home, "d.json", &["digest", "--home", home.text(), "--output", "json"]);
    let status = saved(&home, "s.json", &["status", "--home", home.text(), "--output", "json"]);
    run(&["digest", "diff", &digest, &status]).refused(2, "s.json");
    run(&["journal", "diff", home.text(), &digest]).refused(2, "line=1");
    run(&["digest", "--home", home.text(), "--range", "03"]).refused(2, "--module");
    run(&["explain", "--home", home.text(), "nowhere", "00"]).refused(2, "module=nowhere");
}

#[test]
fn a_range_lists_its_rows_where_they_are_few() {
    let home = at(30);
    let whole = json(&["digest", "--home", home.text()]);
    let part = json(&["digest", "--home", home.text(), "--module", "evm", "--range", "0a", "--split", "1"]);
    let module = &part["modules"][0];
    let keys = module["keys"].as_array().expect("few rows");
    assert_eq!(Some(keys.len() as u64), module["rows"].as_u64());
    assert!(keys.iter().any(|key| key["lane"] == "account"), "{module}");
    assert!(whole["rows"].as_u64() > part["rows"].as_u64());
}

/// Every read that was recorded with a block.
fn reads(height: u64) -> Vec<(String, String, Value)> {
    let mut recording = Recording::of("small");
    let reads = recording.at(height)["reads"].as_array().expect("reads").clone();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    reads.iter().map(|read| (text(&read["store"]), text(&read["k"]), read["v"].clone())).collect()
}

#[test]
fn explain_finds_what_was_read_at_the_last_block_and_at_earlier_ones() {
    let home = at(40);
    let mut sides = BTreeMap::<String, u64>::new();
    for height in [14, 22, 33, 40] {
        for (store, key, value) in reads(height) {
            let mut words = vec!["explain", "--home", home.text(), &store, &key];
            let text = height.to_string();
            if height != 40 {
                words.extend(["--height", &text]);
            }
            let got = json(&words);
            assert_eq!(got["reader_value"], value, "height {height}: {store} {key}: {got}");
            assert_eq!(got["height"], height);
            let side = got["lives_in"].as_str().expect("a side").to_owned();
            assert_eq!(side == "nowhere", value.is_null(), "{got}");
            // What has passed has left memiavl, and the journal of so young a FlatKV says when.
            if got["migrated"] == true {
                assert_eq!(
                    (&got["memiavl_value"], &got["passed_before_height"]),
                    (&Value::Null, &Value::Null),
                    "{got}"
                );
                assert!(got["passed_at_height"].as_u64().is_some_and(|at| at <= height), "{got}");
            }
            *sides.entry(side).or_default() += 1;
        }
    }
    assert_eq!(sides.len(), 3, "all sides were met: {sides:?}");
    run(&["explain", "--home", home.text(), "evm", "03", "--height", "41"]).refused(2, "from 17 to 40");
}

#[test]
fn inspect_shows_the_parts_of_a_home() {
    let home = at(175);
    let memiavl = home.path().join("data/state_commit/memiavl");
    let flatkv = json(&["inspect", "flatkv", "--home", home.text()]);
    assert_eq!((&flatkv["last_height"], &flatkv["migration_version"]), (&175.into(), &3.into()));
    assert_eq!(flatkv["oldest_kept_height"], 17, "where FlatKV begins: the window is longer than the life");
    let rows: u64 =
        flatkv["parts"].as_array().expect("parts").iter().map(|part| part["rows"].as_u64().unwrap_or(0)).sum();
    assert_eq!(rows, 2027, "as the recorded rows are");
    let changelog = json(&["inspect", "changelog", memiavl.join("changelog").to_str().expect("UTF-8")]);
    assert!(changelog["sealed_entries"].as_u64() > Some(0), "{changelog}");
    let newest = std::fs::read_dir(&memiavl).expect("lists").map(|entry| entry.expect("lists").path());
    let newest: PathBuf = newest.filter(|path| path.is_dir() && path.join("__metadata").exists()).max().expect("one");
    let snapshot = json(&["inspect", "snapshot", newest.to_str().expect("UTF-8")]);
    assert!(snapshot["trees"].as_array().expect("trees").iter().all(|tree| tree["root_agrees"] == true));
    for line in unpack(&fixture("small/final_rows.tsv.gz")).lines().take(20) {
        let (key, row) = line.split_once('\t').expect("two columns");
        let decoded = json(&["inspect", "row", key, row]);
        let physical = format!(
            "{}2f{}",
            hex::encode(decoded["module"].as_str().expect("a module")),
            decoded["key"].as_str().expect("a key")
        );
        assert_eq!(physical, key);
    }
    run(&["inspect", "row", "62616e6b2f73", "01"]).refused(4, "length");
    let nowhere = home.path().join("nowhere");
    for elsewhere in [home.path(), &memiavl, &nowhere] {
        let elsewhere = elsewhere.to_str().expect("UTF-8");
        for part in ["snapshot", "changelog"] {
            let instead = format!("name data/state_commit/memiavl/{}", part.replace("snapshot", "current"));
            run(&["inspect", part, elsewhere]).refused(2, &instead);
        }
    }
    assert!(json(&["inspect", "constants"])["constants"].as_array().expect("constants").len() > 20);
}

#[test]
fn nothing_of_it_writes_below_a_home_be_it_idle_or_held() {
    for (height, has_flatkv) in [(14, false), (30, true), (175, true)] {
        let home = at(height);
        let changelog = home.path().join("data/state_commit/memiavl/changelog");
        let changelog = changelog.to_str().expect("UTF-8");
        let check = |state: &str| {
            let before = tree(home.path());
            let missing = if has_flatkv { 0 } else { 7 };
            for (words, code) in [
                (vec!["digest", "--home", home.text()], 0),
                (vec!["digest", "--home", home.text(), "--format", "sei"], 0),
                (vec!["digest", "diff", home.text(), home.text()], 0),
                (vec!["explain", "--home", home.text(), "bank", "text:x"], 0),
                (vec!["journal", "show", "--home", home.text()], missing),
                (vec!["journal", "export", "--home", home.text()], missing),
                (vec!["inspect", "flatkv", "--home", home.text()], missing),
                (vec!["inspect", "changelog", changelog], 0),
            ] {
                let ended = run(&words);
                assert_eq!(ended.code, code, "height {height} {state}: {words:?}: {ended:?}");
                assert_eq!(tree(home.path()), before, "height {height} {state}: {words:?} changed the home");
            }
        };
        check("idle");
        let mut node = Node::open(home.path(), Options::default()).expect("opens");
        check("held");
        node.apply(vec![]).expect("applies");
        node.commit().expect("commits");
        check("held, a block later");
        node.close().expect("closes");
    }
}
