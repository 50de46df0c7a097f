//! The account row: balance, nonce and code hash of an address.
//!
//! ```text
//! 0    1    version 00
//! 1    8    height, u64 big endian
//! 9    32   balance
//! 41   8    nonce, u64 big endian
//! 49   32   code hash; left out when it is all zero
//! ```

use super::{RowError, open, seal_to};
use crate::lane::Lane;

const LANE: Lane = Lane::Account;
const NO_HASH: [u8; 32] = [0; 32];

/// An account's row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountRow {
    /// Height of the block that wrote the row.
    pub height: u64,
    /// The balance; no memiavl key carries one, so it stays as it is.
    pub balance: [u8; 32],
    /// The nonce.
    pub nonce: u64,
    /// The code hash; all zero when there is none.
    pub code_hash: [u8; 32],
}

impl AccountRow {
    /// Whether every field is zero: such a row does not exist.
    pub fn is_empty(&self) -> bool {
        self.balance == [0; 32] && self.nonce == 0 && self.code_hash == NO_HASH
    }

    /// The row's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut row = Vec::new();
        self.encode_to(&mut row);
        row
    }

    /// Makes `row` the row's bytes.
    pub(crate) fn encode_to(&self, row: &mut Vec<u8>) {
        let code_hash: &[u8] = if self.code_hash == NO_HASH { &[] } else { &self.code_hash };
        seal_to(row, self.height, &[&self.balance, &self.nonce.to_be_bytes(), code_hash]);
    }

    /// Reads a row.
    ///
    /// # Errors
    /// A row that [`encode`](Self::encode) cannot have written, or an empty one.
    pub fn decode(row: &[u8]) -> Result<Self, RowError> {
        let (height, fields) = open(LANE, row)?;
        let wrong_length = RowError::Length { lane: LANE, got: row.len() };
        let (balance, rest) = fields.split_first_chunk::<32>().ok_or(wrong_length)?;
        let (nonce, rest) = rest.split_first_chunk::<8>().ok_or(wrong_length)?;
        let code_hash = match rest {
            [] => NO_HASH,
            _ => match <[u8; 32]>::try_from(rest) {
                Ok(NO_HASH) => return Err(RowError::NeverWritten { lane: LANE }),
                Ok(code_hash) => code_hash,
                Err(_) => return Err(wrong_length),
            },
        };
        let account = Self { height, balance: *balance, nonce: u64::from_be_bytes(*nonce), code_hash };
        if account.is_empty() { Err(RowError::NeverWritten { lane: LANE }) } else { Ok(account) }
    }
}
