//! The live memiavl multi-tree: copy-on-write nodes over a mapped snapshot, and the changelog that leads on from it.
mod error;
mod multitree;
mod snapshot;
mod tree;

pub use error::{Doing, Error};
pub use multitree::Savepoint;
