//! What the tests of the whole store share.
#![expect(dead_code, reason = "each test file uses its own part")]

pub(crate) mod recorded;
pub(crate) mod workload;
