//! The kernel for AVX-512: a group's 16 blocks at once, a rotation in one instruction.

use pulp::x86::V4;
use pulp::{NullaryFnOnce, cast, u32x16};

use crate::compress::{BLOCK_WORDS, Input};
use crate::kernel::{LANES, Row, Sign};
use crate::lanes::{Lanes, outputs};
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
        let groups = self.limbs.as_chunks_mut().0.as_chunks_mut::<BLOCK_WORDS>().0;
        for (rows, first) in groups.iter_mut().zip((0_u32..).step_by(LANES)) {
            let outputs = outputs(Sixteen { token: self.token }, self.root, first);
            for (row, output) in rows.iter_mut().zip(outputs) {
                *row = combine(self.token, *row, output, self.sign);
            }
        }
    }
}

#[inline(always)]
fn combine(token: V4, limbs: Row, output: u32x16, sign: Sign) -> Row {
    let (limbs, output) = (cast(limbs), cast(output));
    cast(match sign {
        Sign::Plus => token.avx512bw._mm512_add_epi16(limbs, output),
        Sign::Minus => token.avx512bw._mm512_sub_epi16(limbs, output),
    })
}

/// Sixteen lanes.
#[derive(Clone, Copy)]
struct Sixteen {
    token: V4,
}

impl Sixteen {
    /// Turns each word right by `BITS`.
    #[inline(always)]
    fn turn<const BITS: i32>(self, words: u32x16) -> u32x16 {
        cast(self.token.avx512f._mm512_ror_epi32::<BITS>(cast(words)))
    }
}

impl Lanes for Sixteen {
    type Words = u32x16;

    #[inline(always)]
    fn splat(self, word: u32) -> u32x16 {
        self.token.splat_u32x16(word)
    }

    #[inline(always)]
    fn places(self) -> u32x16 {
        cast([0_u32, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
    }

    #[inline(always)]
    fn add(self, a: u32x16, b: u32x16) -> u32x16 {
        cast(self.token.avx512f._mm512_add_epi32(cast(a), cast(b)))
    }

    #[inline(always)]
    fn xor(self, a: u32x16, b: u32x16) -> u32x16 {
        cast(self.token.avx512f._mm512_xor_si512(cast(a), cast(b)))
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
