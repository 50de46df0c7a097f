//! The kernel for AVX-512: 16 blocks at once, a rotation in one instruction.

use pulp::x86::V4;
use pulp::{NullaryFnOnce, cast, u32x16};

use crate::compress::{BLOCK_WORDS, IV, Input, SCHEDULE};
use crate::kernel::{LANES, Row, Sign};
use crate::state::LIMBS;

/// One element, 16 blocks at once.
pub(crate) struct Avx512<'a> {
    pub(crate) token: V4,
    pub(crate) limbs: &'a mut [u16; LIMBS],
    pub(crate) root: &'a Input,
    pub(crate) sign: Sign,
}

impl NullaryFnOnce for Avx512<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let (lanes, root) = (Lanes { token: self.token }, self.root);
        let groups = self.limbs.as_chunks_mut().0.as_chunks_mut::<BLOCK_WORDS>().0;
        for (rows, first) in groups.iter_mut().zip((0_u32..).step_by(LANES)) {
            let state = lanes.compress(root, first);
            for word in 0..8 {
                let chaining = lanes.splat(root.chaining[word]);
                let outputs = [lanes.xor(state[word], state[word + 8]), lanes.xor(state[word + 8], chaining)];
                for (row, output) in [word, word + 8].into_iter().zip(outputs) {
                    rows[row] = lanes.combine(rows[row], output, self.sign);
                }
            }
        }
    }
}

/// Sixteen lanes of 32 bits.
#[derive(Clone, Copy)]
struct Lanes {
    token: V4,
}

impl Lanes {
    /// The state behind the last round, for the counters from `first` on.
    #[inline(always)]
    fn compress(self, root: &Input, first: u32) -> [u32x16; 16] {
        let mut state = [self.splat(0); 16];
        state[..8].copy_from_slice(&root.chaining.map(|word| self.splat(word)));
        state[8..].copy_from_slice(&IV.map(|word| self.splat(word)));
        state[12] = self.add(self.splat(first), cast(std::array::from_fn::<_, 16, _>(|lane| lane as u32)));
        state[13] = self.splat(0);
        state[14] = self.splat(root.block_bytes);
        state[15] = self.splat(root.flags);
        // Written out: a loop over the rounds would look the words up in memory twice.
        self.round(&mut state, root, &SCHEDULE[0]);
        self.round(&mut state, root, &SCHEDULE[1]);
        self.round(&mut state, root, &SCHEDULE[2]);
        self.round(&mut state, root, &SCHEDULE[3]);
        self.round(&mut state, root, &SCHEDULE[4]);
        self.round(&mut state, root, &SCHEDULE[5]);
        self.round(&mut state, root, &SCHEDULE[6]);
        state
    }

    #[inline(always)]
    fn round(self, state: &mut [u32x16; 16], root: &Input, order: &[usize; BLOCK_WORDS]) {
        let word = |at: usize| self.splat(root.block[order[at]]);
        self.mix(state, [0, 4, 8, 12], word(0), word(1));
        self.mix(state, [1, 5, 9, 13], word(2), word(3));
        self.mix(state, [2, 6, 10, 14], word(4), word(5));
        self.mix(state, [3, 7, 11, 15], word(6), word(7));
        self.mix(state, [0, 5, 10, 15], word(8), word(9));
        self.mix(state, [1, 6, 11, 12], word(10), word(11));
        self.mix(state, [2, 7, 8, 13], word(12), word(13));
        self.mix(state, [3, 4, 9, 14], word(14), word(15));
    }

    #[inline(always)]
    fn mix(self, state: &mut [u32x16; 16], [a, b, c, d]: [usize; 4], x: u32x16, y: u32x16) {
        state[a] = self.add(self.add(state[a], state[b]), x);
        state[d] = self.turn::<16>(self.xor(state[d], state[a]));
        state[c] = self.add(state[c], state[d]);
        state[b] = self.turn::<12>(self.xor(state[b], state[c]));
        state[a] = self.add(self.add(state[a], state[b]), y);
        state[d] = self.turn::<8>(self.xor(state[d], state[a]));
        state[c] = self.add(state[c], state[d]);
        state[b] = self.turn::<7>(self.xor(state[b], state[c]));
    }

    #[inline(always)]
    fn combine(self, limbs: Row, output: u32x16, sign: Sign) -> Row {
        let (limbs, output) = (cast(limbs), cast(output));
        cast(match sign {
            Sign::Plus => self.token.avx512bw._mm512_add_epi16(limbs, output),
            Sign::Minus => self.token.avx512bw._mm512_sub_epi16(limbs, output),
        })
    }

    #[inline(always)]
    fn splat(self, word: u32) -> u32x16 {
        self.token.splat_u32x16(word)
    }

    #[inline(always)]
    fn add(self, a: u32x16, b: u32x16) -> u32x16 {
        cast(self.token.avx512f._mm512_add_epi32(cast(a), cast(b)))
    }

    #[inline(always)]
    fn xor(self, a: u32x16, b: u32x16) -> u32x16 {
        cast(self.token.avx512f._mm512_xor_si512(cast(a), cast(b)))
    }

    /// Turns each word right by `BITS`.
    #[inline(always)]
    fn turn<const BITS: i32>(self, words: u32x16) -> u32x16 {
        cast(self.token.avx512f._mm512_ror_epi32::<BITS>(cast(words)))
    }
}
