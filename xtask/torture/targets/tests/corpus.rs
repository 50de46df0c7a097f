//! Every input that the fuzzer has kept, and every one that it has found something with, goes through its target again.

use std::fs;
use std::path::{Path, PathBuf};

use fuzz_targets::TARGETS;

fn inputs(kind: &str, target: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz").join(kind).join(target);
    let Ok(entries) = fs::read_dir(&dir) else { return Vec::new() };
    entries.map(|entry| entry.expect("lists").path()).collect()
}

#[test]
fn every_kept_input_is_taken_without_a_panic() {
    for (name, target) in TARGETS {
        let corpus = inputs("corpus", name);
        assert!(!corpus.is_empty(), "no corpus: target={name}");
        for path in corpus.into_iter().chain(inputs("found", name)) {
            let bytes = fs::read(&path).expect("reads");
            std::panic::catch_unwind(|| target(&bytes)).unwrap_or_else(|_| panic!("path={}", path.display()));
        }
    }
}
