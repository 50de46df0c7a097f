//! The element of a row, up to the last step: the root node of BLAKE3's tree, from which the output is drawn.
//!
//! ```text
//! element   BLAKE3 extendable output, 2048 bytes, of
//!           u32 little endian key length | physical key | u32 little endian value length | serialized value
//! ```
//! 1024 bytes and fewer are one chunk, whose last block is the root; more are a tree, whose root is the parent of two
//! subtrees. Source: spec FORMATS, LtHash.

use blake3::CHUNK_LEN;
use blake3::hazmat::{HasherExt, left_subtree_len};
use multibuffer::blake3::{CHUNK_END, CHUNK_START, ChunkFront, IV, PARENT, ROOT};
use multibuffer::{Algorithm, BLOCK_BYTES};

use crate::compress::{Input, words};

/// A row on the way to its root node.
pub(crate) enum Element {
    /// The root node is known.
    Root(Input),
    /// A short chunk: all blocks but the last are still to be compressed, with those of other rows if there are any.
    Chunk(Chunk),
}

/// The input of one chunk.
pub(crate) struct Chunk {
    bytes: [u8; SHORT_BYTES],
    length: usize,
}

/// The last block of a chunk that is the whole input.
pub(crate) struct Last {
    block: [u8; BLOCK_BYTES],
    bytes: u32,
}

/// Inputs up to here are laid out in one piece and can be compressed with others: a slot's and an account's are.
const SHORT_BYTES: usize = 4 * BLOCK_BYTES;

/// A row on the way to its root node; none for a row that has no element.
pub(crate) fn element(key: &[u8], value: &[u8]) -> Option<Element> {
    if key.is_empty() || value.is_empty() {
        return None;
    }
    let parts = [&length(key), key, &length(value), value];
    let bytes: usize = parts.iter().map(|part| part.len()).sum();
    if bytes > CHUNK_LEN {
        return Some(Element::Root(parent(&parts, bytes)));
    }
    if bytes > SHORT_BYTES {
        let mut chunk = [0; CHUNK_LEN];
        lay_out(parts, &mut chunk);
        let (front, last) = halves(&chunk[..bytes]);
        return Some(Element::Root(last.root(front)));
    }
    let mut chunk = Chunk { bytes: [0; SHORT_BYTES], length: bytes };
    lay_out(parts, &mut chunk.bytes);
    Some(Element::Chunk(chunk))
}

fn lay_out(parts: [&[u8]; 4], chunk: &mut [u8]) {
    let mut end = 0;
    for part in parts {
        chunk[end..end + part.len()].copy_from_slice(part);
        end += part.len();
    }
}

impl Element {
    /// The root node.
    pub(crate) fn root(self) -> Input {
        match self {
            Self::Root(root) => root,
            Self::Chunk(chunk) => {
                let (front, last) = chunk.halves();
                last.root(front)
            }
        }
    }
}

impl Chunk {
    /// The blocks before the last one, and that.
    pub(crate) fn halves(&self) -> (&[u8], Last) {
        halves(&self.bytes[..self.length])
    }
}

/// The whole blocks before the last block of a chunk, and that.
fn halves(chunk: &[u8]) -> (&[u8], Last) {
    let (front, rest) = chunk.split_at((chunk.len() - 1) / BLOCK_BYTES * BLOCK_BYTES);
    let mut block = [0; BLOCK_BYTES];
    block[..rest.len()].copy_from_slice(rest);
    #[expect(clippy::cast_possible_truncation, reason = "a block has 64 bytes at the most")]
    let bytes = rest.len() as u32;
    (front, Last { block, bytes })
}

impl Last {
    /// The root node, if the blocks of `front` stand before it.
    pub(crate) fn root(&self, front: &[u8]) -> Input {
        if front.is_empty() { self.input(IV, CHUNK_START) } else { self.after(&ChunkFront::hash([front])) }
    }

    /// The root node behind blocks with this chaining value.
    pub(crate) fn after(&self, chaining: &[u8; 32]) -> Input {
        let words = chaining.as_chunks().0;
        self.input(std::array::from_fn(|at| u32::from_le_bytes(words[at])), 0)
    }

    fn input(&self, chaining: [u32; 8], flags: u32) -> Input {
        Input { chaining, block: words(&self.block), block_bytes: self.bytes, flags: flags | CHUNK_END | ROOT }
    }
}

/// The parent of the two subtrees of a longer input.
fn parent(parts: &[&[u8]], bytes: usize) -> Input {
    let left_bytes = left_subtree_len(bytes as u64);
    let mut left = blake3::Hasher::new();
    let mut right = blake3::Hasher::new();
    right.set_input_offset(left_bytes);
    for part in parts {
        let room = usize::try_from(left_bytes - left.count()).unwrap_or(usize::MAX);
        let (to_left, to_right) = part.split_at(room.min(part.len()));
        left.update(to_left);
        right.update(to_right);
    }
    let mut block = [0; BLOCK_BYTES];
    block[..32].copy_from_slice(&left.finalize_non_root());
    block[32..].copy_from_slice(&right.finalize_non_root());
    Input { chaining: IV, block: words(&block), block_bytes: BLOCK_BYTES as u32, flags: PARENT | ROOT }
}

/// The length prefix. Rows of 4 GiB and more cannot be stored; their lengths would wrap as the reference's do.
fn length(bytes: &[u8]) -> [u8; 4] {
    #[expect(clippy::cast_possible_truncation, reason = "the format has 32 bits for a length")]
    let length = bytes.len() as u32;
    length.to_le_bytes()
}
