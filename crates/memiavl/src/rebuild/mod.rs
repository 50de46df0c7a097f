//! A store built from the nodes of another one, as [`View::nodes`](crate::View::nodes) hands them out: every file comes out
//! byte for byte as that one would write its snapshot. It can be interrupted at any mark and gone on with.
//!
//! ```text
//! <dir>/<tree name>/nodes, leaves, kvs, metadata     as in a snapshot; what lies behind the last mark is cut off
//! ```
//! Nothing is believed: shape, order and hashes are made here, and whoever builds compares the roots with those he trusts.

mod files;
mod store;
mod tree;

pub use store::Rebuild;
