//! Eight messages at once with AVX2, each of a single chunk, as [`lanes`](super::lanes) has sixteen.

use pulp::x86::V3;
use pulp::{NullaryFnOnce, cast, u32x8};

use crate::algorithm::{Block, Hash};
use crate::avx2::{EIGHT, Eight, columns};
use crate::blake3::{BLOCK_BYTES, CHUNK_START, IV, compress};
use crate::lanes::Lanes;

/// Eight messages of `count` blocks each, one behind the other, and what is known of their last blocks.
pub(crate) struct Hashing<'a> {
    pub(crate) token: V3,
    pub(crate) blocks: &'a [Block],
    pub(crate) count: usize,
    /// Their bytes.
    pub(crate) last_bytes: [u32; EIGHT],
    /// Flags of the last blocks.
    pub(crate) last_flags: u32,
}

impl NullaryFnOnce for Hashing<'_> {
    type Output = [Hash; EIGHT];

    #[inline(always)]
    fn call(self) -> [Hash; EIGHT] {
        let lanes = Eight::new(self.token);
        let mut chaining = [lanes.splat(0); 8];
        for (lanes_of, word) in chaining.iter_mut().zip(IV) {
            *lanes_of = lanes.splat(word);
        }
        for at in 0..self.count {
            let words = columns(self.token, self.blocks.iter().skip(at).step_by(self.count));
            let (first, last) = (at == 0, at + 1 == self.count);
            let flags = if first { CHUNK_START } else { 0 } | if last { self.last_flags } else { 0 };
            let bytes: u32x8 = if last { cast(self.last_bytes) } else { lanes.splat(BLOCK_BYTES as u32) };
            let state = compress(lanes, chaining, |at| words[at], lanes.splat(0), bytes, lanes.splat(flags));
            chaining.copy_from_slice(&state[..8]);
        }
        let state: [[u32; EIGHT]; 8] = cast(chaining);
        std::array::from_fn(|lane| {
            let mut hash = [0; 32];
            for (bytes, word) in hash.as_chunks_mut::<4>().0.iter_mut().zip(&state) {
                *bytes = word[lane].to_le_bytes();
            }
            hash
        })
    }
}
