//! `ferry digest --format sei` of a home that was replayed to a height is the reference's own digest of that height.

use std::fs;

use serde_json::Value;

use crate::common::{Home, fixture, run};

fn recorded(life: &str) {
    let text = fs::read(fixture(life).join("digests.json")).expect("a fixture");
    let recorded: Vec<Value> = serde_json::from_slice(&text).expect("digests");
    assert_eq!(recorded.len(), 5, "one in each phase");
    let home = Home::recorded(life);
    let blocks = fixture(life).join("blocks.jsonl.gz");
    let blocks = blocks.to_str().expect("UTF-8");
    for expected in recorded {
        let height = expected["height"].to_string();
        run(&["replay", "--home", home.text(), "--until", &height, "--blocks", blocks, "--output", "json"]).json(0);
        let digest = run(&["digest", "--home", home.text(), "--format", "sei", "--output", "json"]).json(0);
        for field in ["height", "account", "code", "storage", "misc", "final"] {
            assert_eq!(digest[field], expected[field], "{life} at {height}: {field}");
        }
    }
}

#[test]
fn medium_has_the_recorded_digests_in_each_phase() {
    recorded("medium");
}

#[test]
fn nosnap_has_the_recorded_digests_in_each_phase() {
    recorded("nosnap");
}
