//! What can go wrong in the chain. A transaction that fails is no error: it is a result.

use std::io;

/// An error of the chain. None can be answered with a guess: the program ends, and says why.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store. [`ferry::Error::kind`] says what to do.
    #[error(transparent)]
    Store(#[from] ferry::Error),
    /// The consensus engine asks for another block than the next one.
    #[error(
        "the consensus engine is at another block; keep its directory and the chain's together: expected={expected} got={got}"
    )]
    Height {
        /// The next block.
        expected: u64,
        /// The one asked for.
        got: i64,
    },
    /// A value of the state does not read as what it is.
    #[error("a value of the state has another length: module={module} key={key} expected={expected} got={got}")]
    Value {
        /// Its module.
        module: &'static str,
        /// Its key, in hex.
        key: String,
        /// The length that it must have, in bytes.
        expected: usize,
        /// The one that it has.
        got: usize,
    },
    /// The chain's plan names a write mode that there is not.
    #[error("the chain's plan does not read")]
    Plan(#[from] ferry::UnknownMode),
    /// The genesis document.
    #[error("the genesis state does not read")]
    Genesis(#[from] serde_json::Error),
    /// A message on the socket that is none.
    #[error("a message of the consensus engine does not read")]
    Message(#[from] prost::DecodeError),
    /// A message without a request, or one that is too long.
    #[error("the consensus engine sent no request of ABCI 2.0: bytes={bytes}")]
    NoRequest {
        /// The message's length.
        bytes: usize,
    },
    /// The socket.
    #[error("the socket to the consensus engine")]
    Socket(#[from] io::Error),
    /// A block is asked for while a snapshot comes in.
    #[error("the consensus engine asks for a block while it sends a snapshot")]
    Restoring,
    /// The node was closed by a signal.
    #[error("the node is closed")]
    Closed,
}
