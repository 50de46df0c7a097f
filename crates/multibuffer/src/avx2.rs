//! Eight lanes with AVX2. Rotations by 16 and 8 bits are one shuffle of bytes, where compilers make two shifts of them.

use pulp::x86::V3;
use pulp::{cast, u8x32, u32x8};

use crate::lanes::Lanes;

/// Eight lanes.
#[derive(Clone, Copy)]
pub struct Eight {
    token: V3,
    /// Which byte goes where to turn a word right by 16 bits, and by 8.
    turn_16: u8x32,
    turn_8: u8x32,
}

impl Eight {
    /// The lanes of a processor that has AVX2.
    #[inline(always)]
    pub fn new(token: V3) -> Self {
        Self { token, turn_16: cast(turn::<2>()), turn_8: cast(turn::<1>()) }
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

impl Lanes for Eight {
    type Words = u32x8;

    #[inline(always)]
    fn splat(self, word: u32) -> u32x8 {
        self.token.splat_u32x8(word)
    }

    #[inline(always)]
    fn places(self) -> u32x8 {
        cast([0_u32, 1, 2, 3, 4, 5, 6, 7])
    }

    #[inline(always)]
    fn add(self, a: u32x8, b: u32x8) -> u32x8 {
        self.token.wrapping_add_u32x8(a, b)
    }

    #[inline(always)]
    fn xor(self, a: u32x8, b: u32x8) -> u32x8 {
        self.token.xor_u32x8(a, b)
    }

    #[inline(always)]
    fn turn_right_16(self, words: u32x8) -> u32x8 {
        self.shuffle(words, self.turn_16)
    }

    #[inline(always)]
    fn turn_right_12(self, words: u32x8) -> u32x8 {
        self.rotate::<12, 20>(words)
    }

    #[inline(always)]
    fn turn_right_8(self, words: u32x8) -> u32x8 {
        self.shuffle(words, self.turn_8)
    }

    #[inline(always)]
    fn turn_right_7(self, words: u32x8) -> u32x8 {
        self.rotate::<7, 25>(words)
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
