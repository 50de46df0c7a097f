//! The shapes of keys and values: which rows they become, which of them are unusual, which of them no row can hold.

use flatkv::{EVM, Field, locate};

/// Bytes of a physical key beyond the module's own key: the module's name and the slash come on top of this in no lane.
const ROW_HEADER_BYTES: u64 = 1 + 8;
const BALANCE_BYTES: u64 = 32;
const NONCE_BYTES: u64 = 8;
const HASH_BYTES: usize = 32;
/// First bytes of evm keys that have a lane of their own, at one length each.
const LANE_PREFIXES: [u8; 4] = [0x03, 0x07, 0x08, 0x0a];

/// What is unusual about a key of module `evm`, or its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Shape {
    /// No key at all: no row can have it. The block that would move it fails.
    EmptyKey,
    /// A value whose length the key's lane does not have. The block that would move it fails.
    WrongValue,
    /// A first byte that has a lane, at a length that has none: a row of the misc lane.
    OddLength,
    /// A first byte that has no lane: a row of the misc lane.
    OtherPrefix,
}

impl Shape {
    /// All shapes, the bad ones first.
    pub const ALL: [Self; 4] = [Self::EmptyKey, Self::WrongValue, Self::OddLength, Self::OtherPrefix];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EmptyKey => "empty_key",
            Self::WrongValue => "wrong_value_length",
            Self::OddLength => "odd_length",
            Self::OtherPrefix => "other_prefix",
        }
    }

    /// Whether the block that moves such a key fails, on every node.
    pub const fn stops_the_chain(self) -> bool {
        match self {
            Self::EmptyKey | Self::WrongValue => true,
            Self::OddLength | Self::OtherPrefix => false,
        }
    }
}

/// What becomes of a pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fate {
    /// What is unusual about it.
    pub(super) shape: Option<Shape>,
    /// Bytes of physical key and row, or of what it adds to an account's row.
    pub(super) row_bytes: u64,
    /// Whether it leaves no row, or adds nothing to an account's: a zero slot, an empty code, a zero field.
    pub(super) is_zero: bool,
}

/// Judges a pair of `module`. `physical` is room to work in.
pub(super) fn judge(module: &str, key: &[u8], value: &[u8], physical: &mut Vec<u8>) -> Fate {
    let bad = |shape| Fate { shape: Some(shape), ..Fate::default() };
    let Ok(field) = locate(module, key, physical) else { return bad(Shape::EmptyKey) };
    let key_bytes = physical.len() as u64;
    let is_zero = value.iter().all(|byte| *byte == 0);
    let (is_sound, fields, is_zero) = match field {
        Field::Storage => (value.len() == HASH_BYTES, HASH_BYTES as u64, is_zero),
        // An account's row is counted with its nonce; a code hash adds itself.
        Field::Nonce => (value.len() as u64 == NONCE_BYTES, BALANCE_BYTES + NONCE_BYTES, is_zero),
        Field::CodeHash => (value.len() == HASH_BYTES, HASH_BYTES as u64, is_zero),
        Field::Code => (true, value.len() as u64, value.is_empty()),
        Field::Misc => (true, value.len() as u64, false),
    };
    if !is_sound {
        return bad(Shape::WrongValue);
    }
    let shape = (module == EVM && field == Field::Misc).then(|| match key.first() {
        Some(first) if LANE_PREFIXES.contains(first) => Shape::OddLength,
        _ => Shape::OtherPrefix,
    });
    Fate { shape, row_bytes: if is_zero { 0 } else { key_bytes + ROW_HEADER_BYTES + fields }, is_zero }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_are_judged_by_the_lane_they_go_to() {
        let check = |key: &[u8], value: &[u8], shape, row_bytes, is_zero| {
            let fate = judge(EVM, key, value, &mut Vec::new());
            assert_eq!(fate, Fate { shape, row_bytes, is_zero }, "{key:02x?}");
        };
        let (slot, address) = ([&[0x03][..], &[7; 52]].concat(), |first: u8| [&[first][..], &[7; 20]].concat());
        check(&slot, &[1; 32], None, 4 + 53 + 9 + 32, false);
        check(&slot, &[0; 32], None, 0, true);
        check(&slot, &[1; 31], Some(Shape::WrongValue), 0, false);
        check(&address(0x0a), &[0, 0, 0, 0, 0, 0, 0, 1], None, 4 + 21 + 9 + 40, false);
        check(&address(0x0a), &[1; 9], Some(Shape::WrongValue), 0, false);
        check(&address(0x08), &[1; 32], None, 4 + 21 + 9 + 32, false);
        check(&address(0x07), b"", None, 0, true);
        check(&slot[..52], b"", Some(Shape::OddLength), 4 + 52 + 9, false);
        check(b"params", b"x", Some(Shape::OtherPrefix), 4 + 6 + 9 + 1, false);
        check(b"", b"x", Some(Shape::EmptyKey), 0, false);
        let misc = judge("bank", b"", b"", &mut Vec::new());
        assert_eq!(misc, Fate { shape: None, row_bytes: 5 + 9, is_zero: false }, "elsewhere an empty key is a key");
    }
}
