//! The states that the reference implementation reached on recorded rows.

use std::io::Read;

use flate2::read::GzDecoder;
use lthash::LtHash;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    lthash: Vec<Step>,
    lthash_empty: String,
}

#[derive(Deserialize)]
struct Step {
    checksum: String,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    key: String,
    old: String,
    new: String,
    delete: bool,
}

fn vectors() -> Vectors {
    let mut json = String::new();
    GzDecoder::new(include_bytes!("../fixtures/vectors.json.gz").as_slice())
        .read_to_string(&mut json)
        .expect("the fixture is gzipped text");
    serde_json::from_str(&json).expect("the fixture has the vectors' shape")
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).expect("the fixture is hex")
}

#[test]
fn the_empty_state_has_the_recorded_root() {
    assert_eq!(hex::encode(LtHash::new().root()), vectors().lthash_empty);
}

#[test]
fn every_recorded_step_reaches_the_recorded_root() {
    let vectors = vectors();
    assert!(!vectors.lthash.is_empty());
    let mut state = LtHash::new();
    for (at, step) in vectors.lthash.iter().enumerate() {
        for row in &step.rows {
            let key = bytes(&row.key);
            state.subtract(&key, &bytes(&row.old));
            if !row.delete {
                state.add(&key, &bytes(&row.new));
            }
        }
        assert_eq!(hex::encode(state.root()), step.checksum, "step {at}");
    }
}
