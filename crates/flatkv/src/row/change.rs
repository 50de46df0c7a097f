//! What one change makes of a row.

use bytes::Bytes;

use super::{AccountRow, CodeRow, MiscRow, RowError, StorageRow, seal_to};
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
            row.set(field, value);
            (!row.is_empty()).then(|| row.encode())
        }
    })
}

/// Makes `row` the row that a checked `value` of `field` leaves, which is not an account's; false if it leaves none. What
/// [`next_row`] makes of a set, without an allocation.
pub(crate) fn moved_row(field: Field, value: &[u8], height: u64, row: &mut Vec<u8>) -> bool {
    let is_live = match field {
        Field::Storage => !StorageRow { height, value: fixed(Some(value)) }.is_empty(),
        Field::Code => !CodeRow { height, code: value }.is_empty(),
        _ => true,
    };
    if is_live {
        seal_to(row, height, &[value]);
    }
    is_live
}

/// The account's row that checked values of its fields leave over `old`, not yet encoded.
pub(crate) fn moved_account(
    old: Option<&[u8]>,
    fields: &[(Field, &[u8])],
    height: u64,
) -> Result<AccountRow, RowError> {
    let mut row = old.map(AccountRow::decode).transpose()?.unwrap_or_default();
    row.height = height;
    for (field, value) in fields {
        row.set(*field, Some(value));
    }
    Ok(row)
}

impl AccountRow {
    fn set(&mut self, field: Field, value: Option<&[u8]>) {
        match field {
            Field::Nonce => self.nonce = u64::from_be_bytes(fixed(value)),
            _ => self.code_hash = fixed(value),
        }
    }
}

/// A checked value as an array; a delete is zero.
fn fixed<const N: usize>(value: Option<&[u8]>) -> [u8; N] {
    match value {
        None => [0; N],
        // UNWRAP: `check` has compared the length before a change came to be.
        Some(value) => value.try_into().expect("a checked length"),
    }
}
