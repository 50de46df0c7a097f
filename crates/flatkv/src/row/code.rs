//! The code row: a contract's code.
//!
//! ```text
//! 0    1    version 00
//! 1    8    height, u64 big endian
//! 9    …    code, not empty
//! ```

use super::{RowError, open, seal};
use crate::lane::Lane;

const LANE: Lane = Lane::Code;

/// A contract's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeRow<'a> {
    /// Height of the block that wrote the row.
    pub height: u64,
    /// The code.
    pub code: &'a [u8],
}

impl<'a> CodeRow<'a> {
    /// Whether there is no code: such a row does not exist.
    pub fn is_empty(&self) -> bool {
        self.code.is_empty()
    }

    /// The row's bytes.
    pub fn encode(&self) -> Vec<u8> {
        seal(self.height, &[self.code])
    }

    /// Reads a row.
    ///
    /// # Errors
    /// A row that [`encode`](Self::encode) cannot have written, or an empty one.
    pub fn decode(row: &'a [u8]) -> Result<Self, RowError> {
        let (height, code) = open(LANE, row)?;
        let contract = Self { height, code };
        if contract.is_empty() { Err(RowError::NeverWritten { lane: LANE }) } else { Ok(contract) }
    }
}
