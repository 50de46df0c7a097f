//! What one change makes of a row.

use bytes::Bytes;

use super::{AccountRow, CodeRow, MiscRow, RowError, StorageRow};
use crate::key::{Field, Key};

/// A change of one field, its value's length checked.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) field: Field,
    pub(crate) key: Key,
    pub(crate) op: Op,
}

/// What happens to the field.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Set(Bytes),
    Delete,
}

/// The length that a field's value must have and has not.
pub(crate) fn check(field: Field, value: &[u8]) -> Result<(), usize> {
    let expected = match field {
        Field::Storage | Field::CodeHash => 32,
        Field::Nonce => 8,
        Field::Code | Field::Misc => return Ok(()),
    };
    if value.len() == expected { Ok(()) } else { Err(expected) }
}

/// The row after `op` at `height`; none if it does not exist any more.
///
/// What removes a row: a delete, and also a zero slot, empty code, and an account whose fields are all zero; in misc only
/// the delete. Deleting a nonce or a code hash sets it to zero. Every touch of a live row stamps `height`.
pub(crate) fn next_row(field: Field, old: Option<&[u8]>, op: &Op, height: u64) -> Result<Option<Vec<u8>>, RowError> {
    let value = match op {
        Op::Set(value) => Some(value.as_ref()),
        Op::Delete => None,
    };
    Ok(match field {
        Field::Storage => {
            let row = StorageRow { height, value: fixed(value) };
            (!row.is_empty()).then(|| row.encode())
        }
        Field::Code => {
            let row = CodeRow { height, code: value.unwrap_or_default() };
            (!row.is_empty()).then(|| row.encode())
        }
        Field::Misc => value.map(|value| MiscRow { height, value }.encode()),
        Field::Nonce | Field::CodeHash => {
            let mut row = old.map(AccountRow::decode).transpose()?.unwrap_or_default();
            row.height = height;
            match field {
                Field::Nonce => row.nonce = u64::from_be_bytes(fixed(value)),
                _ => row.code_hash = fixed(value),
            }
            (!row.is_empty()).then(|| row.encode())
        }
    })
}

/// A checked value as an array; a delete is zero.
fn fixed<const N: usize>(value: Option<&[u8]>) -> [u8; N] {
    match value {
        None => [0; N],
        // UNWRAP: `check` has compared the length before a change came to be.
        Some(value) => value.try_into().expect("a checked length"),
    }
}
