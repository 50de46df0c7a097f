//! From a range of a module's keys to a range of physical keys.

use changeset::ScanRange;

use crate::key::{CODE_HASH_PREFIX, CODE_PREFIX, EVM, Field, NONCE_PREFIX, STORAGE_PREFIX, prefix_end};

/// A range of physical keys: `start` inclusive, `end` exclusive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) start: Vec<u8>,
    pub(crate) end: Vec<u8>,
}

impl Bounds {
    /// The physical keys of a lane's part that lie in `range`; none if no key can.
    pub(crate) fn of(module: &str, field: Field, range: &ScanRange) -> Option<Self> {
        // The first byte that the part's keys have in memiavl and in the lane; misc keys have any.
        let (logical, stored) = match field {
            Field::Misc => return Self::of_misc(module, range),
            Field::Storage => (STORAGE_PREFIX, STORAGE_PREFIX),
            Field::Code => (CODE_PREFIX, CODE_PREFIX),
            Field::Nonce => (NONCE_PREFIX, NONCE_PREFIX),
            Field::CodeHash => (CODE_HASH_PREFIX, NONCE_PREFIX),
        };
        let physical = |first: u8, rest: &[u8]| [EVM.as_bytes(), &[b'/', first], rest].concat();
        let start = match range.start.as_deref() {
            Some([first, rest @ ..]) if *first == logical => physical(stored, rest),
            Some([first, ..]) if *first > logical => return None,
            _ => physical(stored, &[]),
        };
        let end = match range.end.as_deref() {
            Some([first, rest @ ..]) if *first == logical => physical(stored, rest),
            Some([first, ..]) if *first < logical => return None,
            Some([]) => return None,
            _ => physical(stored + 1, &[]),
        };
        Self { start, end }.unless_empty()
    }

    fn of_misc(module: &str, range: &ScanRange) -> Option<Self> {
        let prefix = [module.as_bytes(), b"/"].concat();
        let start = [prefix.as_slice(), range.start.as_deref().unwrap_or_default()].concat();
        let end = match range.end.as_deref() {
            Some(end) => [prefix.as_slice(), end].concat(),
            // UNWRAP: the prefix ends in a slash, and a slash has a successor.
            None => prefix_end(&prefix).expect("a prefix that ends in a slash"),
        };
        Self { start, end }.unless_empty()
    }

    fn unless_empty(self) -> Option<Self> {
        (self.start < self.end).then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn range(start: Option<&'static [u8]>, end: Option<&'static [u8]>) -> ScanRange {
        ScanRange { start: start.map(Bytes::from_static), end: end.map(Bytes::from_static) }
    }

    fn check(field: Field, range: &ScanRange, expected: Option<(&[u8], &[u8])>) {
        let expected = expected.map(|(start, end)| Bounds { start: start.to_vec(), end: end.to_vec() });
        assert_eq!(Bounds::of(EVM, field, range), expected, "{field:?} {range:?}");
    }

    #[test]
    fn a_code_hash_is_looked_for_in_the_account_rows() {
        check(Field::CodeHash, &ScanRange::ALL, Some((b"evm/\x0a", b"evm/\x0b")));
        check(Field::CodeHash, &range(Some(b"\x08ab"), Some(b"\x08b")), Some((b"evm/\x0aab", b"evm/\x0ab")));
        check(Field::CodeHash, &range(Some(b"\x09"), None), None);
        check(Field::CodeHash, &range(None, Some(b"\x08")), None);
    }

    #[test]
    fn a_range_beside_a_lanes_keys_reads_nothing_of_it() {
        check(Field::Storage, &range(None, Some(b"\x03")), None);
        check(Field::Storage, &range(Some(b"\x04"), None), None);
        check(Field::Storage, &range(Some(b"\x02"), Some(b"\x04")), Some((b"evm/\x03", b"evm/\x04")));
        check(Field::Storage, &range(Some(b"\x03b"), Some(b"\x03a")), None);
        for field in [Field::Storage, Field::Misc] {
            check(field, &range(None, Some(b"")), None);
        }
    }

    #[test]
    fn misc_keys_have_any_first_byte() {
        check(Field::Misc, &ScanRange::ALL, Some((b"evm/", b"evm0")));
        check(Field::Misc, &range(Some(b"\x08"), Some(b"\xff")), Some((b"evm/\x08", b"evm/\xff")));
    }
}
