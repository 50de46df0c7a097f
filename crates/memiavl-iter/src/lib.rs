//! A memiavl snapshot mapped into memory: typed and checked access to its trees, lookups, and the ordered walk.
//!
//! **It is not** the live tree: nothing here changes, writes, or replays a log, and no node is kept in memory.
//!
//! Good starting points:
//! - [`Snapshot::open`]: one `snapshot-<version>` directory with all its trees, in byte order of their names.
//! - [`TreeSnapshot`]: one tree; [`get`](TreeSnapshot::get), [`range`](TreeSnapshot::range) and the nodes one by one.
//! - [`TreeSnapshot::verify`]: every offset, order, shape and hash of a tree.
//!
//! Invariants:
//! - Opening costs a few system calls per tree; whoever reads a record checks that record. A damaged file gives a typed
//!   error, never a panic, a loop, or an allocation by a number found in it.
//! - A [`NodeId`] is only made from checked numbers and carries the leaves it must cover, so every way down ends.
//! - The format code works over plain slices; only `map.rs` knows that they are mapped, and only it has `unsafe`.
//!
//! ```
//! use memiavl_iter::TreeSnapshot;
//!
//! // A tree of one leaf has no branches: the leaf is the root.
//! let metadata = [&b"IAVL"[..], &[0; 4], &[7, 0, 0, 0]].concat();
//! let kvs = [&[1, 0, 0, 0][..], b"k", &[2, 0, 0, 0], b"vv"].concat();
//! let hash = memiavl_iter::leaf_hash(7, b"k", b"vv");
//! let leaves = [&[7, 0, 0, 0][..], &[1, 0, 0, 0], &[0; 8], &hash].concat();
//!
//! let tree = TreeSnapshot::from_parts("acc", &metadata, Vec::new(), leaves, kvs)?;
//! assert_eq!(tree.root_hash(), hash);
//! assert_eq!(tree.get(b"k")?.map(|leaf| leaf.value), Some(&b"vv"[..]));
//! tree.verify()?;
//! # Ok::<(), memiavl_iter::Error>(())
//! ```

mod audit;
mod checked;
mod error;
mod hash;
mod layout;
mod list;
mod lookup;
mod map;
mod name;
mod node;
mod records;
mod search;
mod snapshot;
mod tree;
mod verify;

pub use audit::Fault;
pub use error::{Error, Field, NameProblem};
pub use hash::{EMPTY_ROOT, LeafHashes, branch_hash, leaf_hash, leaf_hash_of_value_hash};
pub use layout::{
    FILE_KVS, FILE_LEAVES, FILE_METADATA, FILE_NODES, FORMAT, MAGIC, METADATA_BYTES, RECORD_BYTES, encode_branch,
    encode_leaf, encode_metadata,
};
pub use list::{SNAPSHOT_METADATA, TMP_SUFFIX, list_snapshots, parse_snapshot_name, snapshot_name};
pub use lookup::Leaves;
pub use map::{Access, MappedWords, Mmap};
pub use name::check_tree_name;
pub use node::{Branch, BranchId, Leaf, LeafId, NodeId};
pub use search::key_head;
pub use snapshot::Snapshot;
pub use tree::TreeSnapshot;
