//! The output blocks of an element over vectors: each lane is the block of a counter.

use multibuffer::Lanes;
use multibuffer::blake3::{BLOCK_WORDS, compress};

use crate::compress::Input;

/// The output blocks of the counters from `first` on, word by word.
#[inline(always)]
pub(crate) fn outputs<L: Lanes>(lanes: L, root: &Input, first: u32) -> [L::Words; BLOCK_WORDS] {
    let chaining = root.chaining.map(|word| lanes.splat(word));
    let counter = lanes.add(lanes.splat(first), lanes.places());
    let (block_bytes, flags) = (lanes.splat(root.block_bytes), lanes.splat(root.flags));
    compress(lanes, chaining, |at| lanes.splat(root.block[at]), counter, block_bytes, flags)
}
