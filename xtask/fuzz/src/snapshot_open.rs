//! libFuzzer over the target `snapshot_open`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::run("snapshot_open", bytes));
