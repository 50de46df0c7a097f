//! The protobuf messages of the changelog, the snapshot metadata and the commit info (proto3; spec FORMATS, messages).
//!
//! ```text
//! KVPair            1 delete bool, 2 key bytes, 3 value bytes
//! ChangeSet         1 repeated KVPair pairs
//! NamedChangeSet    1 ChangeSet changeset (always written, even empty), 2 name
//! TreeNameUpgrade   1 name, 2 rename_from, 3 delete bool
//! ChangelogEntry    1 int64 version, 2 repeated NamedChangeSet, 3 repeated TreeNameUpgrade, 15 ferry's seal
//! CommitID          1 int64 version, 2 bytes hash
//! StoreInfo         1 name, 2 CommitID (always written)
//! CommitInfo        1 int64 version, 2 repeated StoreInfo
//! MultiTreeMetadata 1 CommitInfo, 2 int64 initial_version
//! ```

use bytes::Bytes;

/// One change of one key. A delete is the flag alone: an empty value is a legal value.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct KvPair {
    /// Whether the key goes.
    #[prost(bool, tag = "1")]
    pub delete: bool,
    /// The key.
    #[prost(bytes = "bytes", tag = "2")]
    pub key: Bytes,
    /// The new value; meaningless when `delete` is set.
    #[prost(bytes = "bytes", tag = "3")]
    pub value: Bytes,
}

impl KvPair {
    /// A pair that sets `key` to `value`.
    pub fn set(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        Self { delete: false, key: key.into(), value: value.into() }
    }

    /// A pair that deletes `key`.
    pub fn delete(key: impl Into<Bytes>) -> Self {
        Self { delete: true, key: key.into(), value: Bytes::new() }
    }
}

/// A list of changes.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ChangeSet {
    /// The changes, in the order in which they apply.
    #[prost(message, repeated, tag = "1")]
    pub pairs: Vec<KvPair>,
}

/// The changes of one store.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct NamedChangeSet {
    /// The changes.
    #[prost(message, required, tag = "1")]
    pub changeset: ChangeSet,
    /// The store's name.
    #[prost(string, tag = "2")]
    pub name: String,
}

impl NamedChangeSet {
    /// The changes `pairs` of store `name`.
    pub fn new(name: impl Into<String>, pairs: Vec<KvPair>) -> Self {
        Self { changeset: ChangeSet { pairs }, name: name.into() }
    }

    /// The changes, in the order in which they apply.
    pub fn pairs(&self) -> &[KvPair] {
        &self.changeset.pairs
    }
}

/// A change of the set of trees: add `name`, rename `rename_from` to `name`, or delete `name`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TreeNameUpgrade {
    /// The tree's name, after the upgrade.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The tree's old name when it is renamed, else empty.
    #[prost(string, tag = "2")]
    pub rename_from: String,
    /// Whether the tree goes.
    #[prost(bool, tag = "3")]
    pub delete: bool,
}

/// One block's entry in the changelog.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ChangelogEntry {
    /// The version that the entry leads to.
    #[prost(int64, tag = "1")]
    pub version: i64,
    /// The changes, at most one set per store, in the order in which the stores were first written.
    #[prost(message, repeated, tag = "2")]
    pub changesets: Vec<NamedChangeSet>,
    /// The upgrades; they apply before the changes.
    #[prost(message, repeated, tag = "3")]
    pub upgrades: Vec<TreeNameUpgrade>,
}

/// A store's version and root hash.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CommitId {
    /// The store's version.
    #[prost(int64, tag = "1")]
    pub version: i64,
    /// The store's root hash.
    #[prost(bytes = "bytes", tag = "2")]
    pub hash: Bytes,
}

/// A store's name with its version and root hash.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StoreInfo {
    /// The store's name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The store's version and root hash.
    #[prost(message, required, tag = "2")]
    pub commit_id: CommitId,
}

/// The hashes of all stores after a block.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CommitInfo {
    /// The block's height.
    #[prost(int64, tag = "1")]
    pub version: i64,
    /// The stores: memiavl's trees in name order, then FlatKV's root.
    #[prost(message, repeated, tag = "2")]
    pub store_infos: Vec<StoreInfo>,
}

/// The `__metadata` of a memiavl snapshot.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct MultiTreeMetadata {
    /// The commit info at the snapshot's version.
    #[prost(message, optional, tag = "1")]
    pub commit_info: Option<CommitInfo>,
    /// The chain's initial version.
    #[prost(int64, tag = "2")]
    pub initial_version: i64,
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[test]
    fn an_empty_changeset_is_written() {
        assert_eq!(NamedChangeSet::new("a", vec![]).encode_to_vec(), [0x0a, 0, 0x12, 1, b'a']);
    }

    #[test]
    fn a_fresh_snapshots_metadata_is_two_bytes() {
        let metadata = MultiTreeMetadata { commit_info: Some(CommitInfo::default()), initial_version: 0 };
        assert_eq!(metadata.encode_to_vec(), [0x0a, 0]);
    }

    #[test]
    fn an_empty_value_survives_and_is_no_delete() {
        let pair = KvPair::set("k", "");
        let decoded = KvPair::decode(pair.encode_to_vec().as_slice()).expect("decodes");
        assert_eq!(decoded, pair);
        assert!(!decoded.delete);
    }
}
