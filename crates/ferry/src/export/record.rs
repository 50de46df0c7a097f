//! The stream of an export: one record behind the other, whatever chunks they fall into.
//!
//! ```text
//! 01 tree     name                              a memiavl tree begins; in name order
//! 02 leaf     uvarint version | key | value     the tree's nodes, in post order
//! 03 branch   uvarint version
//! 04 lane     u8 number                         FlatKV's rows of a lane begin; in order of the numbers
//! 05 row      physical key | serialized row     in byte order of the keys
//! 06 end                                        nothing follows
//!
//! name, key, value, row    uvarint length | the bytes
//! ```
//! Everything else follows from these: heights, sizes, keys of branches and all hashes of the trees, the lattices, the root.

/// The longest field: no block can write a longer one (`block_bytes_max` has this default).
const FIELD_BYTES_MAX: u64 = 1 << 30;
/// Bytes of the longest number.
const UVARINT_BYTES_MAX: usize = 10;

const TREE: u8 = 1;
const LEAF: u8 = 2;
const BRANCH: u8 = 3;
const LANE: u8 = 4;
const ROW: u8 = 5;
const END: u8 = 6;

/// A record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    Tree { name: &'a str },
    Leaf { version: u32, key: &'a [u8], value: &'a [u8] },
    Branch { version: u32 },
    Lane { number: u8 },
    Row { key: &'a [u8], row: &'a [u8] },
    End,
}

/// Bytes that begin no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NoRecord(pub(crate) &'static str);

impl<'a> Record<'a> {
    /// Appends the record's bytes.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Tree { name } => {
                out.push(TREE);
                put_bytes(out, name.as_bytes());
            }
            Self::Leaf { version, key, value } => {
                out.push(LEAF);
                put_uvarint(out, version.into());
                put_bytes(out, key);
                put_bytes(out, value);
            }
            Self::Branch { version } => {
                out.push(BRANCH);
                put_uvarint(out, version.into());
            }
            Self::Lane { number } => out.extend_from_slice(&[LANE, number]),
            Self::Row { key, row } => {
                out.push(ROW);
                put_bytes(out, key);
                put_bytes(out, row);
            }
            Self::End => out.push(END),
        }
    }

    /// The record that `bytes` begin with, and its length; none if the rest of it is yet to come.
    ///
    /// # Errors
    /// Bytes that no record begins with.
    pub(crate) fn take(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, NoRecord> {
        let mut fields = Fields(bytes);
        let record = fields.record()?;
        Ok(record.map(|record| (record, bytes.len() - fields.0.len())))
    }
}

/// A key and what stands under it.
type Pair<'a> = (&'a [u8], &'a [u8]);

/// What is left of the bytes; a field that they do not reach to the end of is none.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn record(&mut self) -> Result<Option<Record<'a>>, NoRecord> {
        let Some(kind) = self.u8() else { return Ok(None) };
        Ok(match kind {
            TREE => match self.bytes()? {
                Some(name) => {
                    let name = str::from_utf8(name).map_err(|_| NoRecord("a tree's name is not UTF-8"))?;
                    Some(Record::Tree { name })
                }
                None => None,
            },
            LEAF => match self.version()? {
                Some(version) => self.pair()?.map(|(key, value)| Record::Leaf { version, key, value }),
                None => None,
            },
            BRANCH => self.version()?.map(|version| Record::Branch { version }),
            LANE => self.u8().map(|number| Record::Lane { number }),
            ROW => self.pair()?.map(|(key, row)| Record::Row { key, row }),
            END => Some(Record::End),
            _ => return Err(NoRecord("a record of an unknown kind")),
        })
    }

    fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn uvarint(&mut self) -> Result<Option<u64>, NoRecord> {
        let mut value = 0_u64;
        for place in 0..UVARINT_BYTES_MAX {
            let Some(byte) = self.u8() else { return Ok(None) };
            let part = u64::from(byte & 0x7f);
            let shifted = part << (7 * place);
            if shifted >> (7 * place) != part {
                break;
            }
            value |= shifted;
            if byte < 0x80 {
                return Ok(Some(value));
            }
        }
        Err(NoRecord("a number of more than 64 bits"))
    }

    fn version(&mut self) -> Result<Option<u32>, NoRecord> {
        let narrow = |version| u32::try_from(version).map_err(|_| NoRecord("a node's version of more than 32 bits"));
        self.uvarint()?.map(narrow).transpose()
    }

    fn bytes(&mut self) -> Result<Option<&'a [u8]>, NoRecord> {
        let Some(length) = self.uvarint()? else { return Ok(None) };
        if length > FIELD_BYTES_MAX {
            return Err(NoRecord("a field that is longer than any block"));
        }
        let split = usize::try_from(length).ok().and_then(|length| self.0.split_at_checked(length));
        let Some((bytes, rest)) = split else { return Ok(None) };
        self.0 = rest;
        Ok(Some(bytes))
    }

    fn pair(&mut self) -> Result<Option<Pair<'a>>, NoRecord> {
        let Some(key) = self.bytes()? else { return Ok(None) };
        Ok(self.bytes()?.map(|value| (key, value)))
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_uvarint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_uvarint(out: &mut Vec<u8>, value: u64) {
    let mut rest = value;
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> [Record<'static>; 7] {
        [
            Record::Tree { name: "evm" },
            Record::Leaf { version: 300, key: b"key", value: b"" },
            Record::Leaf { version: u32::MAX, key: b"", value: &[7; 200] },
            Record::Branch { version: 128 },
            Record::Lane { number: 3 },
            Record::Row { key: b"bank/1", row: &[0; 9] },
            Record::End,
        ]
    }

    #[test]
    fn records_read_back_as_written_and_a_part_of_one_is_none_yet() {
        for record in all() {
            let mut bytes = Vec::new();
            record.put(&mut bytes);
            for length in 0..bytes.len() {
                assert_eq!(Record::take(&bytes[..length]), Ok(None), "{record:?} {length}");
            }
            let length = bytes.len();
            bytes.push(0xff);
            assert_eq!(Record::take(&bytes), Ok(Some((record, length))));
        }
    }

    #[test]
    fn bytes_that_begin_no_record_are_refused() {
        let check = |bytes: &[u8]| assert!(Record::take(bytes).is_err(), "{bytes:?}");
        check(&[0]);
        check(&[7]);
        check(&[BRANCH, 0xff, 0xff, 0xff, 0xff, 0x10]);
        check(&[TREE, 1, 0xff]);
        check(&[&[ROW], [0xff_u8; 11].as_slice()].concat());
        let mut long = vec![ROW];
        put_uvarint(&mut long, FIELD_BYTES_MAX + 1);
        check(&long);
    }

    /// A change here is a change of the format: what was exported could no longer be read.
    #[test]
    fn the_formats_bytes_stay() {
        let bytes = all().iter().fold(Vec::new(), |mut bytes, record| {
            record.put(&mut bytes);
            bytes
        });
        let begin = [&[1, 3], b"evm".as_slice(), &[2, 0xac, 2, 3], b"key", &[0, 2, 0xff, 0xff, 0xff, 0xff, 15, 0]];
        assert!(bytes.starts_with(&begin.concat()));
        assert!(bytes.ends_with(&[&[3, 0x80, 1, 4, 3, 5, 6], b"bank/1".as_slice(), &[9], &[0; 9], &[6]].concat()));
    }
}
