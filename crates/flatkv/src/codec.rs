//! Reading and writing the fields of our own records: big-endian integers and length-prefixed bytes.
//!
//! ```text
//! bytes   u32 big endian length | the bytes
//! ```

use crate::error::{FlatKvError, Result};

/// Appends `bytes` with its length.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    // UNWRAP: RocksDB holds no value of 4 GiB, and a block that large is refused before it comes here.
    let length = u32::try_from(bytes.len()).expect("a record's field is shorter than 4 GiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// A record being read; every read says where the record ends too early.
pub(crate) struct Fields<'a> {
    record: &'static str,
    whole: usize,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The fields of `bytes`, which are called `record` in errors.
    pub(crate) fn new(record: &'static str, bytes: &'a [u8]) -> Self {
        Self { record, whole: bytes.len(), rest: bytes }
    }

    /// An error at the present place.
    pub(crate) fn wrong(&self) -> FlatKvError {
        FlatKvError::Record { record: self.record, at: self.whole - self.rest.len() }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<&'a [u8; N]> {
        let (array, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| self.wrong())?;
        self.rest = rest;
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(*self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_be_bytes(*self.array()?))
    }

    pub(crate) fn flag(&mut self) -> Result<bool> {
        let wrong = self.wrong();
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(wrong),
        }
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8]> {
        let wrong = self.wrong();
        let length = usize::try_from(self.u32()?).map_err(|_| self.wrong())?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(wrong)?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Nothing may follow.
    pub(crate) fn end(self) -> Result<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.wrong()) }
    }
}

/// A record that is one integer.
pub(crate) fn u64_record(record: &'static str, bytes: &[u8]) -> Result<u64> {
    let mut fields = Fields::new(record, bytes);
    let value = fields.u64()?;
    fields.end()?;
    Ok(value)
}
