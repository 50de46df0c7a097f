//! Eight lanes with AVX2. Rotations by 16 and 8 bits are one shuffle of bytes, where compilers make two shifts of them.

use pulp::x86::V3;
use pulp::{cast, u8x32, u32x8};

use crate::algorithm::{Block, SIXTEEN};
use crate::lanes::Lanes;

/// Messages that are hashed at once.
pub(crate) const EIGHT: usize = 8;

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

/// The words of eight blocks, the same word of each together. Blocks that are missing are zero.
#[inline(always)]
pub(crate) fn columns<'a>(token: V3, blocks: impl Iterator<Item = &'a Block>) -> [u32x8; SIXTEEN] {
    let mut rows = [[token.splat_u32x8(0); EIGHT]; 2];
    for (at, block) in blocks.take(EIGHT).enumerate() {
        let halves: [u32x8; 2] = cast(*block);
        (rows[0][at], rows[1][at]) = (halves[0], halves[1]);
    }
    let mut columns = [token.splat_u32x8(0); SIXTEEN];
    for (columns, rows) in columns.as_chunks_mut::<EIGHT>().0.iter_mut().zip(rows) {
        *columns = turned(token, rows);
    }
    columns
}

/// Rows as columns.
#[inline(always)]
fn turned(token: V3, rows: [u32x8; EIGHT]) -> [u32x8; EIGHT] {
    let avx2 = token.avx2;
    let mut rows: [_; EIGHT] = cast(rows);
    // Loops, since a closure would be compiled without the instructions that are used here.
    // Of rows 2 i and 2 i + 1, alternating: columns 0, 1 and 2, 3 of each half.
    for at in (0..EIGHT).step_by(2) {
        let (a, b) = (rows[at], rows[at + 1]);
        (rows[at], rows[at + 1]) = (avx2._mm256_unpacklo_epi32(a, b), avx2._mm256_unpackhi_epi32(a, b));
    }
    // Row 4 i + j: column j of each half, of rows 4 i to 4 i + 3.
    for at in (0..EIGHT).step_by(4) {
        let [a, b, c, d] = [rows[at], rows[at + 1], rows[at + 2], rows[at + 3]];
        (rows[at], rows[at + 1]) = (avx2._mm256_unpacklo_epi64(a, c), avx2._mm256_unpackhi_epi64(a, c));
        (rows[at + 2], rows[at + 3]) = (avx2._mm256_unpacklo_epi64(b, d), avx2._mm256_unpackhi_epi64(b, d));
    }
    let mut columns = rows;
    for at in 0..4 {
        columns[at] = avx2._mm256_permute2x128_si256::<0x20>(rows[at], rows[at + 4]);
        columns[at + 4] = avx2._mm256_permute2x128_si256::<0x31>(rows[at], rows[at + 4]);
    }
    cast(columns)
}
