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

use crate::compress::{BLOCK_BYTES, CHUNK_END, CHUNK_START, IV, Input, PARENT, ROOT, next_chaining, words};

/// The root node of a row's element; none for a row that has no element.
pub(crate) fn root_node(key: &[u8], value: &[u8]) -> Option<Input> {
    if key.is_empty() || value.is_empty() {
        return None;
    }
    let parts = [&length(key), key, &length(value), value];
    let bytes: usize = parts.iter().map(|part| part.len()).sum();
    if bytes > CHUNK_LEN {
        return Some(parent(&parts, bytes));
    }
    let mut chunk = [0; CHUNK_LEN];
    let mut end = 0;
    for part in parts {
        chunk[end..end + part.len()].copy_from_slice(part);
        end += part.len();
    }
    Some(last_block(&chunk[..bytes]))
}

/// The last block of a chunk that is the whole input.
fn last_block(chunk: &[u8]) -> Input {
    let mut chaining = IV;
    let mut flags = CHUNK_START;
    let (last, before) = match chunk.chunks(BLOCK_BYTES).next_back() {
        Some(last) => (last, &chunk[..chunk.len() - last.len()]),
        None => (chunk, chunk),
    };
    for block in before.chunks(BLOCK_BYTES) {
        let input = Input { chaining, block: words(block), block_bytes: block_bytes(block), flags };
        chaining = next_chaining(&input);
        flags = 0;
    }
    Input { chaining, block: words(last), block_bytes: block_bytes(last), flags: flags | CHUNK_END | ROOT }
}

fn block_bytes(block: &[u8]) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "a block has 64 bytes at the most")]
    let bytes = block.len() as u32;
    bytes
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
    Input { chaining: IV, block: words(&block), block_bytes: block_bytes(&block), flags: PARENT | ROOT }
}

/// The length prefix. Rows of 4 GiB and more cannot be stored; their lengths would wrap as the reference's do.
fn length(bytes: &[u8]) -> [u8; 4] {
    #[expect(clippy::cast_possible_truncation, reason = "the format has 32 bits for a length")]
    let length = bytes.len() as u32;
    length.to_le_bytes()
}
