//! Opening a store's directory: what is there, the lock, the snapshot, the log, the replay; and rolling back.

mod directory;
mod options;
mod rollback;
mod unreplayed;

pub(crate) use directory::CHANGELOG;
pub use options::{Access, Options};
pub use rollback::{Site, rollback};
pub(crate) use unreplayed::replay_next;
pub use unreplayed::{Unreplayed, open};
