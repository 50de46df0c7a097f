//! BLAKE3's compression function over vectors: the same for every width.
//!
//! ```text
//! state    16 words: chaining value 8 | IV 4 | counter low, high | block length | flags
//! round    8 mixes, columns then diagonals, with the block's words in the order of the round
//! output   words 0-7: state i ^ state i + 8       words 8-15: state i ^ chaining value i - 8
//! ```
//! Source: the BLAKE3 paper, section 2.

#[cfg(target_arch = "x86_64")]
mod half;
#[cfg(target_arch = "x86_64")]
mod lanes;

use crate::algorithm::{Algorithm, BLOCK_BYTES, Block, Hash, SIXTEEN, WideOrHalf, put, wide_or_half};
use crate::lanes::{Lanes, One};

/// The initial chaining value.
pub const IV: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
/// Words of a block.
pub const BLOCK_WORDS: usize = 16;

/// Flag of a chunk's first block.
pub const CHUNK_START: u32 = 1;
/// Flag of a chunk's last block.
pub const CHUNK_END: u32 = 1 << 1;
/// Flag of a node over two others.
pub const PARENT: u32 = 1 << 2;
/// Flag of the node that the hash is drawn from.
pub const ROOT: u32 = 1 << 3;

/// Messages up to here are hashed from the stack: nearly all are, and BLAKE3's incremental state costs more than they do.
const BLOCKS_MAX: usize = 8;
/// Blocks of a chunk.
const CHUNK_BLOCKS: usize = 16;

/// Which word of the block each mix of each round takes.
pub const SCHEDULE: [[usize; BLOCK_WORDS]; 7] = schedule();

const fn schedule() -> [[usize; BLOCK_WORDS]; 7] {
    const PERMUTATION: [usize; BLOCK_WORDS] = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
    let mut rounds = [[0; BLOCK_WORDS]; 7];
    let mut word = 0;
    while word < BLOCK_WORDS {
        rounds[0][word] = word;
        word += 1;
    }
    let mut round = 1;
    while round < 7 {
        let mut word = 0;
        while word < BLOCK_WORDS {
            rounds[round][word] = rounds[round - 1][PERMUTATION[word]];
            word += 1;
        }
        round += 1;
    }
    rounds
}

/// BLAKE3's 32 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Blake3;

impl Algorithm for Blake3 {
    type Together = WideOrHalf;

    fn together() -> Option<WideOrHalf> {
        wide_or_half()
    }

    fn hash<const N: usize>(parts: [&[u8]; N]) -> Hash {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let mut stack = [[0; BLOCK_BYTES]; BLOCKS_MAX];
        if let Some(message) = stack.get_mut(..Self::blocks(length)) {
            put(parts, message);
            return Self::hash_laid_out(message, length);
        }
        let mut hasher = ::blake3::Hasher::new();
        for part in parts {
            hasher.update(part);
        }
        hasher.finalize().into()
    }

    fn blocks(length: usize) -> usize {
        length.div_ceil(BLOCK_BYTES).max(1)
    }

    fn lay_out<const N: usize>(parts: [&[u8]; N], _length: usize, message: &mut [Block]) {
        put(parts, message).fill(0);
    }

    fn hash_laid_out(message: &[Block], length: usize) -> Hash {
        ::blake3::hash(&message.as_flattened()[..length]).into()
    }

    fn hash_sixteen(token: WideOrHalf, blocks: &[Block], count: usize, lengths: [usize; SIXTEEN]) -> [Hash; SIXTEEN] {
        #[expect(clippy::cast_possible_truncation, reason = "a block has 64 bytes at the most")]
        let last_bytes = lengths.map(|length| (length - (count - 1) * BLOCK_BYTES) as u32);
        hash_sixteen(token, blocks, count, last_bytes, CHUNK_END | ROOT)
    }
}

/// What a chunk's last block goes on from: the chaining value behind whole blocks from the chunk's start on, its words as
/// little-endian bytes. A message that fills no block, or more than a chunk, stands for nothing in BLAKE3.
#[derive(Clone, Copy, Debug)]
pub struct ChunkFront;

impl Algorithm for ChunkFront {
    type Together = WideOrHalf;

    fn together() -> Option<WideOrHalf> {
        wide_or_half()
    }

    fn hash<const N: usize>(parts: [&[u8]; N]) -> Hash {
        let length = parts.iter().map(|part| part.len()).sum();
        let (mut stack, mut heap) = ([[0; BLOCK_BYTES]; CHUNK_BLOCKS], Vec::new());
        let count = Self::blocks(length);
        let message = match stack.get_mut(..count) {
            Some(message) => message,
            None => {
                heap.resize(count, [0; BLOCK_BYTES]);
                &mut heap
            }
        };
        put(parts, message);
        Self::hash_laid_out(message, length)
    }

    fn blocks(length: usize) -> usize {
        Blake3::blocks(length)
    }

    fn lay_out<const N: usize>(parts: [&[u8]; N], length: usize, message: &mut [Block]) {
        Blake3::lay_out(parts, length, message);
    }

