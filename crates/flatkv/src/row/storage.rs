//! The storage row: one slot of a contract.
//!
//! ```text
//! 0    1    version 00
//! 1    8    height, u64 big endian
//! 9    32   value, not all zero
//! ```

use super::{RowError, open, seal};
use crate::lane::Lane;

const LANE: Lane = Lane::Storage;

/// A storage slot's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageRow {
    /// Height of the block that wrote the row.
    pub height: u64,
    /// The slot's value.
    pub value: [u8; 32],
}

impl StorageRow {
    /// Whether the value is zero: such a row does not exist.
    pub fn is_empty(&self) -> bool {
        self.value == [0; 32]
    }

    /// The row's bytes.
    pub fn encode(&self) -> Vec<u8> {
        seal(self.height, &[&self.value])
    }

    /// Reads a row.
    ///
    /// # Errors
    /// A row that [`encode`](Self::encode) cannot have written, or an empty one.
    pub fn decode(row: &[u8]) -> Result<Self, RowError> {
        let (height, fields) = open(LANE, row)?;
        let value = <[u8; 32]>::try_from(fields).map_err(|_| RowError::Length { lane: LANE, got: row.len() })?;
        let slot = Self { height, value };
        if slot.is_empty() { Err(RowError::NeverWritten { lane: LANE }) } else { Ok(slot) }
    }
}
