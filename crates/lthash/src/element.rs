//! The element of a row.
//!
//! ```text
//! element   BLAKE3 extendable output, 2048 bytes, of
//!           u32 little endian key length | physical key | u32 little endian value length | serialized value
//! ```
//! Source: spec FORMATS, LtHash.

use crate::state::STATE_BYTES;

/// Writes the element of a row to `out` and says so; false, with `out` as it was, for a row that has none.
pub(crate) fn element(key: &[u8], value: &[u8], out: &mut [u8; STATE_BYTES]) -> bool {
    if key.is_empty() || value.is_empty() {
        return false;
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&length(key));
    hasher.update(key);
    hasher.update(&length(value));
    hasher.update(value);
    hasher.finalize_xof().fill(out);
    true
}

/// The length prefix. Rows of 4 GiB and more cannot be stored; their lengths would wrap as the reference's do.
fn length(bytes: &[u8]) -> [u8; 4] {
    #[expect(clippy::cast_possible_truncation, reason = "the format has 32 bits for a length")]
    let length = bytes.len() as u32;
    length.to_le_bytes()
}
