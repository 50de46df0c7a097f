//! The manifest: what an export is of, and the hashes of its chunks.
//!
//! ```text
//! magic "ferryexp" | u32 big endian format 1 | protobuf Manifest | BLAKE3 of all bytes before 32
//!
//! Manifest  1 height | 2 app hash | 3 CommitInfo | 4 memiavl's initial version | 5 whether memiavl is in it
//!           | 6 repeated ModuleCount moved so far | 7 chunk bytes | 8 stream bytes | 9 records | 10 repeated chunk hash
//! ```
//! The last 32 bytes name the export: with them equal, two nodes' chunks are the same, and some can come from either. All of
//! it follows from the chain's blocks, but for the chunk bytes, which nodes that serve each other's chunks must agree on.
//! The app hash vouches for all of the state; it does not for the counts of what has moved, which are for people.

use bytes::Bytes;
use changeset::{AppHash, CommitInfo, Hash, LATTICE_STORE, ModuleCount, StoreInfo, app_hash};
use prost::Message;

use crate::error::Error;
use crate::export::chunk::{Expected, FORMAT};

/// First bytes of a manifest.
const MAGIC: &[u8; 8] = b"ferryexp";
const HASH_BYTES: usize = 32;
/// The largest chunk that is taken: a chunk is held in memory, packed and unpacked.
pub const CHUNK_BYTES_MAX: u32 = 64 << 20;

/// What an export is of, and how its chunks are known.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The height of the block behind which the state stands.
    pub height: u64,
    /// The app hash of that block.
    pub app_hash: AppHash,
    /// The commit info that it is of.
    pub commit_info: CommitInfo,
    /// The version of memiavl's first commit; 0 when it is not set.
    pub initial_version: u32,
    /// Whether memiavl is part of the state.
    pub has_memiavl: bool,
    /// Keys that migrations have moved so far, per module. For people: the app hash does not vouch for them.
    pub moved: Vec<ModuleCount>,
    /// Bytes of each chunk's payload, the last one apart.
    pub chunk_bytes: u32,
    /// Bytes of all payloads.
    pub stream_bytes: u64,
    /// Records in the stream.
    pub records: u64,
    /// The hashes of the payloads.
    pub chunks: Vec<Hash>,
}

/// The manifest as it is written.
#[derive(Clone, PartialEq, prost::Message)]
struct Encoded {
    #[prost(uint64, tag = "1")]
    height: u64,
    #[prost(bytes = "bytes", tag = "2")]
    app_hash: Bytes,
    #[prost(message, optional, tag = "3")]
    commit_info: Option<CommitInfo>,
    #[prost(uint32, tag = "4")]
    initial_version: u32,
    #[prost(bool, tag = "5")]
    has_memiavl: bool,
    #[prost(message, repeated, tag = "6")]
    moved: Vec<ModuleCount>,
    #[prost(uint32, tag = "7")]
    chunk_bytes: u32,
    #[prost(uint64, tag = "8")]
    stream_bytes: u64,
    #[prost(uint64, tag = "9")]
    records: u64,
    #[prost(bytes = "bytes", repeated, tag = "10")]
    chunks: Vec<Bytes>,
}

impl Manifest {
    /// The manifest's bytes: a file, or the metadata that goes with an offer.
    pub fn encode(&self) -> Vec<u8> {
        let encoded = Encoded {
            height: self.height,
            app_hash: Bytes::copy_from_slice(&self.app_hash),
            commit_info: Some(self.commit_info.clone()),
            initial_version: self.initial_version,
            has_memiavl: self.has_memiavl,
            moved: self.moved.clone(),
            chunk_bytes: self.chunk_bytes,
            stream_bytes: self.stream_bytes,
            records: self.records,
            chunks: self.chunks.iter().map(|hash| Bytes::copy_from_slice(hash)).collect(),
        };
        let mut bytes = [MAGIC.as_slice(), &FORMAT.to_be_bytes()].concat();
        bytes.extend_from_slice(&encoded.encode_to_vec());
        let hash = blake3::hash(&bytes);
        bytes.extend_from_slice(hash.as_bytes());
        bytes
    }

