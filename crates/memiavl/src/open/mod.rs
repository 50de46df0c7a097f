//! Opening a store's directory: what is there, the lock, the snapshot, the log, the replay; and rolling back.

mod directory;
mod options;
mod replay;
mod rollback;
mod unreplayed;

pub(crate) use directory::CHANGELOG;
pub use options::{Access, Options};
pub(crate) use replay::replay;
pub use rollback::{Site, rollback};
pub use unreplayed::{Unreplayed, open};
