//! What `ferry verify` says of a sound home and of a damaged one.

use std::fs;

use crate::common::{Home, fixture, run};

fn home() -> Home {
    let home = Home::recorded("small");
    let blocks = fixture("small/blocks.jsonl.gz");
    let blocks = blocks.to_str().expect("UTF-8");
    let words = ["replay", "--home", home.text(), "--until", "30", "--snapshot-at", "30", "--blocks", blocks];
    run(&[&words[..], &["--output", "json"]].concat()).json(0);
    home
}

fn outcomes(home: &Home, more: &[&str], code: i32) -> Vec<(String, String)> {
    let report = run(&[&["verify", "--home", home.text(), "--output", "json"], more].concat()).json(code);
    let text = |value: &serde_json::Value| value.as_str().expect("a word").to_owned();
    let checks = report["checks"].as_array().expect("checks");
    checks.iter().map(|check| (text(&check["check"]), text(&check["outcome"]))).collect()
}

fn named(outcomes: [&str; 3]) -> Vec<(String, String)> {
    let named = ["complete", "union", "truth"].into_iter().zip(outcomes);
    named.map(|(check, outcome)| (check.to_owned(), outcome.to_owned())).collect()
}

#[test]
fn a_clean_verification_says_what_it_found_in_order() {
    let home = home();
    let whole = run(&["verify", "--home", home.text()]);
    assert_eq!(whole.code, 0, "{whole:?}");
    for said in ["clean: nothing is wrong", "no key that has moved is left", "no key is in both", "fit their hashes"] {
        assert!(whole.stdout.contains(said), "expected {said:?} in {}", whole.stdout);
    }
    for nothing in ["times", "reconcile"] {
        assert!(!whole.stdout.contains(nothing), "no word of what is not there: {}", whole.stdout);
    }
    assert_eq!(outcomes(&home, &[], 0), named(["in_order"; 3]));
    let part = run(&["verify", "--home", home.text(), "--only", "complete"]);
    assert!(part.stdout.contains("not asked") && !part.stdout.contains("no key is in both"), "{}", part.stdout);
    assert_eq!(outcomes(&home, &["--only", "complete,union"], 0), named(["in_order", "in_order", "not_asked"]));
}

#[test]
fn what_could_not_be_asked_and_what_was_found_stand_beside_their_checks() {
    let home = home();
    let snapshot = home.path().join("data/state_commit/memiavl/current");
    let kvs = snapshot.join("bank/kvs");
    let mut bytes = fs::read(&kvs).expect("reads");
    *bytes.last_mut().expect("a byte") ^= 1;
    fs::remove_file(&kvs).expect("removes");
    fs::write(&kvs, bytes).expect("writes");
    assert_eq!(outcomes(&home, &[], 4), named(["in_order", "in_order", "findings"]));
    fs::remove_dir_all(snapshot.join("wasm")).expect("removes");
    assert_eq!(outcomes(&home, &[], 4), named(["not_made", "not_made", "findings"]));
    let table = run(&["verify", "--home", home.text()]).stdout;
    assert!(table.contains("not made") && table.contains("leaf_damaged"), "{table}");
    // What it says to do next can be done as it stands there.
    let report = run(&["verify", "--home", home.text(), "--output", "json"]).json(4);
    let next = report["next"].as_str().expect("a command");
    assert!(table.contains(next), "{table}");
    let words: Vec<_> = next.split(' ').skip(1).collect();
    let planned = run(&[&words[..], &["--output", "json"]].concat());
    assert!([3, 4].contains(&planned.code), "{planned:?}");
}
