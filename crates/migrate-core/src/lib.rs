//! The migration itself: the manager of one move, the chain of modes, and the protocol between the two stores.
//!
//! **It is not** a store and sees neither: it is generic over the traits of `changeset`, and knows no file, no database
//! and no metrics library.
//!
//! Good starting points:
//! - [`Manager`]: one migration: which side a key is read and written on, and what a block moves.
//! - [`Engine`]: both stores and the block in work; [`Engine::commit`] is the protocol, [`Engine::open`] its other end.
//! - [`View`]: one committed version, for readers.
//! - [`Mode`]: the chain of migrations.
//!
//! Invariants: a block has one commit point, in the new store; the changelog follows it and never leads; what a block
//! changes before that point is dropped whole when anything fails; the mode, the boundary and the version follow from
//! persisted state, and nothing is cached across a reopening.
//!
//! ```
//! use migrate_core::{Mode, Route};
//!
//! assert_eq!(Mode::MigrateEvm.route("evm"), Route::Moving);
//! assert_eq!(Mode::MigrateEvm.route("bank"), Route::Old);
//! assert_eq!(Mode::MemiavlOnly.next(), Some(Mode::MigrateEvm));
//! ```

mod ahead;
mod background;
mod batch;
mod cancel;
mod commit;
mod engine;
mod error;
mod flush;
mod kill_point;
mod manager;
#[cfg(any(test, feature = "in-memory"))]
mod memory;
mod merge;
mod metadata;
mod mode;
mod observer;
mod plan;
mod publish;
mod recover;
mod rollback;
mod still;
mod upkeep;
mod view;
mod worker;

pub use batch::BatchLimit;
pub use cancel::CancelToken;
pub use commit::Committed;
pub use engine::{Config, Durability, Engine, ModeSetting, NewStoreMaker, OldRemover, Places};
pub use error::{Error, ErrorKind, Outcome, kind_of_store};
pub use kill_point::{KillHook, KillPoint};
pub use manager::{Manager, ManagerConfig, ManagerSavepoint, get_across};
#[cfg(any(test, feature = "in-memory"))]
pub use memory::MemoryStore;
pub use merge::MergedScan;
pub use metadata::{Metadata, is_at_version};
pub use mode::{BANK_MODULE, DEFAULT_MODULES, EVM_MODULE, LAST_VERSION, Mode, Route, UnknownMode};
pub use observer::{BlockReport, FlushReport, NoObserver, Observer};
pub use plan::FlushPlan;
pub use publish::{OpenViews, RECENT_VIEWS, Views};
pub use recover::{Found, Heights, derive_mode};
pub use rollback::{NewStorePlan, RollbackPlan, plan_rollback, roll_back};
pub use still::Still;
pub use view::View;
