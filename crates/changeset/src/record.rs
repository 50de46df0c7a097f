//! What a block leaves in the new store beside its rows: the commit point's whole content.

use bytes::Bytes;

use crate::commit_info::AppHash;
use crate::message::CommitInfo;

/// The exact changelog entry that the old store must append for a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handoff {
    /// The block's height.
    pub version: u64,
    /// The entry's bytes, seal included.
    pub entry: Bytes,
}

/// How many keys of a module have moved.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ModuleCount {
    /// The module.
    #[prost(string, tag = "1")]
    pub module: String,
    /// Its keys.
    #[prost(uint64, tag = "2")]
    pub keys: u64,
}

/// One line of the migration's journal: what a block moved.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct JournalLine {
    /// The block's height.
    #[prost(uint64, tag = "1")]
    pub height: u64,
    /// The migration's version after the block.
    #[prost(uint64, tag = "2")]
    pub version: u64,
    /// The boundary record after the block; empty when there is none.
    #[prost(bytes = "bytes", tag = "3")]
    pub boundary: Bytes,
    /// Keys moved.
    #[prost(uint64, tag = "4")]
    pub keys: u64,
    /// Their key bytes.
    #[prost(uint64, tag = "5")]
    pub key_bytes: u64,
    /// Their value bytes.
    #[prost(uint64, tag = "6")]
    pub value_bytes: u64,
    /// FlatKV's root after the block.
    #[prost(bytes = "bytes", tag = "7")]
    pub root: Bytes,
    /// The app hash after the block.
    #[prost(bytes = "bytes", tag = "8")]
    pub app_hash: Bytes,
    /// Keys moved so far, this block included, per module in name order, over all migrations.
    #[prost(message, repeated, tag = "9")]
    pub moved: Vec<ModuleCount>,
}

/// What the new store writes with a block's rows, in the same batch.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockRecord {
    /// The block's height: the new store's last version + 1, or the seeded one.
    pub height: u64,
    /// The block's commit info.
    pub commit_info: CommitInfo,
    /// The app hash over it.
    pub app_hash: AppHash,
    /// What the old store must append; none once it rests.
    pub handoff: Option<Handoff>,
    /// The journal's line.
    pub journal: JournalLine,
    /// Up to which height the changelog is known to be on disk; handoffs up to here may go.
    pub changelog_synced: u64,
    /// Whether nothing needs the old store any more once this block is committed.
    pub retires_old: bool,
    /// How many blocks of undo records, journal and commit infos to keep.
    pub rollback_blocks: u64,
}
