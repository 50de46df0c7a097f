//! libFuzzer over the target `blocks_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::run("blocks_file", bytes));