    /// Reads a manifest. What it says of itself fits together then; whether its app hash is the chain's, only the chain
    /// can say.
    ///
    /// # Errors
    /// Other bytes, another format, damage, figures that contradict each other.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let damaged = |what| Error::Manifest { what };
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| damaged("it is no manifest of an export"))?;
        let (format, rest) = rest.split_first_chunk().ok_or_else(|| damaged("it is cut off"))?;
        let got = u32::from_be_bytes(*format);
        if got != FORMAT {
            return Err(Error::ExportFormat { expected: FORMAT, got });
        }
        let (encoded, hash) = rest.split_last_chunk::<HASH_BYTES>().ok_or_else(|| damaged("it is cut off"))?;
        if blake3::hash(&bytes[..bytes.len() - HASH_BYTES]).as_bytes() != hash {
            return Err(damaged("its checksum differs"));
        }
        let encoded = Encoded::decode(encoded).map_err(|_| damaged("it does not decode"))?;
        let hash_of = |bytes: &Bytes| Hash::try_from(bytes.as_ref()).map_err(|_| damaged("a hash has no 32 bytes"));
        let manifest = Self {
            height: encoded.height,
            app_hash: hash_of(&encoded.app_hash)?,
            commit_info: encoded.commit_info.ok_or_else(|| damaged("it has no commit info"))?,
            initial_version: encoded.initial_version,
            has_memiavl: encoded.has_memiavl,
            moved: encoded.moved,
            chunk_bytes: encoded.chunk_bytes,
            stream_bytes: encoded.stream_bytes,
            records: encoded.records,
            chunks: encoded.chunks.iter().map(hash_of).collect::<Result<_, _>>()?,
        };
        manifest.check().map_err(damaged)?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.height == 0 || self.commit_info.version.cast_unsigned() != self.height {
            return Err("its height is not its commit info's");
        }
        if app_hash(&self.commit_info) != self.app_hash {
            return Err("its app hash is not its commit info's");
        }
        if !(1..=CHUNK_BYTES_MAX).contains(&self.chunk_bytes) {
            return Err("its chunks are empty or too large");
        }
        let chunks = self.stream_bytes.div_ceil(self.chunk_bytes.into());
        if chunks == 0 || u32::try_from(chunks).is_err() || u64::try_from(self.chunks.len()) != Ok(chunks) {
            return Err("its number of chunks is not that of its bytes");
        }
        if self.trees().next().is_some() && !self.has_memiavl {
            return Err("its commit info has trees and it has none");
        }
        if !self.has_memiavl && !self.has_flatkv() {
            return Err("no store is in it");
        }
        Ok(())
    }

    /// What names the export: the BLAKE3 hash of the manifest, over the hashes of all chunks.
    pub fn hash(&self) -> Hash {
        // UNWRAP: an encoded manifest ends with its hash.
        *self.encode().last_chunk().expect("a manifest ends with its hash")
    }

    /// Fails unless the app hash is the one that the caller trusts.
    ///
    /// # Errors
    /// [`Error::AppHashUntrusted`].
    pub fn check_trusted(&self, expected: AppHash) -> Result<(), Error> {
        if expected == self.app_hash {
            return Ok(());
        }
        Err(Error::AppHashUntrusted { height: self.height, expected, got: self.app_hash })
    }

    /// The version of the format of chunks and stream.
    pub fn format(&self) -> u32 {
        FORMAT
    }

    /// The number of chunks.
    pub fn chunk_count(&self) -> u32 {
        // UNWRAP: a manifest is made or read with a number of chunks that was found to have 32 bits.
        u32::try_from(self.chunks.len()).expect("a number of chunks has 32 bits")
    }

    /// Whether FlatKV is part of the state: it is from the block on that has its root in the commit info.
    pub fn has_flatkv(&self) -> bool {
        self.lattice().is_some()
    }

    /// FlatKV's store in the commit info.
    pub(crate) fn lattice(&self) -> Option<&StoreInfo> {
        self.commit_info.store_infos.iter().find(|store| store.name == LATTICE_STORE)
    }

    /// memiavl's trees in the commit info.
    pub(crate) fn trees(&self) -> impl Iterator<Item = &StoreInfo> {
        self.commit_info.store_infos.iter().filter(|store| store.name != LATTICE_STORE)
    }

    /// What chunk `index` must be; none behind the last.
    pub(crate) fn expected(&self, index: u32) -> Option<Expected> {
        let hash = *self.chunks.get(usize::try_from(index).ok()?)?;
        let before = u64::from(index) * u64::from(self.chunk_bytes);
        let payload_bytes = u32::try_from(self.stream_bytes.checked_sub(before)?.min(self.chunk_bytes.into())).ok()?;
        Some(Expected { height: self.height, index, payload_bytes, hash })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let commit_info = CommitInfo::new(7, [("bank", [1; 32]), (LATTICE_STORE, [2; 32])]);
        Manifest {
            height: 7,
            app_hash: app_hash(&commit_info),
            commit_info,
            initial_version: 0,
            has_memiavl: true,
            moved: vec![ModuleCount { module: "evm".into(), keys: 3 }],
            chunk_bytes: 100,
            stream_bytes: 250,
            records: 9,
            chunks: vec![[1; 32], [2; 32], [3; 32]],
        }
    }

    #[test]
    fn a_manifest_survives_its_bytes_and_every_flipped_bit_is_refused() {
        let bytes = manifest().encode();
        assert_eq!(Manifest::decode(&bytes).expect("decodes"), manifest());
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::decode(&damaged).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(Manifest::decode(&bytes[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn figures_that_contradict_each_other_are_refused() {
        let check = |change: fn(&mut Manifest)| {
            let mut changed = manifest();
            change(&mut changed);
            let error = Manifest::decode(&changed.encode()).expect_err("refused");
            assert!(matches!(error, Error::Manifest { .. }), "{error:?}");
        };
        check(|manifest| manifest.height = 8);
        check(|manifest| manifest.app_hash[0] ^= 1);
        check(|manifest| manifest.commit_info.store_infos[0].name = "acc".into());
        check(|manifest| manifest.chunk_bytes = 0);
        check(|manifest| manifest.chunk_bytes = CHUNK_BYTES_MAX + 1);
        check(|manifest| manifest.stream_bytes = u64::MAX);
        check(|manifest| manifest.stream_bytes = 301);
        check(|manifest| manifest.chunks.truncate(2));
        check(|manifest| manifest.has_memiavl = false);
    }

    #[test]
    fn the_last_chunk_has_what_is_left() {
        let lengths: Vec<_> = (0..4).map(|index| manifest().expected(index).map(|chunk| chunk.payload_bytes)).collect();
        assert_eq!(lengths, [Some(100), Some(100), Some(50), None]);
    }
}
