//! The misc row: any value of any module.
//!
//! ```text
//! 0    1    version 00
//! 1    8    height, u64 big endian
//! 9    …    value, may be empty
//! ```

use super::{RowError, open, seal};
use crate::lane::Lane;

/// A misc row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MiscRow<'a> {
    /// Height of the block that wrote the row.
    pub height: u64,
    /// The value.
    pub value: &'a [u8],
}

impl<'a> MiscRow<'a> {
    /// The row's bytes.
    pub fn encode(&self) -> Vec<u8> {
        seal(self.height, &[self.value])
    }

    /// Reads a row.
    ///
    /// # Errors
    /// A row that [`encode`](Self::encode) cannot have written.
    pub fn decode(row: &'a [u8]) -> Result<Self, RowError> {
        let (height, value) = open(Lane::Misc, row)?;
        Ok(Self { height, value })
    }
}
