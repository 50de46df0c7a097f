//! libFuzzer over the target `export_manifest`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::run("export_manifest", bytes));
