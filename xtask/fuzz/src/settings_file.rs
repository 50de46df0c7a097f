//! libFuzzer over the target `settings_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::run("settings_file", bytes));
