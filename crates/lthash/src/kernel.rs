//! Drawing an element's 32 output blocks and combining them with a state, with the widest vectors that the processor has.
//!
//! ```text
//! limbs    [group of 8 blocks] [word of a block] [block of the group] [half of the word]      4 x 16 x 8 x 2
//! ```
//! A state keeps its limbs in this order, in which the lanes of a vector are the same word of neighbouring blocks: an element
//! is added as it leaves the compression, and only a stored state is put into the format's order.

use pulp::NullaryFnOnce;
#[cfg(target_arch = "x86_64")]
use pulp::x86::{V3, V4};

use crate::compress::{BLOCK_WORDS, Input, outputs};
use crate::state::LIMBS;

/// Blocks of a group.
const LANES: usize = 8;
/// Limbs of one word of a group's blocks.
const ROW_LIMBS: usize = 2 * LANES;

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
            Self::Avx512(token) => token.vectorize(Plain::<16> { limbs, root, sign }),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(token) => token.vectorize(crate::avx2::Avx2 { token, limbs, root, sign }),
            Self::Portable => Plain::<LANES> { limbs, root, sign }.call(),
        }
    }
}

/// The loops as they stand, over `N` blocks at once.
struct Plain<'a, const N: usize> {
    limbs: &'a mut [u16; LIMBS],
    root: &'a Input,
    sign: Sign,
}

impl<const N: usize> NullaryFnOnce for Plain<'_, N> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let rows = self.limbs.as_chunks_mut::<ROW_LIMBS>().0;
        let passes = rows.chunks_exact_mut(BLOCK_WORDS * N / LANES);
        for (rows, counter) in passes.zip((0_u32..).step_by(N)) {
            let outputs = outputs::<N>(self.root, counter);
            for (word, lanes) in outputs.as_flattened().iter().enumerate() {
                // More lanes than a group has go on in the next one.
                for (group, lanes) in lanes.as_chunks::<LANES>().0.iter().enumerate() {
                    combine_row(&mut rows[group * BLOCK_WORDS + word], lanes, self.sign);
                }
            }
        }
    }
}

#[inline(always)]
fn combine_row(limbs: &mut [u16; ROW_LIMBS], lanes: &[u32; LANES], sign: Sign) {
    let lanes: [[u16; 2]; LANES] = pulp::cast(*lanes);
    for (limb, half) in limbs.iter_mut().zip(lanes.as_flattened()) {
        *limb = match sign {
            Sign::Plus => limb.wrapping_add(*half),
            Sign::Minus => limb.wrapping_sub(*half),
        };
    }
}

#[cfg(test)]
mod tests;
