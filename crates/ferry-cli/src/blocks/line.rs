//! One line of a recording: a block to run, and what the recorder saw after it.
//!
//! ```text
//! a node's life    height, write_mode, batch_size, flushes [[{store, pairs [{k, v | delete}]}]], commit_info
//!                  [{name, hash}], app_hash; once FlatKV exists flatkv_root, boundary, migration_version; reads
//!                  [{store, k, v | null}], scans [{store, start, end, ascending, count, sha256}]
//! memiavl alone    height, upgrades [{name, rename_from, delete}], changesets, commit_info with versions, app_hash
//! ```
//! Bytes are hex. What a node's life leaves out (root, boundary, version) must be absent on the node too.

use std::path::Path;

use bytes::Bytes;
use ferry::{Hash, KvPair, Mode, NamedChangeSet, ScanOrder, ScanRange, TreeNameUpgrade};
use serde::Deserialize;

use super::error::BlocksError;
use super::hexed::{Hexed, HexedHash};

/// A recorded block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) height: u64,
    pub(crate) chain: Chain,
    /// The upgrades of the set of trees, before the changes.
    pub(crate) upgrades: Vec<TreeNameUpgrade>,
    pub(crate) flushes: Vec<Vec<NamedChangeSet>>,
    pub(crate) expected: Expected,
}

/// Which kind of recording the block is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chain {
    /// A node's life through the migrations.
    Life { mode: Mode, batch_size: u64 },
    /// memiavl alone.
    Memiavl,
}

impl Chain {
    /// Whether both are of the same kind of recording.
    pub(super) fn same_kind(self, other: Self) -> bool {
        matches!((self, other), (Self::Life { .. }, Self::Life { .. }) | (Self::Memiavl, Self::Memiavl))
    }
}

/// What the recorder saw after the block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) stores: Vec<StoreHash>,
    pub(crate) app_hash: Hash,
    pub(crate) root: Option<Hash>,
    pub(crate) boundary: Option<Bytes>,
    pub(crate) version: Option<Bytes>,
    pub(crate) reads: Vec<ReadCheck>,
    pub(crate) scans: Vec<ScanCheck>,
}

/// A store of the commit info; the version only where it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoreHash {
    pub(crate) name: String,
    pub(crate) hash: Hash,
    pub(crate) version: Option<i64>,
}

/// A point read and its answer; none = not found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadCheck {
    pub(crate) store: String,
    pub(crate) key: Bytes,
    pub(crate) value: Option<Bytes>,
}

/// A scan, the number of its rows, and SHA-256 over uvarint(len) ‖ key ‖ uvarint(len) ‖ value of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScanCheck {
    pub(crate) store: String,
    pub(crate) range: ScanRange,
    pub(crate) order: ScanOrder,
    pub(crate) count: u64,
    pub(crate) sha256: Hash,
}

#[derive(Deserialize)]
struct RawLine {
    height: u64,
    write_mode: Option<String>,
    #[serde(default)]
    batch_size: i64,
    flushes: Option<Vec<Option<Vec<RawChanges>>>>,
    changesets: Option<Vec<RawChanges>>,
    upgrades: Option<Vec<RawUpgrade>>,
    commit_info: Vec<RawStore>,
    app_hash: HexedHash,
    flatkv_root: Option<HexedHash>,
    boundary: Option<Hexed>,
    migration_version: Option<Hexed>,
    reads: Option<Vec<RawRead>>,
    scans: Option<Vec<RawScan>>,
}

#[derive(Deserialize)]
struct RawChanges {
    store: String,
    pairs: Option<Vec<RawPair>>,
}

#[derive(Deserialize)]
struct RawPair {
    k: Hexed,
    v: Option<Hexed>,
    #[serde(default)]
    delete: bool,
}

#[derive(Deserialize)]
struct RawUpgrade {
    name: String,
    #[serde(default)]
    rename_from: String,
    #[serde(default)]
    delete: bool,
}

#[derive(Deserialize)]
struct RawStore {
    name: String,
    hash: HexedHash,
    version: Option<i64>,
}

#[derive(Deserialize)]
struct RawRead {
    store: String,
    k: Hexed,
    v: Option<Hexed>,
}

