//! The constants of all formats against a snapshot of them. A difference is a question: can what is on disks still be read,
//! and do nodes still agree?

use ferry::constants;

#[test]
fn constants_are_those_of_the_snapshot() {
    let path = format!("{}/fixtures/constants.tsv", env!("CARGO_MANIFEST_DIR"));
    let lines = constants().into_iter().map(|constant| {
        assert!(!constant.value.is_empty(), "{} {}", constant.format, constant.name);
        format!("{}\t{}\t{}\n", constant.format, constant.name, constant.value)
    });
    let got: String = lines.collect();
    let expected = std::fs::read_to_string(&path).expect("a fixture");
    assert!(got == expected, "the constants are not those of {path}; they are now:\n{got}");
}
