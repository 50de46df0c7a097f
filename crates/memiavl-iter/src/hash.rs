//! Hashes of IAVL nodes.
//!
//! ```text
//! node    SHA-256( varint height | varint size | varint version | rest )     varint: zig-zag LEB128
//! leaf    height 0, size 1, rest = lp(key) | lp(SHA-256(value))              lp(x) = uvarint(length of x) | x
//! branch  rest = lp(left hash) | lp(right hash)
//! ```
//! Source: spec FORMATS, IAVL tree and commit hashes.

use changeset::Hash;
use multibuffer::{Algorithm, Queue, Sha256};

/// The root hash of a tree without leaves: SHA-256 of nothing.
pub const EMPTY_ROOT: Hash = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41,
    0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// Length byte of a 32-byte hash.
const HASH_LENGTH: u8 = 32;

/// The hash of a leaf.
pub fn leaf_hash(version: u32, key: &[u8], value: &[u8]) -> Hash {
    leaf_hash_of_value_hash(version, key, &Sha256::hash([value]))
}

/// The hash of a leaf whose value has the hash `value_hash`.
pub fn leaf_hash_of_value_hash(version: u32, key: &[u8], value_hash: &Hash) -> Hash {
    Sha256::hash([leaf_head(version, key).bytes(), key, &[HASH_LENGTH], value_hash])
}

/// The hash of a branch of `size` leaves.
pub fn branch_hash(height: u8, size: u64, version: u32, left: &Hash, right: &Hash) -> Hash {
    let mut head = Varints::new();
    head.signed(u64::from(height));
    head.signed(size);
    head.signed(u64::from(version));
    Sha256::hash([head.bytes(), &[HASH_LENGTH], left, &[HASH_LENGTH], right])
}

/// Hashes of many leaves. Each has a tag to know its hash by.
pub struct LeafHashes<'k, T> {
    /// By version and key.
    values: Queue<Sha256, (u32, &'k [u8], T)>,
    leaves: Queue<Sha256, T>,
}

impl<T> Default for LeafHashes<'_, T> {
    fn default() -> Self {
        Self { values: Queue::default(), leaves: Queue::default() }
    }
}

impl<'k, T> LeafHashes<'k, T> {
    /// Asks for a leaf's hash. `done` is told the hashes that are known now.
    pub fn push(&mut self, version: u32, key: &'k [u8], value: &[u8], tag: T, mut done: impl FnMut(T, Hash)) {
        let Self { values, leaves } = self;
        values.push([value], (version, key, tag), |leaf, value_hash| push(leaves, leaf, &value_hash, &mut done));
    }

    /// Tells `done` all other hashes that were asked for.
    pub fn finish(self, mut done: impl FnMut(T, Hash)) {
        let Self { mut values, mut leaves } = self;
        values.finish(|leaf, value_hash| push(&mut leaves, leaf, &value_hash, &mut done));
        leaves.finish(done);
    }
}

/// Asks for the hash of a leaf whose value's is known.
fn push<T>(
    leaves: &mut Queue<Sha256, T>,
    (version, key, tag): (u32, &[u8], T),
    value_hash: &Hash,
    done: impl FnMut(T, Hash),
) {
    leaves.push([leaf_head(version, key).bytes(), key, &[HASH_LENGTH], value_hash], tag, done);
}

/// What stands before a leaf's key.
fn leaf_head(version: u32, key: &[u8]) -> Varints {
    let mut head = Varints::new();
    head.signed(0);
    head.signed(1);
    head.signed(u64::from(version));
    head.unsigned(key.len() as u64);
    head
}

/// Up to four varints of at most ten bytes.
struct Varints {
    bytes: [u8; 40],
    length: usize,
}

impl Varints {
    fn new() -> Self {
        Self { bytes: [0; 40], length: 0 }
    }

    /// A number that is signed in the format and never negative here: its zig-zag form is its double.
    fn signed(&mut self, number: u64) {
        self.unsigned(number << 1);
    }

    fn unsigned(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.push(number as u8);
    }

    fn push(&mut self, byte: u8) {
        self.bytes[self.length] = byte;
        self.length += 1;
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use sha2::Digest;

    use super::*;

    #[test]
    fn the_empty_root_is_the_hash_of_nothing() {
        assert_eq!(EMPTY_ROOT, <[u8; 32]>::from(sha2::Sha256::digest([])));
    }

    #[test]
    fn varints_of_the_largest_numbers_fit() {
        let mut head = Varints::new();
        for _ in 0..4 {
            head.unsigned(u64::MAX);
        }
        assert_eq!(head.bytes().len(), 40);
    }
}
