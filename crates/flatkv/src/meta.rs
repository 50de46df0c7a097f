//! The metadata column family: its keys and their values.
//!
//! ```text
//! version                        u64 big endian: the last committed height
//! first                          u64 big endian: the height of the first block
//! changelog_synced               u64 big endian: up to where the old store's changelog is known to be on disk
//! lattice/ | lane u8 | module    state 2048 | u64 rows | u64 bytes, see lattice.rs
//! block/ | u64 big endian height app hash 32 | root 32 | u64 big endian height of the last handoff, 0: none | CommitInfo
//! retired                        u64 big endian: the block since which nothing needs the old store
//! left_to_os                     u64 big endian: the last block when commits began to be left to the operating system
//! rollback_to                    u64 big endian: where a rollback under way leads
//! imported                       CommitInfo: the last import's height, and the roots of the stores as it left them
//! ```
//! The format version is not here but in the name of a column family, so that it is known without a write-ahead log being
//! replayed.

use std::sync::Arc;

use changeset::{AppHash, CommitInfo, Hash};
use prost::Message;

use crate::codec::Fields;
use crate::error::{FlatKvError, Result};
use crate::lane::Lane;
use crate::lattice::Part;

pub(crate) const VERSION: &[u8] = b"version";
pub(crate) const FIRST: &[u8] = b"first";
pub(crate) const CHANGELOG_SYNCED: &[u8] = b"changelog_synced";
pub(crate) const RETIRED: &[u8] = b"retired";
pub(crate) const LEFT_TO_OS: &[u8] = b"left_to_os";
pub(crate) const ROLLBACK_TO: &[u8] = b"rollback_to";
pub(crate) const IMPORTED: &[u8] = b"imported";
pub(crate) const LATTICE_PREFIX: &[u8] = b"lattice/";
const BLOCK_PREFIX: &[u8] = b"block/";

/// The key of a lane's and module's entry.
pub(crate) fn lattice_key(part: &Part) -> Vec<u8> {
    [LATTICE_PREFIX, &[part.0.number()], part.1.as_bytes()].concat()
}

/// The lane and module that a key of an entry names.
pub(crate) fn lattice_part(key: &[u8]) -> Result<Part> {
    let wrong = || FlatKvError::Record { record: "lattice key", at: 0 };
    let (number, module) = key.strip_prefix(LATTICE_PREFIX).and_then(|rest| rest.split_first()).ok_or_else(wrong)?;
    let lane = Lane::from_number(*number).ok_or_else(wrong)?;
    let module = std::str::from_utf8(module).map_err(|_| wrong())?;
    Ok((lane, Arc::from(module)))
}

/// The key of a block's record.
pub(crate) fn block_key(height: u64) -> Vec<u8> {
    [BLOCK_PREFIX, &height.to_be_bytes()].concat()
}

/// What is kept of a block.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredBlock {
    pub(crate) app_hash: AppHash,
    /// The root over all rows after the block.
    pub(crate) root: Hash,
    /// The height of the last block that had a handoff, this one or an earlier one.
    pub(crate) last_handoff: Option<u64>,
    pub(crate) commit_info: CommitInfo,
}

impl StoredBlock {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = [self.app_hash, self.root].concat();
        bytes.extend_from_slice(&self.last_handoff.unwrap_or_default().to_be_bytes());
        bytes.extend_from_slice(&self.commit_info.encode_to_vec());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut fields = Fields::new("block", bytes);
        let (app_hash, root) = (*fields.array()?, *fields.array()?);
        let last_handoff = Some(fields.u64()?).filter(|height| *height != 0);
        let wrong = fields.wrong();
        let commit_info = CommitInfo::decode(fields.rest()).map_err(|_| wrong)?;
        Ok(Self { app_hash, root, last_handoff, commit_info })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_survives_its_bytes() {
        for last_handoff in [None, Some(7)] {
            let commit_info = CommitInfo::new(7, [("evm", [3; 32])]);
            let block = StoredBlock { app_hash: [9; 32], root: [8; 32], last_handoff, commit_info };
            assert_eq!(StoredBlock::decode(&block.encode()).expect("decodes"), block);
        }
    }

    #[test]
    fn an_entrys_key_names_its_lane_and_module() {
        let part: Part = (Lane::Storage, "evm".into());
        assert_eq!(lattice_part(&lattice_key(&part)).expect("decodes"), part);
        for key in [b"lattice/".as_slice(), b"lattice/\x09evm", b"lattice/\x00\xff", b"other"] {
            assert!(lattice_part(key).is_err());
        }
    }

    #[test]
    fn keys_of_blocks_sort_by_height() {
        assert!(block_key(255) < block_key(256));
    }
}
