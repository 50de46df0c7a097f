//! Snapshots: writing one, pointing `current` at it, dropping old ones.

mod current;
mod disk;
mod pace;
mod prune;
mod rewrite;
mod tree_files;
mod write;

pub(crate) use current::{point_current, read_current};
pub(crate) use disk::{IoResult, is_temporary, remove_dir, remove_leftover, remove_temporary, sync_dir};
#[cfg(test)]
pub(crate) use pace::{Cancel, Pace};
pub(crate) use prune::Keep;
pub(crate) use rewrite::{Job, Order, Report, Rewrite};
#[cfg(test)]
pub(crate) use tree_files::write_tree;
pub(crate) use write::{write_fresh, write_seal, write_store, write_store_of};
