//! What the criterion benchmarks of the parts share.

pub mod fixture;