#[derive(Deserialize)]
struct RawScan {
    store: String,
    #[serde(default = "no_bytes")]
    start: Hexed,
    #[serde(default = "no_bytes")]
    end: Hexed,
    ascending: bool,
    count: u64,
    sha256: HexedHash,
}

fn no_bytes() -> Hexed {
    Hexed(Bytes::new())
}

/// Where a line stands, for its errors.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) path: &'a Path,
    pub(super) line: u64,
}

/// Reads one line.
pub(super) fn parse(text: &[u8], place: Place<'_>) -> Result<Block, BlocksError> {
    let Place { path, line } = place;
    let raw: RawLine =
        serde_json::from_slice(text).map_err(|source| BlocksError::Json { path: path.to_owned(), line, source })?;
    let kind_error = || BlocksError::Kind { path: path.to_owned(), line };
    let (chain, raw_flushes) = match (raw.write_mode, raw.flushes, raw.changesets) {
        (Some(name), Some(flushes), None) => {
            let mode = name.parse().map_err(|source| BlocksError::Mode { path: path.to_owned(), line, source })?;
            // A negative batch size counts as 0, as on the chain.
            let batch_size = u64::try_from(raw.batch_size).unwrap_or(0);
            (Chain::Life { mode, batch_size }, flushes.into_iter().map(Option::unwrap_or_default).collect())
        }
        (None, None, changesets) => (Chain::Memiavl, vec![changesets.ok_or_else(kind_error)?]),
        _ => return Err(kind_error()),
    };
    let flushes = raw_flushes
        .into_iter()
        .map(|flush| flush.into_iter().map(|changes| change_set(changes, place)).collect())
        .collect::<Result<_, _>>()?;
    let upgrades = raw.upgrades.unwrap_or_default().into_iter();
    Ok(Block {
        height: raw.height,
        chain,
        upgrades: upgrades
            .map(|raw| TreeNameUpgrade { name: raw.name, rename_from: raw.rename_from, delete: raw.delete })
            .collect(),
        flushes,
        expected: Expected {
            stores: raw.commit_info.into_iter().map(StoreHash::from).collect(),
            app_hash: raw.app_hash.0,
            root: raw.flatkv_root.map(|root| root.0),
            boundary: raw.boundary.map(|record| record.0),
            version: raw.migration_version.map(|record| record.0),
            reads: raw.reads.unwrap_or_default().into_iter().map(ReadCheck::from).collect(),
            scans: raw.scans.unwrap_or_default().into_iter().map(ScanCheck::from).collect(),
        },
    })
}

fn change_set(raw: RawChanges, place: Place<'_>) -> Result<NamedChangeSet, BlocksError> {
    let pairs = raw.pairs.unwrap_or_default().into_iter().map(|pair| match (pair.v, pair.delete) {
        (Some(value), false) => Ok(KvPair::set(pair.k.0, value.0)),
        (None, true) => Ok(KvPair::delete(pair.k.0)),
        _ => Err(BlocksError::Pair {
            path: place.path.to_owned(),
            line: place.line,
            store: raw.store.clone(),
            key: hex::encode(&pair.k.0),
        }),
    });
    Ok(NamedChangeSet::new(raw.store.clone(), pairs.collect::<Result<_, _>>()?))
}

impl From<RawStore> for StoreHash {
    fn from(raw: RawStore) -> Self {
        Self { name: raw.name, hash: raw.hash.0, version: raw.version }
    }
}

impl From<RawRead> for ReadCheck {
    fn from(raw: RawRead) -> Self {
        Self { store: raw.store, key: raw.k.0, value: raw.v.map(|value| value.0) }
    }
}

impl From<RawScan> for ScanCheck {
    fn from(raw: RawScan) -> Self {
        // An empty bound is an open one.
        let bound = |bytes: Bytes| (!bytes.is_empty()).then_some(bytes);
        Self {
            store: raw.store,
            range: ScanRange { start: bound(raw.start.0), end: bound(raw.end.0) },
            order: if raw.ascending { ScanOrder::Ascending } else { ScanOrder::Descending },
            count: raw.count,
            sha256: raw.sha256.0,
        }
    }
}
