//! Chunks: pieces of an export's stream, each of them checked by itself.
//!
//! ```text
//! magic "ferrychk" | u32 format 1 | u32 index | u64 height | u8 packing | u32 payload bytes | BLAKE3 of the payload 32
//!     | the packed payload, to the end
//! packing   00 as it is | 01 an LZ4 block
//! ```
//! All integers are big endian. The payloads, one behind the other, are the stream (`record.rs`); each but the last has as
//! many bytes as the manifest says. What is hashed is the payload: however a chunk is packed, it is the same chunk.

/// First bytes of a chunk.
const MAGIC: &[u8; 8] = b"ferrychk";
/// The format of chunks and of the stream in them.
pub(crate) const FORMAT: u32 = 1;
/// Bytes before the packed payload.
const HEADER_BYTES: usize = 8 + 4 + 4 + 8 + 1 + 4 + 32;
const PLAIN: u8 = 0;
const LZ4: u8 = 1;

/// What is wrong with a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// Fewer bytes than a chunk's header, or another beginning.
    #[error("it is no chunk of an export")]
    Foreign,
    /// A chunk of another format.
    #[error("it has another format, use the release that wrote it: expected={FORMAT} got={got}")]
    Format {
        /// The format found.
        got: u32,
    },
    /// A chunk of another place or another export.
    #[error("it is another one: expected_index={expected_index} got_index={index} got_height={height}")]
    Other {
        /// The index wanted.
        expected_index: u32,
        /// The index found.
        index: u32,
        /// The height found.
        height: u64,
    },
    /// A payload of another length than the manifest leads to.
    #[error("its payload has a wrong length: expected_bytes={expected} got_bytes={got}")]
    Length {
        /// Bytes wanted.
        expected: u32,
        /// Bytes announced.
        got: u32,
    },
    /// A packed payload that does not unpack to the announced length.
    #[error("its payload does not unpack")]
    Packing,
    /// A payload that is not the one that the manifest names.
    #[error("its payload is not the one that the manifest names")]
    Hash,
}

/// What a chunk must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) height: u64,
    pub(crate) index: u32,
    pub(crate) payload_bytes: u32,
    pub(crate) hash: [u8; 32],
}

/// The chunk with this payload, packed if that makes it smaller.
pub(crate) fn encode(height: u64, index: u32, payload: &[u8]) -> Vec<u8> {
    let packed = lz4_flex::block::compress(payload);
    let (packing, body) = if packed.len() < payload.len() { (LZ4, packed.as_slice()) } else { (PLAIN, payload) };
    // UNWRAP: a payload has at most the manifest's chunk bytes, which have 32 bits.
    let payload_bytes = u32::try_from(payload.len()).expect("a payload of 32 bits");
    let mut chunk = Vec::with_capacity(HEADER_BYTES + body.len());
    chunk.extend_from_slice(MAGIC);
    chunk.extend_from_slice(&FORMAT.to_be_bytes());
    chunk.extend_from_slice(&index.to_be_bytes());
    chunk.extend_from_slice(&height.to_be_bytes());
    chunk.push(packing);
    chunk.extend_from_slice(&payload_bytes.to_be_bytes());
    chunk.extend_from_slice(&hash(payload));
    chunk.extend_from_slice(body);
    chunk
}

/// The payload of a chunk that is the one expected; memory is taken for as much as is expected, whatever it says itself.
///
/// # Errors
/// Whatever else it is.
pub(crate) fn decode(chunk: &[u8], expected: &Expected) -> Result<Vec<u8>, ChunkError> {
    let (header, body) = chunk.split_first_chunk::<HEADER_BYTES>().ok_or(ChunkError::Foreign)?;
    let mut rest = header.as_slice();
    if take::<8>(&mut rest) != MAGIC {
        return Err(ChunkError::Foreign);
    }
    let format = u32::from_be_bytes(*take(&mut rest));
    if format != FORMAT {
        return Err(ChunkError::Format { got: format });
    }
    let (index, height) = (u32::from_be_bytes(*take(&mut rest)), u64::from_be_bytes(*take(&mut rest)));
    if (index, height) != (expected.index, expected.height) {
        return Err(ChunkError::Other { expected_index: expected.index, index, height });
    }
    let packing = take::<1>(&mut rest)[0];
    let got = u32::from_be_bytes(*take(&mut rest));
    if got != expected.payload_bytes {
        return Err(ChunkError::Length { expected: expected.payload_bytes, got });
    }
    let payload = match packing {
        PLAIN => body.to_vec(),
        LZ4 => {
            let bytes = usize::try_from(got).map_err(|_| ChunkError::Packing)?;
            lz4_flex::block::decompress(body, bytes).map_err(|_| ChunkError::Packing)?
        }
        _ => return Err(ChunkError::Packing),
    };
    if u32::try_from(payload.len()) != Ok(got) {
        return Err(ChunkError::Packing);
    }
    if *take::<32>(&mut rest) != expected.hash || hash(&payload) != expected.hash {
        return Err(ChunkError::Hash);
    }
    Ok(payload)
}

/// The hash by which the manifest names a payload.
pub(crate) fn hash(payload: &[u8]) -> [u8; 32] {
    *blake3::hash(payload).as_bytes()
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> &'a [u8; N] {
    // UNWRAP: the fields sum up to the header, whose length is checked.
    let (head, tail) = rest.split_first_chunk().expect("fields sum up to the header");
    *rest = tail;
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(payload: &[u8]) -> Expected {
        let payload_bytes = u32::try_from(payload.len()).expect("short");
        Expected { height: 7, index: 3, payload_bytes, hash: hash(payload) }
    }

    #[test]
    fn a_payload_survives_packed_and_plain() {
        for payload in [vec![7; 5_000], (0..=255).collect::<Vec<u8>>(), vec![1]] {
            let chunk = encode(7, 3, &payload);
            assert_eq!(decode(&chunk, &expected(&payload)).as_ref(), Ok(&payload));
        }
        assert!(encode(7, 3, &[7; 5_000]).len() < 200, "what repeats is packed");
    }

    #[test]
    fn every_flipped_bit_and_every_other_length_is_refused() {
        let payload = [b"some bytes, some bytes, some bytes, ".as_slice(); 3].concat();
        let (chunk, expected) = (encode(7, 3, &payload), expected(&payload));
        for bit in 0..chunk.len() * 8 {
            let mut damaged = chunk.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            // Two ways of packing may lead to one payload, which is then the right one.
            let got = decode(&damaged, &expected);
            assert!(got.is_err() || got.as_ref() == Ok(&payload), "bit {bit}: {got:?}");
        }
        for length in 0..chunk.len() {
            assert!(decode(&chunk[..length], &expected).is_err(), "{length} bytes");
        }
        assert!(decode(&[chunk, vec![0]].concat(), &expected).is_err());
    }

    #[test]
    fn a_chunk_in_the_wrong_place_says_which_it_is() {
        let payload = [7; 100];
        let other = Expected { index: 4, ..expected(&payload) };
        let expected = ChunkError::Other { expected_index: 4, index: 3, height: 7 };
        assert_eq!(decode(&encode(7, 3, &payload), &other), Err(expected));
    }

    #[test]
    fn an_announced_length_takes_no_memory() {
        let mut chunk = encode(7, 3, &[7; 100]);
        chunk[25..29].copy_from_slice(&u32::MAX.to_be_bytes());
        let expected = Expected { payload_bytes: 100, ..expected(&[7; 100]) };
        assert_eq!(decode(&chunk, &expected), Err(ChunkError::Length { expected: 100, got: u32::MAX }));
    }
}
