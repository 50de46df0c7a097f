//! Drawing an element's 32 output blocks and combining them with a state, with the widest vectors that the processor has.
//!
//! ```text
//! limbs    [group of 16 blocks] [word of a block] [block of the group] [half of the word]      2 x 16 x 16 x 2
//! ```
//! A state keeps its limbs in this order, in which the lanes of a vector are the same word of neighbouring blocks: an element
//! is added as it leaves the compression, and only a stored state is put into the format's order.

use multibuffer::blake3::BLOCK_WORDS;
#[cfg(target_arch = "x86_64")]
use pulp::x86::{V3, V4};

use crate::compress::{Input, outputs};
use crate::state::LIMBS;

/// Blocks of a group.
pub(crate) const LANES: usize = 16;
/// The limbs of one word of a group's blocks.
pub(crate) type Row = [u16; 2 * LANES];

/// Where the limb `at` of the format's order lies in a state.
pub(crate) const fn place(at: usize) -> usize {
    let (block, word, half) = (at / (2 * BLOCK_WORDS), at / 2 % BLOCK_WORDS, at % 2);
    ((block / LANES * BLOCK_WORDS + word) * LANES + block % LANES) * 2 + half
}

/// Whether an element comes or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    Plus,
    Minus,
}

/// An implementation that this processor can run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kernel {
    /// 16 blocks at once.
    #[cfg(target_arch = "x86_64")]
    Avx512(V4),
    /// 8 blocks at once.
    #[cfg(target_arch = "x86_64")]
    Avx2(V3),
    /// What the compiler makes of plain loops: NEON where that is always there.
    Portable,
}

impl Kernel {
    /// The best one.
    pub(crate) fn detect() -> Self {
        // The answer is kept by the library: this is a load and a branch.
        #[cfg(target_arch = "x86_64")]
        if let Some(token) = V4::try_new() {
            return Self::Avx512(token);
        } else if let Some(token) = V3::try_new() {
            return Self::Avx2(token);
        }
        Self::Portable
    }

    /// Every one that this processor can run.
    #[cfg(test)]
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(V3::try_new().map(Self::Avx2));
            all.extend(V4::try_new().map(Self::Avx512));
        }
        all
    }

    /// Adds the element that is drawn from `root` to `limbs`, or takes it away.
    pub(crate) fn combine(self, limbs: &mut [u16; LIMBS], root: &Input, sign: Sign) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(token) => token.vectorize(crate::avx512::Avx512 { token, limbs, root, sign }),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(token) => token.vectorize(crate::avx2::Avx2 { token, limbs, root, sign }),
            Self::Portable => combine_plain(limbs, root, sign),
        }
    }
}

/// The loops as they stand, over some of a group's blocks at once: a group's state would not stay in registers.
fn combine_plain(limbs: &mut [u16; LIMBS], root: &Input, sign: Sign) {
    const BLOCKS: usize = 8;
    let groups = limbs.as_chunks_mut().0.as_chunks_mut::<BLOCK_WORDS>().0;
    for (rows, group) in groups.iter_mut().zip((0_u32..).step_by(LANES)) {
        for (part, counter) in (group..).step_by(BLOCKS).take(LANES / BLOCKS).enumerate() {
            let outputs = outputs::<BLOCKS>(root, counter);
            for (row, output) in rows.iter_mut().zip(outputs.as_flattened()) {
                let row: &mut Row = row;
                combine_lanes(&mut row.as_chunks_mut().0[part], output, sign);
            }
        }
    }
}

fn combine_lanes(limbs: &mut [u16; 16], lanes: &[u32; 8], sign: Sign) {
    let lanes: [[u16; 2]; 8] = pulp::cast(*lanes);
    for (limb, half) in limbs.iter_mut().zip(lanes.as_flattened()) {
        *limb = match sign {
            Sign::Plus => limb.wrapping_add(*half),
            Sign::Minus => limb.wrapping_sub(*half),
        };
    }
}

#[cfg(test)]
mod tests;
