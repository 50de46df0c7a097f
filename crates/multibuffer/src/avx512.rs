//! Sixteen lanes with AVX-512: a rotation is one instruction.

use pulp::x86::V4;
use pulp::{cast, u32x16};

use crate::algorithm::{Block, SIXTEEN};
use crate::lanes::Lanes;

/// Sixteen lanes.
#[derive(Clone, Copy)]
pub struct Sixteen(V4);

impl Sixteen {
    /// The lanes of a processor that has AVX-512.
    #[inline(always)]
    pub fn new(token: V4) -> Self {
        Self(token)
    }

    /// Turns each word right by `BITS`.
    #[inline(always)]
    fn turn<const BITS: i32>(self, words: u32x16) -> u32x16 {
        cast(self.0.avx512f._mm512_ror_epi32::<BITS>(cast(words)))
    }
}

impl Lanes for Sixteen {
    type Words = u32x16;

    #[inline(always)]
    fn splat(self, word: u32) -> u32x16 {
        self.0.splat_u32x16(word)
    }

    #[inline(always)]
    fn places(self) -> u32x16 {
        cast([0_u32, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
    }

    #[inline(always)]
    fn add(self, a: u32x16, b: u32x16) -> u32x16 {
        cast(self.0.avx512f._mm512_add_epi32(cast(a), cast(b)))
    }

    #[inline(always)]
    fn xor(self, a: u32x16, b: u32x16) -> u32x16 {
        cast(self.0.avx512f._mm512_xor_si512(cast(a), cast(b)))
    }

    #[inline(always)]
    fn turn_right_16(self, words: u32x16) -> u32x16 {
        self.turn::<16>(words)
    }

    #[inline(always)]
    fn turn_right_12(self, words: u32x16) -> u32x16 {
        self.turn::<12>(words)
    }

    #[inline(always)]
    fn turn_right_8(self, words: u32x16) -> u32x16 {
        self.turn::<8>(words)
    }

    #[inline(always)]
    fn turn_right_7(self, words: u32x16) -> u32x16 {
        self.turn::<7>(words)
    }
}

/// The words of sixteen blocks, the same word of each together. Blocks that are missing are zero.
#[inline(always)]
pub(crate) fn columns<'a>(token: V4, blocks: impl Iterator<Item = &'a Block>) -> [u32x16; SIXTEEN] {
    let f = token.avx512f;
    let mut rows = [f._mm512_setzero_si512(); SIXTEEN];
    for (row, block) in rows.iter_mut().zip(blocks) {
        *row = cast(*block);
    }
    // Loops, since a closure would be compiled without the instructions that are used here.
    // Of rows 2 i and 2 i + 1, alternating: columns 0, 1 and 2, 3 of each quarter.
    for at in (0..SIXTEEN).step_by(2) {
        let (a, b) = (rows[at], rows[at + 1]);
        (rows[at], rows[at + 1]) = (f._mm512_unpacklo_epi32(a, b), f._mm512_unpackhi_epi32(a, b));
    }
    // Row 4 i + j: column j of each quarter, of rows 4 i to 4 i + 3.
    for at in (0..SIXTEEN).step_by(4) {
        let [a, b, c, d] = [rows[at], rows[at + 1], rows[at + 2], rows[at + 3]];
        (rows[at], rows[at + 1]) = (f._mm512_unpacklo_epi64(a, c), f._mm512_unpackhi_epi64(a, c));
        (rows[at + 2], rows[at + 3]) = (f._mm512_unpacklo_epi64(b, d), f._mm512_unpackhi_epi64(b, d));
    }
    let mut columns = [rows[0]; SIXTEEN];
    for at in 0..4 {
        let [a, b, c, d] = [rows[at], rows[at + 4], rows[at + 8], rows[at + 12]];
        // Quarters 0 and 1, and 2 and 3, of rows 0 to 7 and of rows 8 to 15.
        let (low, lower) = (f._mm512_shuffle_i32x4::<0x44>(a, b), f._mm512_shuffle_i32x4::<0x44>(c, d));
        let (high, higher) = (f._mm512_shuffle_i32x4::<0xee>(a, b), f._mm512_shuffle_i32x4::<0xee>(c, d));
        columns[at] = f._mm512_shuffle_i32x4::<0x88>(low, lower);
        columns[at + 4] = f._mm512_shuffle_i32x4::<0xdd>(low, lower);
        columns[at + 8] = f._mm512_shuffle_i32x4::<0x88>(high, higher);
        columns[at + 12] = f._mm512_shuffle_i32x4::<0xdd>(high, higher);
    }
    cast(columns)
}
