//! The commit order as a state machine: FlatKV's batches, memiavl's changelog with its unsynced tail, handoffs, the
//! background sync, dropping handoffs, opening, rolling back, and a crash between any two steps.
//!
//! ```text
//! FlatKV      blocks (each with its rows and cursor, so that one can be undone), handoffs, "changelog synced up to", a
//!             note of a rollback under way; a batch is synced before the block counts
//! changelog   entries; those that no sync has covered survive a crash one by one, or do not
//! memory      how far the background is known to have synced
//! ```
//! The state space is small on purpose: two keys, few blocks, two crashes, one rollback, one pause.

mod action;
mod check;
mod state;

pub use action::Action;
pub use check::Commit;
pub use state::{Entry, Fault, Flat, Flow, KEYS, Map, Open, Rows, State, Undo, Work};
