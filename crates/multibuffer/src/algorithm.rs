//! What a queue asks of a hash function.

/// A hash.
pub type Hash = [u8; 32];
/// A block of a message.
pub type Block = [u8; BLOCK_BYTES];
/// Bytes of a block, of either function's.
pub const BLOCK_BYTES: usize = 64;
/// Messages that are hashed at once.
pub const SIXTEEN: usize = 16;

/// A processor that can hash sixteen messages at once.
#[cfg(target_arch = "x86_64")]
pub type Together = pulp::x86::V4;
/// No processor is known to.
#[cfg(not(target_arch = "x86_64"))]
pub type Together = std::convert::Infallible;

/// A hash function whose messages take whole blocks of 64 bytes.
pub trait Algorithm {
    /// The hash of `parts`, one behind the other.
    fn hash<const N: usize>(parts: [&[u8]; N]) -> Hash;

    /// Blocks that a message of `length` bytes takes; one at least.
    fn blocks(length: usize) -> usize;

    /// Writes the message of `length` bytes in blocks, all of them.
    fn lay_out<const N: usize>(parts: [&[u8]; N], length: usize, message: &mut [Block]);

    /// The hash of a message laid out so.
    fn hash_laid_out(message: &[Block], length: usize) -> Hash;

    /// The hashes of sixteen messages of `count` blocks each, laid out one behind the other.
    #[cfg(target_arch = "x86_64")]
    fn hash_sixteen(token: Together, blocks: &[Block], count: usize, lengths: [usize; SIXTEEN]) -> [Hash; SIXTEEN];
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
