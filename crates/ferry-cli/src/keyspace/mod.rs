//! Made-up state with the key shapes of a real chain: every key and value follows from a seed and an index.
//!
//! A value carries the height that wrote it, so that whoever reads it can tell whether it is whole, and a model of the
//! state needs one number a key.

mod class;
mod mix;
mod sizes;
mod value;

pub(crate) use class::{Class, Keyspace};
pub(crate) use sizes::Sizes;
