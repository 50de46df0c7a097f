//! libFuzzer over the target `control_message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_targets::run("control_message", bytes));
