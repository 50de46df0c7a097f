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
    /// The boundary record before the block; empty when there was none. Older lines have none of this and what follows.
    #[prost(bytes = "bytes", tag = "10")]
    pub boundary_from: Bytes,
    /// The sum over the entries that left the old store, see [`EntrySum`](crate::EntrySum). Entries that a caller's write in
    /// the same flush replaced are in neither sum.
    #[prost(bytes = "bytes", tag = "11")]
    pub left: Bytes,
    /// The sum over the entries that entered the new store.
    #[prost(bytes = "bytes", tag = "12")]
    pub entered: Bytes,
    /// When the block was about to be committed, in milliseconds since 1970 by this machine's clock. No hash has it.
    #[prost(uint64, tag = "13")]
    pub unix_ms: u64,
    /// How long this machine worked on the block before that, in microseconds. No hash has it.
    #[prost(uint64, tag = "14")]
    pub work_us: u64,
}

impl JournalLine {
    /// What two nodes must have in common: the line without what this machine's clock says.
    #[must_use]
    pub fn without_time(&self) -> Self {
        Self { unix_ms: 0, work_us: 0, ..self.clone() }
    }
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

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[test]
    fn a_line_without_the_later_fields_decodes_and_one_without_time_keeps_the_rest() {
        // As lines were written before they had sums: height 7, version 1, 3 keys, an app hash.
        let older = [&[0x08, 7, 0x10, 1, 0x20, 3, 0x42, 4][..], b"hash"].concat();
        let line = JournalLine::decode(older.as_slice()).expect("decodes");
        assert_eq!((line.height, line.version, line.keys, line.app_hash.as_ref()), (7, 1, 3, &b"hash"[..]));
        assert_eq!((line.left.len(), line.entered.len(), line.boundary_from.len(), line.unix_ms), (0, 0, 0, 0));
        let timed = JournalLine { unix_ms: 5, work_us: 6, ..line.clone() };
        assert_eq!(timed.without_time(), line);
    }
}
