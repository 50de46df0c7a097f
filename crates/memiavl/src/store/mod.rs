//! The open store: the block in work, commits, views.

mod checkpoint;
mod commit;
mod live;
mod read;
mod rewrite;
mod view;

pub use live::MemIavl;
pub(crate) use live::Replayed;
pub use view::View;
