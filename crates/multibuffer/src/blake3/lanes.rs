//! Sixteen messages at once with AVX-512, each of a single chunk: a vector has the same word of each.

use pulp::x86::V4;
use pulp::{NullaryFnOnce, cast, u32x16};

use crate::algorithm::{Block, Hash, SIXTEEN};
use crate::avx512::{Sixteen, columns};
use crate::blake3::{BLOCK_BYTES, CHUNK_START, IV, compress};
use crate::lanes::Lanes;

/// Sixteen messages of `count` blocks each, one behind the other, and what is known of their last blocks.
pub(crate) struct Hashing<'a> {
    pub(crate) token: V4,
    pub(crate) blocks: &'a [Block],
    pub(crate) count: usize,
    /// Their bytes.
    pub(crate) last_bytes: [u32; SIXTEEN],
    /// Flags of the last blocks.
    pub(crate) last_flags: u32,
}

impl NullaryFnOnce for Hashing<'_> {
    type Output = [Hash; SIXTEEN];

    #[inline(always)]
    fn call(self) -> [Hash; SIXTEEN] {
        let lanes = Sixteen::new(self.token);
        let mut chaining = [lanes.splat(0); 8];
        for (lanes_of, word) in chaining.iter_mut().zip(IV) {
            *lanes_of = lanes.splat(word);
        }
        for at in 0..self.count {
            let words = columns(self.token, self.blocks.iter().skip(at).step_by(self.count));
            let (first, last) = (at == 0, at + 1 == self.count);
            let flags = if first { CHUNK_START } else { 0 } | if last { self.last_flags } else { 0 };
            let bytes: u32x16 = if last { cast(self.last_bytes) } else { lanes.splat(BLOCK_BYTES as u32) };
            let state = compress(lanes, chaining, |at| words[at], lanes.splat(0), bytes, lanes.splat(flags));
            chaining.copy_from_slice(&state[..8]);
        }
        let state: [[u32; SIXTEEN]; 8] = cast(chaining);
        std::array::from_fn(|lane| {
            let mut hash = [0; 32];
            for (bytes, word) in hash.as_chunks_mut::<4>().0.iter_mut().zip(&state) {
                *bytes = word[lane].to_le_bytes();
            }
            hash
        })
    }
}
