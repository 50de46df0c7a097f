//! The homomorphic hash of FlatKV rows.
