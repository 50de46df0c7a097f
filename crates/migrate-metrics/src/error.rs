//! What can go wrong with metrics: their background threads, and the endpoint's address.

use std::net::SocketAddr;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Sampling runs already.
    #[error("metrics are sampled already: close them before they are sampled from another source")]
    AlreadySampling,
    /// The system gave no thread.
    #[error("cannot start the thread that samples metrics")]
    Thread {
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The system gave no thread or descriptor for a server.
    #[error("cannot start the thread that serves pages")]
    Server {
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// An address that cannot be listened on.
    #[error("cannot listen for scrapes; choose another address, or port 0 for a free one: address={address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}