    fn hash_laid_out(message: &[Block], _length: usize) -> Hash {
        let (mut chaining, mut flags) = (IV, CHUNK_START);
        for block in message {
            let words = block.as_chunks().0;
            let state = compress(One, chaining, |at| u32::from_le_bytes(words[at]), 0, BLOCK_BYTES as u32, flags);
            chaining.copy_from_slice(&state[..8]);
            flags = 0;
        }
        let mut bytes = [0; 32];
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(chaining) {
            *bytes = word.to_le_bytes();
        }
        bytes
    }

    fn hash_sixteen(token: WideOrHalf, blocks: &[Block], count: usize, _lengths: [usize; SIXTEEN]) -> [Hash; SIXTEEN] {
        hash_sixteen(token, blocks, count, [BLOCK_BYTES as u32; SIXTEEN], 0)
    }
}

/// Hashes sixteen messages of `count` blocks each, of whose last blocks there are the bytes and the flags.
#[cfg(target_arch = "x86_64")]
fn hash_sixteen(
    token: WideOrHalf,
    blocks: &[Block],
    count: usize,
    last_bytes: [u32; SIXTEEN],
    last_flags: u32,
) -> [Hash; SIXTEEN] {
    match token {
        WideOrHalf::Wide(token) => token.vectorize(lanes::Hashing { token, blocks, count, last_bytes, last_flags }),
        WideOrHalf::Half(token) => {
            let mut hashes = [[0; 32]; SIXTEEN];
            let halves = last_bytes.as_chunks().0.iter().zip(blocks.chunks(count * SIXTEEN / 2));
            for ((last_bytes, blocks), hashes) in halves.zip(hashes.as_chunks_mut().0) {
                let last_bytes = *last_bytes;
                *hashes = token.vectorize(half::Hashing { token, blocks, count, last_bytes, last_flags });
            }
            hashes
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn hash_sixteen(token: WideOrHalf, _: &[Block], _: usize, _: [u32; SIXTEEN], _: u32) -> [Hash; SIXTEEN] {
    match token {}
}

/// Compresses a block in each lane, whose words `word` gives. The high word of a counter is always 0 here.
#[inline(always)]
pub fn compress<L: Lanes>(
    lanes: L,
    chaining: [L::Words; 8],
    word: impl Fn(usize) -> L::Words,
    counter: L::Words,
    block_bytes: L::Words,
    flags: L::Words,
) -> [L::Words; BLOCK_WORDS] {
    let mut state = [lanes.splat(0); 16];
    state[..8].copy_from_slice(&chaining);
    state[8..].copy_from_slice(&IV.map(|word| lanes.splat(word)));
    state[12] = counter;
    state[13] = lanes.splat(0);
    state[14] = block_bytes;
    state[15] = flags;
    // Written out: a loop over the rounds would look the words up in memory twice.
    round(lanes, &mut state, &word, &SCHEDULE[0]);
    round(lanes, &mut state, &word, &SCHEDULE[1]);
    round(lanes, &mut state, &word, &SCHEDULE[2]);
    round(lanes, &mut state, &word, &SCHEDULE[3]);
    round(lanes, &mut state, &word, &SCHEDULE[4]);
    round(lanes, &mut state, &word, &SCHEDULE[5]);
    round(lanes, &mut state, &word, &SCHEDULE[6]);
    for word in 0..8 {
        state[word] = lanes.xor(state[word], state[word + 8]);
        state[word + 8] = lanes.xor(state[word + 8], chaining[word]);
    }
    state
}

#[inline(always)]
fn round<L: Lanes>(
    lanes: L,
    state: &mut [L::Words; 16],
    given: &impl Fn(usize) -> L::Words,
    order: &[usize; BLOCK_WORDS],
) {
    let word = |at: usize| given(order[at]);
    mix(lanes, state, [0, 4, 8, 12], word(0), word(1));
    mix(lanes, state, [1, 5, 9, 13], word(2), word(3));
    mix(lanes, state, [2, 6, 10, 14], word(4), word(5));
    mix(lanes, state, [3, 7, 11, 15], word(6), word(7));
    mix(lanes, state, [0, 5, 10, 15], word(8), word(9));
    mix(lanes, state, [1, 6, 11, 12], word(10), word(11));
    mix(lanes, state, [2, 7, 8, 13], word(12), word(13));
    mix(lanes, state, [3, 4, 9, 14], word(14), word(15));
}

#[inline(always)]
fn mix<L: Lanes>(lanes: L, state: &mut [L::Words; 16], [a, b, c, d]: [usize; 4], x: L::Words, y: L::Words) {
    state[a] = lanes.add(lanes.add(state[a], state[b]), x);
    state[d] = lanes.turn_right_16(lanes.xor(state[d], state[a]));
    state[c] = lanes.add(state[c], state[d]);
    state[b] = lanes.turn_right_12(lanes.xor(state[b], state[c]));
    state[a] = lanes.add(lanes.add(state[a], state[b]), y);
    state[d] = lanes.turn_right_8(lanes.xor(state[d], state[a]));
    state[c] = lanes.add(state[c], state[d]);
    state[b] = lanes.turn_right_7(lanes.xor(state[b], state[c]));
}
