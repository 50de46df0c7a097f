//! The undo record of a block: what its rows and lattice entries were before it.
//!
//! ```text
//! record    u32 big endian count | entry × count | u32 big endian count | row × count | seal
//! entry     lane u8 | module (bytes) | was present u8 | lattice entry, see lattice.rs (bytes; none if it was absent)
//! row       lane u8 | physical key (bytes) | was present u8 | row (bytes; none if it was absent)
//! bytes     u32 big endian length | the bytes
//! seal      u32 big endian CRC32C of all that stands before it
//! ```
//! No hash of the store covers a record until it is needed, and then what it says becomes the store's rows. RocksDB's own
//! checksums guard its bytes on disk; the seal guards them on the way there and back.

use std::sync::Arc;

use crate::block::{Block, Pending};
use crate::codec::{Fields, put_bytes};
use crate::error::{FlatKvError, Result};
use crate::key::Key;
use crate::lane::Lane;
use crate::lattice::{Entry, Lattices, Part};

const RECORD: &str = "undo";
const SEAL_BYTES: usize = 4;
/// What a row takes at most beside its bytes.
const ROW_OVERHEAD_BYTES: usize = 10;
/// About what an entry takes.
const ENTRY_BYTES: usize = lthash::STATE_BYTES + 64;

/// An undo record, read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct UndoRecord<'a> {
    pub(crate) entries: Vec<(Part, Option<Entry>)>,
    pub(crate) rows: Vec<UndoRow<'a>>,
}

/// A row as it was before the block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UndoRow<'a> {
    pub(crate) lane: Lane,
    pub(crate) key: &'a [u8],
    pub(crate) row: Option<&'a [u8]>,
}

/// The record that undoes `block` over the committed `before`.
pub(crate) fn encode(block: &Block, before: &Lattices) -> Vec<u8> {
    let rows = || {
        let rows = block.overlay().iter().flat_map(|(lane, rows)| rows.iter().map(move |row| (lane, row)));
        // A row that was not there and is not there is nothing to undo.
        rows.filter(|(_, (_, pending))| pending.committed.is_some() || pending.now.is_some())
    };
    let row_bytes = |(_, (key, pending)): (_, (&Key, &Pending))| {
        ROW_OVERHEAD_BYTES + key.len() + pending.committed.as_ref().map_or(0, |row| row.len())
    };
    let entries: Vec<_> = block.lattices().changed(before).collect();
    let mut out = Vec::with_capacity(rows().map(row_bytes).sum::<usize>() + entries.len() * ENTRY_BYTES);
    put_count(&mut out, entries.len());
    for (part, _, old) in entries {
        out.push(part.0.number());
        put_bytes(&mut out, part.1.as_bytes());
        put_optional(&mut out, old.map(Entry::encode).as_deref());
    }
    put_count(&mut out, rows().count());
    for (lane, (key, pending)) in rows() {
        out.push(lane.number());
        put_bytes(&mut out, key);
        put_optional(&mut out, pending.committed.as_deref());
    }
    out.extend_from_slice(&crc32c::crc32c(&out).to_be_bytes());
    out
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    // UNWRAP: a block's rows are in memory, with more than a byte each, and its bytes are limited before it comes here.
    let count = u32::try_from(count).expect("a block has fewer than 2^32 rows");
    out.extend_from_slice(&count.to_be_bytes());
}

fn put_optional(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    out.push(u8::from(bytes.is_some()));
    if let Some(bytes) = bytes {
        put_bytes(out, bytes);
    }
}

/// Reads a record, whose seal must fit. Counts are not trusted with memory: the vectors grow as items are found.
pub(crate) fn decode(bytes: &[u8]) -> Result<UndoRecord<'_>> {
    let wrong = FlatKvError::Record { record: RECORD, at: bytes.len().saturating_sub(SEAL_BYTES) };
    let Some((bytes, seal)) = bytes.split_last_chunk::<SEAL_BYTES>() else { return Err(wrong) };
    if crc32c::crc32c(bytes) != u32::from_be_bytes(*seal) {
        return Err(wrong);
    }
    let mut fields = Fields::new(RECORD, bytes);
    let mut record = UndoRecord::default();
    for _ in 0..fields.u32()? {
        let lane = lane(&mut fields)?;
        let wrong = fields.wrong();
        let module: Arc<str> = std::str::from_utf8(fields.bytes()?).map_err(|_| wrong)?.into();
        let entry = optional(&mut fields)?.map(Entry::decode).transpose()?;
        record.entries.push(((lane, module), entry));
    }
    for _ in 0..fields.u32()? {
        let lane = lane(&mut fields)?;
        let (key, row) = (fields.bytes()?, optional(&mut fields)?);
        record.rows.push(UndoRow { lane, key, row });
    }
    fields.end()?;
    Ok(record)
}

fn lane(fields: &mut Fields<'_>) -> Result<Lane> {
    let wrong = fields.wrong();
    Lane::from_number(fields.u8()?).ok_or(wrong)
}

fn optional<'a>(fields: &mut Fields<'a>) -> Result<Option<&'a [u8]>> {
    if fields.flag()? { fields.bytes().map(Some) } else { Ok(None) }
}
