//! A small chain on [`ferry`]: accounts, contracts, a bank, delegations, and a migration that the chain itself decides on.
//!
//! **It is not** a chain to run: it checks nonces and no signatures. It is the code to copy from: everything between a
//! consensus engine and a [`ferry::Node`] is here, and nothing else.
//!
//! Good starting points:
//! - [`Chain`]: a block from its transactions to its commit, in fifty lines, without a consensus engine.
//! - [`Plan`]: the migration as chain state, set by a transaction and evaluated on every block.
//! - [`App`]: the same chain behind ABCI 2.0; [`serve`] puts it on a socket.
//! - [`Restoring`]: a node that joins takes its state from a snapshot of its peers.
//!
//! Invariants: what a block does follows from the chain's state and its transactions alone. Queries read published blocks
//! and never wait for the block in work. An error of the store ends the program: it never answers with a guess.
//!
//! ```
//! use example_chain::{Address, Chain, Genesis, Settings};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let home = tempfile::tempdir()?;
//! let mut chain = Chain::open(home.path(), Settings::default())?;
//! let rich = Address([7; 20]);
//! chain.init(Genesis { authority: rich, accounts: [(rich, 1_000)].into() });
//!
//! let block = chain.finalize(1, &[b""; 0])?; // the app hash, before anything is durable
//! let committed = chain.commit()?; // the block has happened
//! assert_eq!(block.app_hash, committed.app_hash);
//! # Ok(())
//! # }
//! ```

mod abci;
mod chain;
mod error;
mod execute;
mod keys;
mod plan;
mod query;
mod restoring;
mod serve;
mod snapshots;
mod state;
mod state_sync;
mod tx;

pub use abci::{App, Event};
pub use chain::{AtPoint, Chain, Finalized, Genesis, Settings};
pub use error::Error;
pub use execute::{Outcome, check, execute};
pub use keys::MODULES;
pub use plan::Plan;
pub use restoring::Restoring;
pub use serve::serve;
pub use snapshots::SnapshotSettings;
pub use state::{Overlay, Pairs, Read};
pub use tx::{Action, Address, Tx};
