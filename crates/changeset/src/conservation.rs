//! Whether what left one store is what entered the other: a sum over logical entries, which both sides compute by themselves.
//!
//! ```text
//! entry   u32 little endian length | module | u32 length | memiavl's key | u32 length | logical value
//! sum     of the entries' BLAKE3-256, each read as a little-endian number, modulo 2^256; stored as 32 bytes
//! ```
//! An entry is a leaf of the old store. Its logical value is the leaf's value, or what the new store's serialized row gives
//! back for the leaf's key: one field, where several leaves share a row. A zero slot, an empty code, a zero nonce and a zero
//! code hash may stand in no row; their entry is the same as if they did, with the zero of the field's length.
//!
//! The sum finds what a fault of a program or of a memory cell does. It is no commitment: who can choose entries can make two
//! sets with one sum.

use std::fmt;

use multibuffer::{Algorithm, Blake3, Queue};

/// Bytes of a sum.
pub const ENTRY_SUM_BYTES: usize = 32;

const LIMBS: usize = 4;

/// The sum of some entries' hashes. The order in which they come does not matter.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct EntrySum {
    /// The least significant first.
    limbs: [u64; LIMBS],
}

impl EntrySum {
    /// Adds the entry of `key` in `module`.
    pub fn add(&mut self, module: &str, key: &[u8], value: &[u8]) {
        self.merge(&Self::of(module, key, value));
    }

    /// Takes the entry of `key` in `module` away.
    pub fn subtract(&mut self, module: &str, key: &[u8], value: &[u8]) {
        self.unmerge(&Self::of(module, key, value));
    }

    /// Takes all entries of `other` away.
    pub fn unmerge(&mut self, other: &Self) {
        let mut borrow = false;
        for (limb, other) in self.limbs.iter_mut().zip(other.limbs) {
            let (difference, first) = limb.overflowing_sub(other);
            let (difference, second) = difference.overflowing_sub(u64::from(borrow));
            (*limb, borrow) = (difference, first || second);
        }
    }

    /// Adds all entries of `other`.
    pub fn merge(&mut self, other: &Self) {
        let mut carry = false;
        for (limb, other) in self.limbs.iter_mut().zip(other.limbs) {
            let (sum, first) = limb.overflowing_add(other);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            (*limb, carry) = (sum, first || second);
        }
    }

    /// The sum's bytes.
    pub fn to_bytes(&self) -> [u8; ENTRY_SUM_BYTES] {
        let mut bytes = [0; ENTRY_SUM_BYTES];
        for (chunk, limb) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.limbs) {
            *chunk = limb.to_le_bytes();
        }
        bytes
    }

    /// The sum with these bytes.
    pub fn from_bytes(bytes: &[u8; ENTRY_SUM_BYTES]) -> Self {
        let mut limbs = [0; LIMBS];
        for (limb, chunk) in limbs.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *limb = u64::from_le_bytes(*chunk);
        }
        Self { limbs }
    }

    /// The sum of one entry.
    fn of(module: &str, key: &[u8], value: &[u8]) -> Self {
        let lengths = [length(module.as_bytes()), length(key), length(value)];
        Self::from_bytes(&Blake3::hash(entry(&lengths, module, key, value)))
    }
}

/// A sum of many entries, as [`EntrySum::add`] makes it one by one, in less time.
#[derive(Default)]
pub struct EntrySums {
    sum: EntrySum,
    waiting: Queue<Blake3, ()>,
}

impl EntrySums {
    /// Adds the entry of `key` in `module`.
    pub fn add(&mut self, module: &str, key: &[u8], value: &[u8]) {
        let Self { sum, waiting } = self;
        let lengths = [length(module.as_bytes()), length(key), length(value)];
        waiting.push(entry(&lengths, module, key, value), (), |(), hash| sum.merge(&EntrySum::from_bytes(&hash)));
    }

    /// The sum of all that was added.
    pub fn finish(self) -> EntrySum {
        let Self { mut sum, mut waiting } = self;
        waiting.finish(|(), hash| sum.merge(&EntrySum::from_bytes(&hash)));
        sum
    }
}

/// The bytes of an entry, in pieces.
fn entry<'a>(lengths: &'a [[u8; 4]; 3], module: &'a str, key: &'a [u8], value: &'a [u8]) -> [&'a [u8]; 6] {
    [&lengths[0], module.as_bytes(), &lengths[1], key, &lengths[2], value]
}

/// The length prefix. No store holds a key or a value of 4 GiB.
fn length(part: &[u8]) -> [u8; 4] {
    u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes()
}

impl fmt::Display for EntrySum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for EntrySum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntrySum({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(entries: &[(&str, &[u8], &[u8])]) -> EntrySum {
        let mut sum = EntrySum::default();
        for (module, key, value) in entries {
            sum.add(module, key, value);
        }
        sum
    }

    #[test]
    fn order_does_not_matter_and_bounds_between_the_parts_do() {
        let (a, b): ((&str, &[u8], &[u8]), _) = (("bank", b"k", b"v"), ("evm", [3; 53].as_slice(), [9; 32].as_slice()));
        assert_eq!(sum(&[a, b]), sum(&[b, a]));
        let moved_bound: (&str, &[u8], &[u8]) = ("bank", b"kv", b"");
        assert_ne!(sum(&[a]), sum(&[moved_bound]));
        assert_ne!(sum(&[a]), EntrySum::default());
    }

    #[test]
    fn what_was_added_can_be_taken_away_across_every_carry() {
        let mut sum = EntrySum::from_bytes(&[0xff; ENTRY_SUM_BYTES]);
        for key in 0..=u8::MAX {
            sum.add("m", &[key], b"v");
        }
        for key in (0..=u8::MAX).rev() {
            sum.subtract("m", &[key], b"v");
        }
        assert_eq!(sum.to_bytes(), [0xff; ENTRY_SUM_BYTES]);
    }

    #[test]
    fn addition_is_modulo_two_to_the_256() {
        let mut sum = EntrySum::from_bytes(&[0xff; ENTRY_SUM_BYTES]);
        let mut one = [0; ENTRY_SUM_BYTES];
        one[0] = 1;
        sum.merge(&EntrySum::from_bytes(&one));
        assert_eq!(sum, EntrySum::default());
    }

    #[test]
    fn an_entry_is_hashed_with_a_length_before_each_part() {
        for value_bytes in [0, 400, 5000] {
            let value = vec![7; value_bytes];
            let entry = [&4_u32.to_le_bytes(), b"bank".as_slice(), &1_u32.to_le_bytes(), b"k", &length(&value), &value];
            let expected = blake3::hash(&entry.concat());
            assert_eq!(sum(&[("bank", b"k", &value)]).to_bytes(), *expected.as_bytes(), "value_bytes={value_bytes}");
        }
    }

    #[test]
    fn many_entries_have_the_sum_that_one_after_the_other_has() {
        let value = [7; 700];
        for count in [0, 1, 15, 16, 17, 300_usize] {
            let (mut many, mut one_by_one) = (EntrySums::default(), EntrySum::default());
            for at in 0..count {
                let key = [at as u8; 53];
                let value = &value[..at * 37 % 700];
                many.add("evm", &key, value);
                one_by_one.add("evm", &key, value);
            }
            assert_eq!(many.finish(), one_by_one, "{count}");
        }
    }
}
