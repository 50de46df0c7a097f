//! The bytes of a changelog entry, with ferry's seal.
//!
//! ```text
//! entry   ChangelogEntry (fields 1 to 3) | seal
//! seal    field 15, bytes, 36 long: 7a 24 | u32 little endian CRC32C of all bytes before the field's tag | app hash 32
//! ```
//! The reference skips the unknown field; entries that it wrote have no seal and no checksum.

use bytes::{Buf, Bytes};
use prost::Message;

use crate::commit_info::AppHash;
use crate::message::ChangelogEntry;

/// Tag (field 15, length-delimited) and length of the seal.
const SEAL_HEADER: [u8; 2] = [15 << 3 | 2, 36];
const SEAL_BYTES: usize = SEAL_HEADER.len() + 36;

/// A changelog entry and, when ferry wrote it, the app hash after its block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedEntry {
    /// The entry.
    pub entry: ChangelogEntry,
    /// The app hash that the seal holds; none in an entry of the reference.
    pub app_hash: Option<AppHash>,
}

/// Bytes that are no changelog entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Not a protobuf message of the entry's shape.
    #[error("changelog entry does not decode: bytes={length}")]
    Message {
        /// Length of the bytes.
        length: usize,
        /// What the decoder says.
        #[source]
        source: prost::DecodeError,
    },
    /// A seal whose app hash was not written to its end: it has no checksum of its own.
    #[error("changelog entry has the beginning of an app hash")]
    AppHashCut,
    /// The seal's checksum is not that of the bytes before it.
    #[error("changelog entry fails its checksum: expected={expected:08x} got={got:08x}")]
    Checksum {
        /// The checksum in the seal.
        expected: u32,
        /// The checksum of the bytes.
        got: u32,
    },
}

/// An entry's bytes with the seal that names the app hash after its block.
pub fn seal_entry(entry: &ChangelogEntry, app_hash: AppHash) -> Bytes {
    let mut bytes = Vec::with_capacity(entry.encoded_len() + SEAL_BYTES);
    // UNWRAP: encoding into a Vec cannot run out of room.
    entry.encode(&mut bytes).expect("a Vec grows");
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&SEAL_HEADER);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes.extend_from_slice(&app_hash);
    bytes.into()
}

/// Reads an entry and checks its seal, if it has one.
///
/// # Errors
/// Bytes that are no entry, or whose seal does not fit them.
pub fn open_entry(bytes: &[u8]) -> Result<SealedEntry, EntryError> {
    open(bytes, bytes)
}

/// As [`open_entry`], with keys and values that are slices of `bytes` and keep it in memory.
///
/// # Errors
/// As [`open_entry`].
pub fn open_entry_in_place(bytes: &Bytes) -> Result<SealedEntry, EntryError> {
    open(bytes, bytes.clone())
}

/// The app hash in an entry's seal, which then fits all of its bytes; none in an entry that has no seal. Nothing is decoded.
///
/// # Errors
/// A seal that does not fit the bytes before it.
pub fn check_seal(bytes: &[u8]) -> Result<Option<AppHash>, EntryError> {
    match bytes.split_last_chunk::<SEAL_BYTES>() {
        Some((before, seal)) if seal.starts_with(&SEAL_HEADER) => {
            let (expected, app_hash) = split_seal(seal);
            let got = crc32c::crc32c(before);
            if got == expected { Ok(Some(app_hash)) } else { Err(EntryError::Checksum { expected, got }) }
        }
        _ => Ok(None),
    }
}

fn open(bytes: &[u8], message: impl Buf) -> Result<SealedEntry, EntryError> {
    let app_hash = check_seal(bytes)?;
    let entry =
        ChangelogEntry::decode(message).map_err(|source| EntryError::Message { length: bytes.len(), source })?;
    Ok(SealedEntry { entry, app_hash })
}

fn split_seal(seal: &[u8; SEAL_BYTES]) -> (u32, AppHash) {
    let mut crc = [0; 4];
    crc.copy_from_slice(&seal[2..6]);
    let mut app_hash = [0; 32];
    app_hash.copy_from_slice(&seal[6..]);
    (u32::from_le_bytes(crc), app_hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{KvPair, NamedChangeSet};

    fn entry() -> ChangelogEntry {
        let changesets = vec![NamedChangeSet::new("evm", vec![KvPair::set("k", vec![7; 40]), KvPair::delete("gone")])];
        ChangelogEntry { version: 9, changesets, upgrades: vec![] }
    }

    #[test]
    fn a_sealed_entry_reads_back() {
        let opened = open_entry(&seal_entry(&entry(), [3; 32])).expect("opens");
        assert_eq!(opened, SealedEntry { entry: entry(), app_hash: Some([3; 32]) });
        assert_eq!(open_entry_in_place(&seal_entry(&entry(), [3; 32])), Ok(opened));
    }

    #[test]
    fn an_entry_of_the_reference_has_no_seal() {
        let opened = open_entry(&entry().encode_to_vec()).expect("opens");
        assert_eq!(opened, SealedEntry { entry: entry(), app_hash: None });
        assert_eq!(check_seal(&entry().encode_to_vec()), Ok(None));
        assert_eq!(check_seal(&seal_entry(&entry(), [3; 32])), Ok(Some([3; 32])));
    }

    #[test]
    fn each_flipped_byte_before_the_seals_checksum_is_noticed() {
        let sealed = seal_entry(&entry(), [3; 32]);
        for at in 0..sealed.len() - SEAL_BYTES {
            let mut damaged = sealed.to_vec();
            damaged[at] ^= 0x40;
            assert!(matches!(open_entry(&damaged), Err(EntryError::Checksum { .. })), "byte {at}");
        }
    }
}
