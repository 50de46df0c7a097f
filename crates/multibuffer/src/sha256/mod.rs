//! SHA-256: its messages in blocks, and one of them hashed by itself.
//!
//! ```text
//! blocks   message | 0x80 | zeros | length of the message in bits, u64 big endian       whole blocks of 64 bytes
//! ```
//! Source: FIPS 180-4.

#[cfg(target_arch = "x86_64")]
mod lanes;

use sha2::Digest;
use sha2::block_api::compress256;

use crate::algorithm::{Algorithm, BLOCK_BYTES, Block, Hash, SIXTEEN, Wide, put, wide};

/// Messages up to so many blocks, padding included, are laid out on the stack and hashed in one go. The library's own buffer,
/// filled piece by piece, takes half again as long.
const BLOCKS_MAX: usize = 4;
/// What a hash begins with.
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// SHA-256.
#[derive(Clone, Copy, Debug)]
pub struct Sha256;

impl Algorithm for Sha256 {
    /// Where there are instructions for SHA-256, they do one message in less time than vectors of eight words do it among eight.
    type Together = Wide;

    fn together() -> Option<Wide> {
        wide()
    }

    fn hash<const N: usize>(parts: [&[u8]; N]) -> Hash {
        let length = parts.iter().map(|part| part.len()).sum();
        let mut message = [[0; BLOCK_BYTES]; BLOCKS_MAX];
        if let Some(message) = message.get_mut(..Self::blocks(length)) {
            Self::lay_out(parts, length, message);
            return Self::hash_laid_out(message, length);
        }
        let mut hasher = sha2::Sha256::new();
        parts.iter().for_each(|part| hasher.update(part));
        hasher.finalize().into()
    }

    fn blocks(length: usize) -> usize {
        (length + 1 + size_of::<u64>()).div_ceil(BLOCK_BYTES)
    }

    fn lay_out<const N: usize>(parts: [&[u8]; N], length: usize, message: &mut [Block]) {
        let rest = put(parts, message);
        let (padding, bits) = rest.split_at_mut(rest.len() - size_of::<u64>());
        padding.fill(0);
        padding[0] = 0x80;
        bits.copy_from_slice(&(8 * length as u64).to_be_bytes());
    }

    fn hash_laid_out(message: &[Block], _length: usize) -> Hash {
        let mut state = INITIAL;
        compress256(&mut state, message);
        bytes(state)
    }

    #[cfg(target_arch = "x86_64")]
    fn hash_sixteen(token: Wide, blocks: &[Block], count: usize, _lengths: [usize; SIXTEEN]) -> [Hash; SIXTEEN] {
        token.vectorize(lanes::Hashing { token, blocks, count })
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn hash_sixteen(token: Wide, _: &[Block], _: usize, _: [usize; SIXTEEN]) -> [Hash; SIXTEEN] {
        match token {}
    }
}

/// A state as a hash.
fn bytes(state: [u32; 8]) -> Hash {
    let mut hash = [0; 32];
    for (bytes, word) in hash.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    hash
}
