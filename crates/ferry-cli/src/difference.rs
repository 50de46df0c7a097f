//! A difference between the node and the recording, and the two ways in which a replay halts.

use std::io;

use serde::Serialize;

use crate::failure::Failure;

/// The first thing that is not as recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    pub(crate) height: u64,
    /// What was compared, for example `hash of store evm`.
    pub(crate) what: String,
    /// What the recording says.
    pub(crate) expected: String,
    /// What the node says.
    pub(crate) got: String,
}

impl Difference {
    /// A difference, unless both are the same.
    pub(crate) fn check(
        height: u64,
        what: impl FnOnce() -> String,
        expected: impl AsRef<str>,
        got: impl AsRef<str>,
    ) -> Result<(), Halt> {
        let (expected, got) = (expected.as_ref(), got.as_ref());
        if expected == got {
            return Ok(());
        }
        Err(Self { height, what: what(), expected: expected.to_owned(), got: got.to_owned() }.into())
    }
}

/// Why a replay goes no further.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The node and the recording part ways.
    Different(Box<Difference>),
    /// Something failed, so nothing can be compared.
    Failed(anyhow::Error),
}

impl From<Difference> for Halt {
    fn from(difference: Difference) -> Self {
        Self::Different(Box::new(difference))
    }
}

impl From<anyhow::Error> for Halt {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<ferry::Error> for Halt {
    fn from(error: ferry::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<ferry::migrate_core::Error> for Halt {
    fn from(error: ferry::migrate_core::Error) -> Self {
        ferry::Error::from(error).into()
    }
}

impl From<ferry::flatkv::FlatKvError> for Halt {
    fn from(error: ferry::flatkv::FlatKvError) -> Self {
        ferry::Error::from(error).into()
    }
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.into())
    }
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Bytes as hex; `none` where there are none.
pub(crate) fn hex_or_none(bytes: Option<impl AsRef<[u8]>>) -> String {
    bytes.map_or_else(|| "none".to_owned(), hex::encode)
}
