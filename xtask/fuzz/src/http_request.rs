//! libFuzzer over the target `http_request`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::run("http_request", bytes));
