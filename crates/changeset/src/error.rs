//! The error that a store hands to the migration: what went wrong, and the kind that says what to do.

use std::error::Error;
use std::fmt;

/// A store's result.
pub type StoreResult<T> = Result<T, StoreError>;

/// What a caller can do about a store's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The call was wrong; the state is as before.
    Input,
    /// The configuration or the directory does not fit; change it.
    Configuration,
    /// Bytes on disk are not what they must be; restore from a copy.
    Corruption,
    /// The operating system failed a call.
    Io,
    /// Another process or view holds what is needed.
    Locked,
    /// A limit is reached for now; try again.
    Retry,
    /// The directory is of another program or another version.
    Incompatible,
    /// Something that only a flag allows.
    Refused,
    /// An earlier failure left the store unusable until it is reopened.
    Poisoned,
}

/// A store's own error behind its kind.
pub struct StoreError {
    kind: StoreErrorKind,
    source: Box<dyn Error + Send + Sync>,
}

impl StoreError {
    /// Wraps a store's own error.
    pub fn new(kind: StoreErrorKind, source: impl Error + Send + Sync + 'static) -> Self {
        Self { kind, source: Box::new(source) }
    }

    /// What to do about it.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// The store's own error, if it is an `E`.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.source.downcast_ref()
    }
}

impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({:?})", self.kind, self.source)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.source()
    }
}
