//! The kernel for AVX-512: a group's 16 blocks at once.

use multibuffer::Sixteen;
use multibuffer::blake3::BLOCK_WORDS;
use pulp::x86::V4;
use pulp::{NullaryFnOnce, cast, u32x16};

use crate::compress::Input;
use crate::kernel::{LANES, Row, Sign};
use crate::lanes::outputs;
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
            let outputs = outputs(Sixteen::new(self.token), self.root, first);
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
