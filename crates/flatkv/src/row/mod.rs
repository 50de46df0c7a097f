//! The serialized values of rows, a shape per lane.
//!
//! ```text
//! every row   version 00 | u64 big endian height of the block that wrote it | fields
//! ```
//! Source: spec FORMATS, FlatKV rows. Decoding is strict: a row that its encoder cannot have written, one that a delete
//! would have removed included, is refused.

mod account;
mod change;
mod code;
mod misc;
mod storage;

pub use account::AccountRow;
pub(crate) use change::{Op, check, moved_account, moved_row, next_row};
pub use code::CodeRow;
pub use misc::MiscRow;
pub use storage::StorageRow;

use bytes::Bytes;

use crate::key::Field;
use crate::lane::Lane;

/// Version byte of all rows.
const VERSION: u8 = 0;
/// Bytes before a row's fields.
const HEADER_BYTES: usize = 1 + 8;

/// Bytes that are no row of their lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowError {
    /// Fewer or more bytes than the lane's rows have.
    #[error("row has a wrong length: lane={lane} got={got}")]
    Length {
        /// The lane.
        lane: Lane,
        /// Bytes found.
        got: usize,
    },
    /// A version byte that does not exist.
    #[error("row has an unknown version: lane={lane} expected={VERSION} got={got}")]
    Version {
        /// The lane.
        lane: Lane,
        /// The byte found.
        got: u8,
    },
    /// A row whose fields are all zero or empty, or an account's long form without a code hash: never written.
    #[error("row is one that is never written: lane={lane}")]
    NeverWritten {
        /// The lane.
        lane: Lane,
    },
}

/// Splits a row of `lane` into its height and its fields.
fn open(lane: Lane, row: &[u8]) -> Result<(u64, &[u8]), RowError> {
    let (header, fields) = row.split_first_chunk::<HEADER_BYTES>().ok_or(RowError::Length { lane, got: row.len() })?;
    let [version, height @ ..] = *header;
    if version != VERSION {
        return Err(RowError::Version { lane, got: version });
    }
    Ok((u64::from_be_bytes(height), fields))
}

/// The height in a row of any lane; none if it is too short for a row.
pub(crate) fn height_of(row: &[u8]) -> Option<u64> {
    let (_, height) = row.first_chunk::<HEADER_BYTES>()?.split_first()?;
    Some(u64::from_be_bytes(height.try_into().ok()?))
}

/// A row of `fields` written at `height`.
fn seal(height: u64, fields: &[&[u8]]) -> Vec<u8> {
    let mut row = Vec::with_capacity(HEADER_BYTES + fields.iter().map(|field| field.len()).sum::<usize>());
    seal_to(&mut row, height, fields);
    row
}

/// Makes `row` a row of `fields` written at `height`.
fn seal_to(row: &mut Vec<u8>, height: u64, fields: &[&[u8]]) {
    row.clear();
    row.push(VERSION);
    row.extend_from_slice(&height.to_be_bytes());
    for field in fields {
        row.extend_from_slice(field);
    }
}

/// What a point read of `field` finds in a row: memiavl's value, or nothing.
pub(crate) fn read_field(field: Field, row: &[u8]) -> Result<Option<Bytes>, RowError> {
    Ok(match field {
        Field::Storage => Some(Bytes::copy_from_slice(&StorageRow::decode(row)?.value)),
        Field::Code => Some(Bytes::copy_from_slice(CodeRow::decode(row)?.code)),
        Field::Misc => Some(Bytes::copy_from_slice(MiscRow::decode(row)?.value)),
        Field::Nonce => Some(Bytes::copy_from_slice(&AccountRow::decode(row)?.nonce.to_be_bytes())),
        Field::CodeHash => {
            let code_hash = AccountRow::decode(row)?.code_hash;
            (code_hash != [0; 32]).then(|| Bytes::copy_from_slice(&code_hash))
        }
    })
}

/// Checks that `row` is a row of `lane`; its height.
///
/// # Errors
/// A row that its encoder cannot have written.
pub fn check_row(lane: Lane, row: &[u8]) -> Result<u64, RowError> {
    Ok(match lane {
        Lane::Account => AccountRow::decode(row)?.height,
        Lane::Code => CodeRow::decode(row)?.height,
        Lane::Storage => StorageRow::decode(row)?.height,
        Lane::Misc => MiscRow::decode(row)?.height,
    })
}

#[cfg(test)]
mod tests;
