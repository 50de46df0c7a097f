//! BLAKE3's compression over vectors: the same for every width, given what a processor does to a vector of words.
//!
//! `compress` has the same function for plain arrays, whose loops a compiler may turn into vectors; here each instruction is
//! named, since compilers do not always find the one for a rotation.

use crate::compress::{BLOCK_WORDS, IV, Input, SCHEDULE};

/// Words of 32 bits side by side, one of each block, and what is done to them.
pub(crate) trait Lanes: Copy {
    /// The words.
    type Words: Copy;

    /// The same word in all lanes.
    fn splat(self, word: u32) -> Self::Words;
    /// 0, 1, 2, … in the lanes.
    fn places(self) -> Self::Words;
    fn add(self, a: Self::Words, b: Self::Words) -> Self::Words;
    fn xor(self, a: Self::Words, b: Self::Words) -> Self::Words;
    fn turn_right_16(self, words: Self::Words) -> Self::Words;
    fn turn_right_12(self, words: Self::Words) -> Self::Words;
    fn turn_right_8(self, words: Self::Words) -> Self::Words;
    fn turn_right_7(self, words: Self::Words) -> Self::Words;
}

/// The output blocks of the counters from `first` on, word by word.
#[inline(always)]
pub(crate) fn outputs<L: Lanes>(lanes: L, root: &Input, first: u32) -> [L::Words; BLOCK_WORDS] {
    let chaining = root.chaining.map(|word| lanes.splat(word));
    let mut state = [lanes.splat(0); 16];
    state[..8].copy_from_slice(&chaining);
    state[8..].copy_from_slice(&IV.map(|word| lanes.splat(word)));
    state[12] = lanes.add(lanes.splat(first), lanes.places());
    state[13] = lanes.splat(0);
    state[14] = lanes.splat(root.block_bytes);
    state[15] = lanes.splat(root.flags);
    // Written out: a loop over the rounds would look the words up in memory twice.
    round(lanes, &mut state, root, &SCHEDULE[0]);
    round(lanes, &mut state, root, &SCHEDULE[1]);
    round(lanes, &mut state, root, &SCHEDULE[2]);
    round(lanes, &mut state, root, &SCHEDULE[3]);
    round(lanes, &mut state, root, &SCHEDULE[4]);
    round(lanes, &mut state, root, &SCHEDULE[5]);
    round(lanes, &mut state, root, &SCHEDULE[6]);
    for word in 0..8 {
        state[word] = lanes.xor(state[word], state[word + 8]);
        state[word + 8] = lanes.xor(state[word + 8], chaining[word]);
    }
    state
}

#[inline(always)]
fn round<L: Lanes>(lanes: L, state: &mut [L::Words; 16], root: &Input, order: &[usize; BLOCK_WORDS]) {
    let word = |at: usize| lanes.splat(root.block[order[at]]);
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
