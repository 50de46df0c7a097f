//! The reference's recorded boundaries: records, texts, probes of `is_migrated`, and records to refuse.

use std::io::Read;

use boundary::Boundary;
use serde_json::Value;

fn vectors() -> Value {
    let packed = include_bytes!("../fixtures/vectors.json.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text).expect("the fixture unpacks");
    serde_json::from_str(&text).expect("the fixture is JSON")
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().unwrap_or_else(|| panic!("{name} is a list"))
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("hex text")).expect("hex text")
}

#[test]
fn recorded_boundaries_decode_encode_print_and_answer_as_the_reference() {
    let vectors = vectors();
    let mut probes = 0;
    for vector in list(&vectors, "boundary") {
        let record = bytes(&vector["bytes"]);
        let boundary = Boundary::decode(&record).expect("a recorded boundary");
        assert_eq!(boundary.encode(), record);
        assert_eq!(boundary.to_string(), vector["text"].as_str().expect("a text"));
        for probe in list(vector, "is_migrated") {
            let (module, key) = (probe["module"].as_str().expect("a name"), bytes(&probe["key"]));
            let expected = probe["migrated"].as_bool().expect("a bool");
            assert_eq!(boundary.is_migrated(module, &key), expected, "{boundary} {probe}");
            probes += 1;
        }
    }
    assert!(probes > 1000, "the fixture has {probes} probes");
}

#[test]
fn recorded_refusals_are_refused() {
    let vectors = vectors();
    let refusals = list(&vectors, "boundary_errors");
    assert!(!refusals.is_empty());
    for vector in refusals {
        let record = bytes(&vector["bytes"]);
        assert!(Boundary::decode(&record).is_err(), "{vector}");
    }
}
