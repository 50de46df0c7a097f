//! Many trees under one version: the block in work over the committed state.

mod ahead;
mod block;
mod committed;
mod forest;
#[cfg(test)]
mod tests;
mod upgrade;

pub use ahead::Ahead;
pub(crate) use block::MultiTree;
pub use block::Savepoint;
pub(crate) use committed::Committed;
pub(crate) use forest::Forest;
