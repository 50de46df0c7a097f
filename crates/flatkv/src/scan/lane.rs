//! A lane's rows as a module's pairs.

use bytes::{BufMut, Bytes, BytesMut};
use changeset::Pair;

use crate::error::{FlatKvError, Result};
use crate::key::{CODE_HASH_PREFIX, Field};
use crate::row::read_field;
use crate::scan::cursor::Cursor;

/// The pairs that one part of a module's scan yields.
pub(crate) struct LaneScan<'a> {
    cursor: Cursor<'a>,
    field: Field,
    /// Bytes of the module's name and the slash.
    prefix: usize,
    is_over: bool,
}

impl<'a> LaneScan<'a> {
    pub(crate) fn new(cursor: Cursor<'a>, field: Field, prefix: usize) -> Self {
        Self { cursor, field, prefix, is_over: false }
    }

    /// The pair of the row that the cursor stands on; none for an account without a code hash.
    fn pair(&self) -> Result<Option<Pair>> {
        let Some((physical, row)) = self.cursor.item() else { return Ok(None) };
        let value =
            read_field(self.field, row).map_err(|source| FlatKvError::Row { key: physical.to_vec(), source })?;
        let key = &physical[self.prefix..];
        Ok(value.map(|value| (self.memiavl_key(key), value)))
    }

    fn memiavl_key(&self, key: &[u8]) -> Bytes {
        match (self.field, key) {
            (Field::CodeHash, [_, address @ ..]) => {
                let mut key = BytesMut::with_capacity(key.len());
                key.put_u8(CODE_HASH_PREFIX);
                key.extend_from_slice(address);
                key.freeze()
            }
            _ => Bytes::copy_from_slice(key),
        }
    }
}

impl Iterator for LaneScan<'_> {
    type Item = Result<Pair>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_over {
            match self.cursor.advance().and_then(|is_row| Ok((is_row, self.pair()?))) {
                Ok((true, Some(pair))) => return Some(Ok(pair)),
                Ok((true, None)) => {}
                Ok((false, _)) => self.is_over = true,
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}
