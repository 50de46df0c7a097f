//! One live tree: changed nodes in memory over mapped ones (spec FORMATS, IAVL tree and commit hashes).

mod arena;
mod base;
mod cursor;
mod edit;
mod find;
mod hash;
mod layout;
mod live;
mod many;
mod node;
mod post_order;
mod rank;
mod rebalance;
mod run;
mod scan;
mod sweep;
#[cfg(test)]
mod tests;
mod together;
mod walk;

pub(crate) use base::Base;
pub(crate) use find::side_of;
pub(crate) use hash::Unhashed;
pub(crate) use live::{Tree, narrow, next_version};
pub(crate) use node::{MemNode, NodeRef, Side};
pub use post_order::{PostOrder, StoredNode};
pub(crate) use run::Reading;
pub use run::{LeafPair, RankedLeaves};
pub(crate) use scan::TreeScan;
pub(crate) use together::FailedAt;
pub(crate) use walk::Visit;
