//! What a queue asks of a hash function.

/// A hash.
pub type Hash = [u8; 32];
/// A block of a message.
pub type Block = [u8; BLOCK_BYTES];
/// Bytes of a block, of either function's.
pub const BLOCK_BYTES: usize = 64;
/// Messages that are hashed at once.
pub const SIXTEEN: usize = 16;

/// A processor that has vectors of sixteen words.
#[cfg(target_arch = "x86_64")]
pub type Wide = pulp::x86::V4;
/// No processor is known to.
#[cfg(not(target_arch = "x86_64"))]
pub type Wide = std::convert::Infallible;

/// A processor that has vectors of sixteen words, or else of eight.
#[derive(Clone, Copy, Debug)]
pub enum WideOrHalf {
    /// Sixteen messages at once.
    #[cfg(target_arch = "x86_64")]
    Wide(pulp::x86::V4),
    /// Eight, and then eight more.
    #[cfg(target_arch = "x86_64")]
    Half(pulp::x86::V3),
}

/// This processor, if it has vectors of sixteen words.
pub(crate) fn wide() -> Option<Wide> {
    #[cfg(target_arch = "x86_64")]
    return Wide::try_new();
    #[cfg(not(target_arch = "x86_64"))]
    None
}

/// This processor, if it has vectors of sixteen words, or else of eight.
pub(crate) fn wide_or_half() -> Option<WideOrHalf> {
    #[cfg(target_arch = "x86_64")]
    return wide().map(WideOrHalf::Wide).or_else(|| pulp::x86::V3::try_new().map(WideOrHalf::Half));
    #[cfg(not(target_arch = "x86_64"))]
    None
}

/// A hash function whose messages take whole blocks of 64 bytes.
pub trait Algorithm {
    /// A processor that hashes sixteen messages in less time together than one by one.
    type Together: Copy;

    /// This processor, if it does.
    fn together() -> Option<Self::Together>;

    /// The hash of `parts`, one behind the other.
    fn hash<const N: usize>(parts: [&[u8]; N]) -> Hash;

    /// Blocks that a message of `length` bytes takes; one at least.
    fn blocks(length: usize) -> usize;

    /// Writes the message of `length` bytes in blocks, all of them.
    fn lay_out<const N: usize>(parts: [&[u8]; N], length: usize, message: &mut [Block]);

    /// The hash of a message laid out so.
    fn hash_laid_out(message: &[Block], length: usize) -> Hash;

    /// The hashes of sixteen messages of `count` blocks each, laid out one behind the other.
    fn hash_sixteen(
        token: Self::Together,
        blocks: &[Block],
        count: usize,
        lengths: [usize; SIXTEEN],
    ) -> [Hash; SIXTEEN];
}

/// Writes `parts` at the beginning of `message`; the bytes behind them.
pub(crate) fn put<'m, const N: usize>(parts: [&[u8]; N], message: &'m mut [Block]) -> &'m mut [u8] {
    let mut rest = message.as_flattened_mut();
    for part in parts {
        let (place, behind) = rest.split_at_mut(part.len());
        place.copy_from_slice(part);
        rest = behind;
    }
    rest
}
