//! libFuzzer over the target `changelog_segment`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::run("changelog_segment", bytes));
