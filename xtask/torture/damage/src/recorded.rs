//! The memiavl directory of a reference node: a snapshot at height 8, and a changelog without checksums up to 12.
//!
//! Its segment is cut in front, to the entries behind the snapshot: what lies before is never replayed.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use ferry::{BatchLimit, KvPair, NamedChangeSet, Options, View};
use serde_json::Value;

use crate::script::Block;

/// The snapshot's height.
const FIRST: u64 = 8;
/// The last height that belongs to the directory.
pub(crate) const LAST: u64 = 12;
const SNAPSHOT: &str = "snapshot-00000000000000000008";

/// The recorded life, which the program's own tests replay too.
fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../crates/ferry-cli/fixtures/small")
}

pub(crate) fn options() -> Options {
    Options { batch: BatchLimit::keys(0), block_cache_bytes: 1 << 20, memtable_bytes: 1 << 20, ..Options::default() }
}

fn recording() -> Result<Vec<Value>> {
    let packed = fs::read(fixture().join("blocks.jsonl.gz")).context("the recorded life is missing")?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text)?;
    let heights = FIRST + 1..=LAST;
    let lines = text.lines().map(serde_json::from_str::<Value>).collect::<Result<Vec<_>, _>>()?;
    Ok(lines
        .into_iter()
        .filter(|line| line["height"].as_u64().is_some_and(|height| heights.contains(&height)))
        .collect())
}

fn bytes(value: &Value) -> Result<Bytes> {
    Ok(hex::decode(value.as_str().context("hex")?)?.into())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn change_set(recorded: &Value) -> Result<NamedChangeSet> {
    let pairs = list(&recorded["pairs"]).iter().map(|pair| match pair.get("delete") {
        Some(_) => Ok(KvPair::delete(bytes(&pair["k"])?)),
        None => Ok(KvPair::set(bytes(&pair["k"])?, bytes(&pair["v"])?)),
    });
    Ok(NamedChangeSet::new(recorded["store"].as_str().context("a store")?, pairs.collect::<Result<_>>()?))
}

pub(crate) fn blocks() -> Result<Vec<Block>> {
    let block = |line: &Value| {
        let flush = |flush: &Value| list(flush).iter().map(change_set).collect::<Result<Vec<_>>>();
        Ok(Block {
            height: line["height"].as_u64().context("a height")?,
            mode: line["write_mode"].as_str().context("a mode")?.parse()?,
            batch: 0,
            flushes: list(&line["flushes"]).iter().map(flush).collect::<Result<_>>()?,
        })
    };
    recording()?.iter().map(block).collect()
}

/// Lays the snapshot out below `home`, without a log behind it.
pub(crate) fn begin(home: &Path) -> Result<PathBuf> {
    let memiavl = home.join("data/state_commit/memiavl");
    crate::homes::copy(&fixture().join("memiavl").join(SNAPSHOT), &memiavl.join(SNAPSHOT))?;
    std::os::unix::fs::symlink(SNAPSHOT, memiavl.join("current"))?;
    fs::create_dir(memiavl.join("changelog"))?;
    Ok(memiavl)
}

/// Lays the directory out with its log up to `last`.
pub(crate) fn with_log(home: &Path, last: u64) -> Result<()> {
    let memiavl = begin(home)?;
    let log = fs::read(fixture().join("memiavl/changelog/00000000000000000001"))?;
    let mut rest = log.as_slice();
    let (mut entries, mut height) = (Vec::new(), 0);
    while !rest.is_empty() && height < last {
        let (length, prefix) = crate::classes::uvarint(rest).context("a length")?;
        let (entry, after) = rest.split_at_checked(prefix + length).context("an entry")?;
        height += 1;
        if height > FIRST {
            entries.extend_from_slice(entry);
        }
        rest = after;
    }
    Ok(fs::write(memiavl.join(format!("changelog/{:020}", FIRST + 1)), entries)?)
}

/// Compares an undisturbed view with what the reference recorded.
pub(crate) fn compare(block: &Block, view: &View) -> Result<()> {
    let recording = recording()?;
    let line = recording.iter().find(|line| line["height"] == block.height).context("a recorded height")?;
    ensure!(line["app_hash"] == hex::encode(view.app_hash()), "the undisturbed run differs from the recording");
    Ok(())
}
