//! The kernel for AVX2: half a group's blocks at once.

use multibuffer::Eight;
use multibuffer::blake3::BLOCK_WORDS;
use pulp::x86::V3;
use pulp::{NullaryFnOnce, cast, u16x16, u32x8};

use crate::compress::Input;
use crate::kernel::{LANES, Row, Sign};
use crate::lanes::outputs;
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
        let lanes = Eight::new(self.token);
        let groups = self.limbs.as_chunks_mut().0.as_chunks_mut::<BLOCK_WORDS>().0;
        for (rows, group) in groups.iter_mut().zip((0_u32..).step_by(LANES)) {
            for (half, first) in [group, group + 8].into_iter().enumerate() {
                let outputs = outputs(lanes, self.root, first);
                for (row, output) in rows.iter_mut().zip(outputs) {
                    let row: &mut Row = row;
                    let limbs = &mut row.as_chunks_mut().0[half];
                    *limbs = combine(self.token, *limbs, output, self.sign);
                }
            }
        }
    }
}

#[inline(always)]
fn combine(token: V3, limbs: [u16; 16], output: u32x8, sign: Sign) -> [u16; 16] {
    let (limbs, output): (u16x16, u16x16) = (cast(limbs), cast(output));
    cast(match sign {
        Sign::Plus => token.wrapping_add_u16x16(limbs, output),
        Sign::Minus => token.wrapping_sub_u16x16(limbs, output),
    })
}
