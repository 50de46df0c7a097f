//! libFuzzer over the target `row_codecs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::run("row_codecs", bytes));
