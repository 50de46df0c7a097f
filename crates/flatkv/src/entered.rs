//! What of the pairs that the migration moved a block's rows hold: their logical entries, decoded from the serialized rows.
//!
//! An entry is what `changeset::EntrySum` says, so that its sum can be compared with that of the leaves which left the old
//! store. Two leaves share an account's row; each is read back as the field that it became.

use changeset::EntrySums;

use crate::delta::RowChange;
use crate::error::{FlatKvError, Result};
use crate::key::{ADDRESS_KEY_BYTES, CODE_HASH_PREFIX, Field};
use crate::row::{AccountRow, CodeRow, MiscRow, RowError, StorageRow};

/// The fields of a row that were moved there: two at the most, which only an account's row has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved([Option<Field>; 2]);

impl Moved {
    pub(crate) fn insert(&mut self, field: Field) {
        let [first, second] = &mut self.0;
        match first {
            None => *first = Some(field),
            Some(known) if *known == field => {}
            Some(_) => *second = Some(field),
        }
    }
}

/// Adds to `sum` the entries of the moved fields as the new row has them.
pub(crate) fn entered(change: &RowChange<'_>, sum: &mut EntrySums) -> Result<()> {
    for field in change.moved.0.into_iter().flatten() {
        let module = &change.part.1;
        // A physical key is the module's name, a slash, and the key.
        let key = change.key.get(module.len() + 1..).unwrap_or_default();
        add(sum, module, key, field, change.new)
            .map_err(|source| FlatKvError::Row { key: change.key.to_vec(), source })?;
    }
    Ok(())
}

fn add(
    sum: &mut EntrySums,
    module: &str,
    key: &[u8],
    field: Field,
    row: Option<&[u8]>,
) -> std::result::Result<(), RowError> {
    match field {
        Field::Storage => {
            let value = row.map(StorageRow::decode).transpose()?.map_or([0; 32], |row| row.value);
            sum.add(module, key, &value);
        }
        Field::Code => {
            let code = row.map(CodeRow::decode).transpose()?.map_or(&[][..], |row| row.code);
            sum.add(module, key, code);
        }
        Field::Nonce => {
            let account = row.map(AccountRow::decode).transpose()?.unwrap_or_default();
            sum.add(module, key, &account.nonce.to_be_bytes());
        }
        Field::CodeHash => {
            let account = row.map(AccountRow::decode).transpose()?.unwrap_or_default();
            // UNWRAP: a key of any other length is a misc row's; the account's stands under its nonce's.
            let mut leaf_key: [u8; ADDRESS_KEY_BYTES] = key.try_into().expect("an account's key");
            leaf_key[0] = CODE_HASH_PREFIX;
            sum.add(module, &leaf_key, &account.code_hash);
        }
        // Nothing but a delete removes a misc row, so one that is not there has not arrived.
        Field::Misc => {
            if let Some(row) = row {
                sum.add(module, key, MiscRow::decode(row)?.value);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use changeset::EntrySum;

    use super::*;
    use crate::lane::Lane;
    use crate::lattice::Part;

    fn check(field: Field, key: &[u8], leaf: (&[u8], &[u8]), row: Option<&[u8]>) {
        let part: Part = (field.lane(), "evm".into());
        let mut moved = Moved::default();
        moved.insert(field);
        let key = [b"evm/".as_slice(), key].concat();
        let (mut got, mut expected) = (EntrySums::default(), EntrySum::default());
        entered(&RowChange { part: &part, key: &key, old: None, new: row, moved }, &mut got).expect("decodes");
        expected.add("evm", leaf.0, leaf.1);
        assert_eq!(got.finish(), expected, "{field:?}");
    }

    fn key(first: u8, bytes: usize) -> Vec<u8> {
        let mut key = vec![7; bytes];
        key[0] = first;
        key
    }

    #[test]
    fn each_field_gives_its_leaf_back() {
        let account = AccountRow { height: 3, nonce: 9, code_hash: [4; 32], ..AccountRow::default() }.encode();
        let (nonce, code_hash) = (key(0x0a, 21), key(0x08, 21));
        check(Field::Nonce, &nonce, (&nonce, &9_u64.to_be_bytes()), Some(&account));
        check(Field::CodeHash, &nonce, (&code_hash, &[4; 32]), Some(&account));
        let slot = key(0x03, 53);
        check(Field::Storage, &slot, (&slot, &[5; 32]), Some(&StorageRow { height: 3, value: [5; 32] }.encode()));
        let code = key(0x07, 21);
        check(Field::Code, &code, (&code, b"code"), Some(&CodeRow { height: 3, code: b"code" }.encode()));
        check(Field::Misc, b"x", (b"x", b""), Some(&MiscRow { height: 3, value: b"" }.encode()));
    }

    #[test]
    fn what_leaves_no_row_enters_as_zero() {
        let (slot, code, nonce) = (key(0x03, 53), key(0x07, 21), key(0x0a, 21));
        check(Field::Storage, &slot, (&slot, &[0; 32]), None);
        check(Field::Code, &code, (&code, b""), None);
        check(Field::Nonce, &nonce, (&nonce, &[0; 8]), None);
        check(Field::CodeHash, &nonce, (&key(0x08, 21), &[0; 32]), None);
    }

    #[test]
    fn a_misc_row_that_is_not_there_has_not_entered() {
        let part: Part = (Lane::Misc, "bank".into());
        let mut moved = Moved::default();
        moved.insert(Field::Misc);
        let mut sum = EntrySums::default();
        let change = RowChange { part: &part, key: b"bank/k", old: None, new: None, moved };
        entered(&change, &mut sum).expect("nothing to decode");
        assert_eq!(sum.finish(), EntrySum::default());
    }
}
