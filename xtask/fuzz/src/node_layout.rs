//! libFuzzer over the target `node_layout`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::run("node_layout", bytes));
