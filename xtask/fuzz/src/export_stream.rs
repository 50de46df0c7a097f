//! libFuzzer over the target `export_stream`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::run("export_stream", bytes));
