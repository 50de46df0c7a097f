//! Criterion benchmarks of the parts.
