//! Hashes of IAVL nodes.
//!
//! ```text
//! node    SHA-256( varint height | varint size | varint version | rest )     varint: zig-zag LEB128
//! leaf    height 0, size 1, rest = lp(key) | lp(SHA-256(value))              lp(x) = uvarint(length of x) | x
//! branch  rest = lp(left hash) | lp(right hash)
//! ```
//! Source: spec FORMATS, IAVL tree and commit hashes.

use changeset::Hash;
use sha2::block_api::compress256;
use sha2::{Digest, Sha256};

/// The root hash of a tree without leaves: SHA-256 of nothing.
pub const EMPTY_ROOT: Hash = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41,
    0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// Length byte of a 32-byte hash.
const HASH_LENGTH: u8 = 32;
/// A block of SHA-256.
const BLOCK_BYTES: usize = 64;
/// Messages up to so many blocks, padding included, are laid out on the stack and hashed in one go: a branch's always is, a
/// leaf's up to keys of about 200 bytes. The library's own buffer, filled piece by piece, takes half again as long.
const BLOCKS_MAX: usize = 4;
/// What SHA-256 begins with.
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The hash of a leaf.
pub fn leaf_hash(version: u32, key: &[u8], value: &[u8]) -> Hash {
    leaf_hash_of_value_hash(version, key, &sha256([value]))
}

/// The hash of a leaf whose value has the hash `value_hash`.
pub fn leaf_hash_of_value_hash(version: u32, key: &[u8], value_hash: &Hash) -> Hash {
    let mut head = Varints::new();
    head.signed(0);
    head.signed(1);
    head.signed(u64::from(version));
    head.unsigned(key.len() as u64);
    sha256([head.bytes(), key, &[HASH_LENGTH], value_hash])
}

/// The hash of a branch of `size` leaves.
pub fn branch_hash(height: u8, size: u64, version: u32, left: &Hash, right: &Hash) -> Hash {
    let mut head = Varints::new();
    head.signed(u64::from(height));
    head.signed(size);
    head.signed(u64::from(version));
    sha256([head.bytes(), &[HASH_LENGTH], left, &[HASH_LENGTH], right])
}

/// SHA-256 of `parts`, one behind the other.
fn sha256<const N: usize>(parts: [&[u8]; N]) -> Hash {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    // A byte behind the message, and its length in bits at the block's end.
    let blocks = (length + 1 + size_of::<u64>()).div_ceil(BLOCK_BYTES);
    let mut message = [[0; BLOCK_BYTES]; BLOCKS_MAX];
    let Some(message) = message.get_mut(..blocks) else {
        let mut hasher = Sha256::new();
        parts.iter().for_each(|part| hasher.update(part));
        return hasher.finalize().into();
    };
    let mut rest = message.as_flattened_mut();
    for part in parts {
        let (place, behind) = rest.split_at_mut(part.len());
        place.copy_from_slice(part);
        rest = behind;
    }
    rest[0] = 0x80;
    let end = rest.len() - size_of::<u64>();
    rest[end..].copy_from_slice(&(8 * length as u64).to_be_bytes());
    let mut state = INITIAL;
    compress256(&mut state, message);
    let mut hash = [0; 32];
    for (bytes, word) in hash.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    hash
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
    use super::*;

    #[test]
    fn the_empty_root_is_the_hash_of_nothing() {
        assert_eq!(EMPTY_ROOT, <[u8; 32]>::from(Sha256::digest([])));
    }

    #[test]
    fn messages_of_any_length_hash_as_the_library_hashes_them() {
        let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(600).collect();
        for length in 0..bytes.len() {
            let (message, expected) = (&bytes[..length], <[u8; 32]>::from(Sha256::digest(&bytes[..length])));
            let (front, back) = message.split_at(length / 3);
            assert_eq!([sha256([message]), sha256([front, back])], [expected; 2], "length={length}");
        }
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
