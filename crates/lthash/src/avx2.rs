//! The kernel for AVX2, instruction by instruction: compilers turn a rotation by 16 or 8 bits into two shifts where one
//! shuffle of bytes does, and split a state that must stay in registers.

use pulp::x86::V3;
use pulp::{NullaryFnOnce, cast, u8x32, u16x16, u32x8};

use crate::compress::{BLOCK_WORDS, IV, Input, SCHEDULE};
use crate::kernel::{LANES, Row, Sign};
use crate::state::LIMBS;

/// One element, 8 blocks at once.
pub(crate) struct Avx2<'a> {
    pub(crate) token: V3,
    pub(crate) limbs: &'a mut [u16; LIMBS],
    pub(crate) root: &'a Input,
    pub(crate) sign: Sign,
}

impl NullaryFnOnce for Avx2<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let (lanes, root) = (Lanes::new(self.token), self.root);
        let chaining = root.chaining.map(|word| lanes.splat(word));
        let groups = self.limbs.as_chunks_mut().0.as_chunks_mut::<BLOCK_WORDS>().0;
        for (rows, group) in groups.iter_mut().zip((0_u32..).step_by(LANES)) {
            for (half, first) in [group, group + 8].into_iter().enumerate() {
                let state = lanes.compress(root, first);
                for word in 0..8 {
                    let outputs = [lanes.xor(state[word], state[word + 8]), lanes.xor(state[word + 8], chaining[word])];
                    for (row, output) in [word, word + 8].into_iter().zip(outputs) {
                        let row: &mut Row = &mut rows[row];
                        let limbs = &mut row.as_chunks_mut::<16>().0[half];
                        *limbs = lanes.combine(*limbs, output, self.sign);
                    }
                }
            }
        }
    }
}

/// Eight lanes of 32 bits.
#[derive(Clone, Copy)]
struct Lanes {
    token: V3,
    /// Which byte goes where to turn a word right by 16 bits, and by 8.
    turn_16: u8x32,
    turn_8: u8x32,
}

impl Lanes {
    #[inline(always)]
    fn new(token: V3) -> Self {
        Self { token, turn_16: cast(turn::<2>()), turn_8: cast(turn::<1>()) }
    }

    /// The state behind the last round, for the counters from `first` on.
    #[inline(always)]
    fn compress(self, root: &Input, first: u32) -> [u32x8; 16] {
        let mut state = [self.splat(0); 16];
        state[..8].copy_from_slice(&root.chaining.map(|word| self.splat(word)));
        state[8..].copy_from_slice(&IV.map(|word| self.splat(word)));
        state[12] = self.add(self.splat(first), cast([0_u32, 1, 2, 3, 4, 5, 6, 7]));
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
    fn round(self, state: &mut [u32x8; 16], root: &Input, order: &[usize; BLOCK_WORDS]) {
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
    fn mix(self, state: &mut [u32x8; 16], [a, b, c, d]: [usize; 4], x: u32x8, y: u32x8) {
        state[a] = self.add(self.add(state[a], state[b]), x);
        state[d] = self.shuffle(self.xor(state[d], state[a]), self.turn_16);
        state[c] = self.add(state[c], state[d]);
        state[b] = self.rotate::<12, 20>(self.xor(state[b], state[c]));
        state[a] = self.add(self.add(state[a], state[b]), y);
        state[d] = self.shuffle(self.xor(state[d], state[a]), self.turn_8);
        state[c] = self.add(state[c], state[d]);
        state[b] = self.rotate::<7, 25>(self.xor(state[b], state[c]));
    }

    #[inline(always)]
    fn combine(self, limbs: [u16; 16], output: u32x8, sign: Sign) -> [u16; 16] {
        let (limbs, output): (u16x16, u16x16) = (cast(limbs), cast(output));
        cast(match sign {
            Sign::Plus => self.token.wrapping_add_u16x16(limbs, output),
            Sign::Minus => self.token.wrapping_sub_u16x16(limbs, output),
        })
    }

    #[inline(always)]
    fn splat(self, word: u32) -> u32x8 {
        self.token.splat_u32x8(word)
    }

    #[inline(always)]
    fn add(self, a: u32x8, b: u32x8) -> u32x8 {
        self.token.wrapping_add_u32x8(a, b)
    }

    #[inline(always)]
    fn xor(self, a: u32x8, b: u32x8) -> u32x8 {
        self.token.xor_u32x8(a, b)
    }

    /// Turns each word right by `RIGHT` bits; `LEFT` is what is missing to 32.
    #[inline(always)]
    fn rotate<const RIGHT: i32, const LEFT: i32>(self, words: u32x8) -> u32x8 {
        let (avx2, words) = (self.token.avx2, cast(words));
        cast(avx2._mm256_or_si256(avx2._mm256_srli_epi32::<RIGHT>(words), avx2._mm256_slli_epi32::<LEFT>(words)))
    }

    #[inline(always)]
    fn shuffle(self, words: u32x8, order: u8x32) -> u32x8 {
        cast(self.token.avx2._mm256_shuffle_epi8(cast(words), cast(order)))
    }
}

/// The order of bytes that turns every word right by `BYTES`; the instruction counts within halves of 16 bytes.
const fn turn<const BYTES: usize>() -> [u8; 32] {
    let mut order = [0; 32];
    let mut at = 0;
    while at < 32 {
        let (word, byte) = (at % 16 / 4, at % 4);
        #[expect(clippy::cast_possible_truncation, reason = "below 16")]
        let from = (4 * word + (byte + BYTES) % 4) as u8;
        order[at] = from;
        at += 1;
    }
    order
}
