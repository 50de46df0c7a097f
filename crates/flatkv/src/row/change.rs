//! What one change makes of a row.

use super::{AccountRow, CodeRow, RowError, StorageRow, seal_to};
use crate::key::Field;

/// What happens to a field; a value's length is checked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op<'a> {
    Set(&'a [u8]),
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

/// Makes `row` the row after `op` at `height`, over `old`; false if it does not exist any more.
///
/// What removes a row: a delete, and also a zero slot, empty code, and an account whose fields are all zero; in misc only
/// the delete. Deleting a nonce or a code hash sets it to zero. Every touch of a live row stamps `height`.
pub(crate) fn next_row(
    field: Field,
    old: Option<&[u8]>,
    op: Op<'_>,
    height: u64,
    row: &mut Vec<u8>,
) -> Result<bool, RowError> {
    let value = match op {
        Op::Set(value) => Some(value),
        Op::Delete => None,
    };
    if !matches!(field, Field::Nonce | Field::CodeHash) {
        return Ok(value.is_some_and(|value| moved_row(field, value, height, row)));
    }
    let mut account = old.map(AccountRow::decode).transpose()?.unwrap_or_default();
    account.height = height;
    account.set(field, value);
    if account.is_empty() {
        return Ok(false);
    }
    account.encode_to(row);
    Ok(true)
}

/// Makes `row` the row that a checked `value` of `field` leaves, which is not an account's; false if it leaves none.
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
