//! Proofs for other chains (ICS-23): that a key is, or is not, in the tree whose root hash stands in the app hash.
//!
//! **It is not** the rule of when to give an absence proof. A key that was moved to FlatKV, or was never in memiavl, is
//! absent from the tree whatever the chain's state is, and the proof of that is valid: who asks here must know that the
//! module has no part in a present or past migration.
//!
//! - [`View::prove_existence`](crate::View::prove_existence) and
//!   [`View::prove_absence`](crate::View::prove_absence): a [`Proof`] of two steps, key to store hash to app hash.
//! - `message`: the bytes; `path`: the way through a tree; `prove`: putting the two together, and checking the result.

mod message;
mod path;
mod prove;

pub use message::{Proof, ProofOp};
