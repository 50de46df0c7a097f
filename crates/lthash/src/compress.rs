//! BLAKE3's compression function, several blocks side by side.
//!
//! ```text
//! state    16 words: chaining value 8 | IV 4 | counter low, high | block length | flags
//! round    8 mixes, columns then diagonals, with the block's words in the order of the round
//! output   words 0-7: state i ^ state i + 8       words 8-15: state i ^ chaining value i - 8
//! ```
//! `N` lanes hold the same state but for the counter. The loops over lanes are plain, so that they become vector code for
//! whatever the processor has. Source: the BLAKE3 paper, section 2.

use std::array::from_fn;

use multibuffer::BLOCK_BYTES;
use multibuffer::blake3::{BLOCK_WORDS, IV, SCHEDULE};

/// What a compression takes, but for the counter.
#[derive(Clone, Copy)]
pub(crate) struct Input {
    pub(crate) chaining: [u32; 8],
    pub(crate) block: [u32; BLOCK_WORDS],
    pub(crate) block_bytes: u32,
    pub(crate) flags: u32,
}

/// The words of a block's bytes, little endian.
pub(crate) fn words(block: &[u8; BLOCK_BYTES]) -> [u32; BLOCK_WORDS] {
    from_fn(|word| u32::from_le_bytes(block.as_chunks().0[word]))
}

/// The output blocks of `N` counters from `counter` on, word by word. The high word of a counter is always 0 here.
#[inline(always)]
pub(crate) fn outputs<const N: usize>(input: &Input, counter: u32) -> [[[u32; N]; 8]; 2] {
    let mut state = [[0; N]; 16];
    state[..8].copy_from_slice(&input.chaining.map(|word| [word; N]));
    state[8..].copy_from_slice(&IV.map(|word| [word; N]));
    for (lane, counter) in state[12].iter_mut().zip(counter..) {
        *lane = counter;
    }
    state[13] = [0; N];
    state[14] = [input.block_bytes; N];
    state[15] = [input.flags; N];
    for order in &SCHEDULE {
        round(&mut state, &input.block, order);
    }
    let mut outputs = [[[0; N]; 8]; 2];
    for word in 0..8 {
        for lane in 0..N {
            outputs[0][word][lane] = state[word][lane] ^ state[word + 8][lane];
            outputs[1][word][lane] = state[word + 8][lane] ^ input.chaining[word];
        }
    }
    outputs
}

#[inline(always)]
fn round<const N: usize>(state: &mut [[u32; N]; 16], block: &[u32; BLOCK_WORDS], order: &[usize; BLOCK_WORDS]) {
    let word = |at: usize| block[order[at]];
    mix(state, [0, 4, 8, 12], word(0), word(1));
    mix(state, [1, 5, 9, 13], word(2), word(3));
    mix(state, [2, 6, 10, 14], word(4), word(5));
    mix(state, [3, 7, 11, 15], word(6), word(7));
    mix(state, [0, 5, 10, 15], word(8), word(9));
    mix(state, [1, 6, 11, 12], word(10), word(11));
    mix(state, [2, 7, 8, 13], word(12), word(13));
    mix(state, [3, 4, 9, 14], word(14), word(15));
}

#[inline(always)]
fn mix<const N: usize>(state: &mut [[u32; N]; 16], [a, b, c, d]: [usize; 4], x: u32, y: u32) {
    for (word, d_turn, b_turn) in [(x, 16, 12), (y, 8, 7)] {
        state[a] = from_fn(|lane| state[a][lane].wrapping_add(state[b][lane]).wrapping_add(word));
        state[d] = from_fn(|lane| (state[d][lane] ^ state[a][lane]).rotate_right(d_turn));
        state[c] = from_fn(|lane| state[c][lane].wrapping_add(state[d][lane]));
        state[b] = from_fn(|lane| (state[b][lane] ^ state[c][lane]).rotate_right(b_turn));
    }
}
