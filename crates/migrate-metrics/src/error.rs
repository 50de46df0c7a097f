//! What can go wrong with metrics: only their background thread.

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
}
