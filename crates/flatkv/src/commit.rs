//! The commit point: everything that a block leaves, in one batch.

use changeset::BlockRecord;
use prost::Message;
use rocksdb::WriteBatch;

use crate::error::Result;
use crate::meta::{self, StoredBlock};
use crate::options::{self, Durability, Family};
use crate::source::Source;
use crate::store::FlatKv;
use crate::undo;
use crate::view::{Progress, Span, View};

/// How often old records are dropped, in blocks. A range delete costs every later read of its family a little until a
/// compaction takes it away, so it is worth waiting for a range that is worth it.
pub(crate) const PRUNE_INTERVAL_BLOCKS: u64 = 64;
/// How often old handoffs are dropped, in blocks. They are large, needed for a few blocks, and read by an opening alone: what is
/// dropped while it is in memory is never written to a file.
pub(crate) const HANDOFF_INTERVAL_BLOCKS: u64 = 8;

/// What a batch may take for a row beside its bytes.
const ROW_OVERHEAD_BYTES: usize = 16;
/// What a batch may take for metadata.
const METADATA_BYTES: usize = 16 << 10;

/// Writes the block in work and `record`, whose height is the next one, in one batch, and starts the next block.
pub(crate) fn commit(store: &mut FlatKv, record: &BlockRecord) -> Result<()> {
    let progress = progress(store, record);
    let batch = batch(store, record, &progress);
    // Two blocks are on disk before anything follows, also where blocks are left to the operating system. The first: the old
    // store's log has it too, and without a store behind it nothing says that it is too much. And the one that retires the old
    // store, whose directory goes next.
    let is_relied_on = store.view.span().is_none() || record.retires_old;
    let write = options::write(if is_relied_on { Durability::Sync } else { store.durability });
    store.database.db.write_opt(batch, &write).map_err(|error| store.database.error("commit", error))?;

    let rows = store.view.row_cache().cloned();
    if let Some(rows) = &rows {
        rows.commit(record.height, store.block.overlay());
    }
    let source = Source::snapshot(store.database.clone());
    store.publish(View::new(source, progress, store.block.lattices().clone(), rows));
    Ok(())
}

/// How far the stores are after the block.
fn progress(store: &FlatKv, record: &BlockRecord) -> Progress {
    let first = store.view.span().map_or(record.height, |span| span.first);
    Progress {
        span: Some(Span { first, last: record.height }),
        // What is on disk stays on disk, whatever a caller says later: handoffs may be gone up to there.
        changelog_synced: record.changelog_synced.max(store.view.changelog_synced()),
        last_handoff: record.handoff.as_ref().map(|_| record.height).or(store.view.last_handoff()),
    }
}

fn batch(store: &FlatKv, record: &BlockRecord, progress: &Progress) -> WriteBatch {
    let undo = undo::encode(&store.block, store.view.lattices());
    let records = undo.len() + record.handoff.as_ref().map_or(0, |handoff| handoff.entry.len());
    let mut batch = WriteBatch::with_capacity_bytes(records + rows_bytes(store) + METADATA_BYTES);
    put_rows(&mut batch, store);
    put_metadata(&mut batch, store, record, progress);
    put_records(&mut batch, store, record, &undo);
    if record.height.is_multiple_of(HANDOFF_INTERVAL_BLOCKS) {
        drop_old_handoffs(&mut batch, store, record, progress);
    }
    if record.height.is_multiple_of(PRUNE_INTERVAL_BLOCKS) {
        drop_old_records(&mut batch, store, record, progress);
    }
    batch
}

/// About what the block's rows take in a batch.
fn rows_bytes(store: &FlatKv) -> usize {
    let rows = store.block.overlay().iter().flat_map(|(_, rows)| rows);
    rows.map(|(key, row)| key.len() + row.now.as_ref().map_or(0, |row| row.len()) + ROW_OVERHEAD_BYTES).sum()
}

pub(crate) fn put_rows(batch: &mut WriteBatch, store: &FlatKv) {
    for (lane, rows) in store.block.overlay().iter() {
        let family = store.database.family(Family::Rows(lane));
        for (key, pending) in rows {
            match (&pending.now, &pending.committed) {
                (Some(row), _) => batch.put_cf(family, key, row),
                (None, Some(_)) => batch.delete_cf(family, key),
                (None, None) => {}
            }
        }
    }
}

fn put_metadata(batch: &mut WriteBatch, store: &FlatKv, record: &BlockRecord, progress: &Progress) {
    let family = store.database.family(Family::Meta);
    for (part, entry, _) in store.block.lattices().changed(store.view.lattices()) {
        batch.put_cf(family, meta::lattice_key(part), entry.encode());
    }
    if store.view.span().is_none() {
        batch.put_cf(family, meta::FIRST, record.height.to_be_bytes());
        if store.durability == Durability::Os {
            batch.put_cf(family, meta::LEFT_TO_OS, record.height.to_be_bytes());
        }
    }
    batch.put_cf(family, meta::VERSION, record.height.to_be_bytes());
    batch.put_cf(family, meta::CHANGELOG_SYNCED, progress.changelog_synced.to_be_bytes());
    if record.retires_old {
        batch.put_cf(family, meta::RETIRED, record.height.to_be_bytes());
    }
    let block = StoredBlock {
        app_hash: record.app_hash,
        root: store.block.lattices().root(),
        last_handoff: progress.last_handoff,
        commit_info: record.commit_info.clone(),
    };
    batch.put_cf(family, meta::block_key(record.height), block.encode());
}

fn put_records(batch: &mut WriteBatch, store: &FlatKv, record: &BlockRecord, undo: &[u8]) {
    let (database, height) = (&store.database, record.height.to_be_bytes());
    if let Some(handoff) = &record.handoff {
        batch.put_cf(database.family(Family::Handoff), height, &handoff.entry);
    }
    batch.put_cf(database.family(Family::Undo), height, undo);
    batch.put_cf(database.family(Family::Journal), height, record.journal.encode_to_vec());
}

/// Drops the handoffs that memiavl's changelog has on disk.
fn drop_old_handoffs(batch: &mut WriteBatch, store: &FlatKv, record: &BlockRecord, progress: &Progress) {
    let synced = progress.changelog_synced.min(record.height);
    let (none, end) = (0_u64.to_be_bytes(), synced.saturating_add(1).to_be_bytes());
    batch.delete_range_cf(store.database.family(Family::Handoff), none, end);
}

/// Drops the records that neither a rollback nor a reopening can need any more.
fn drop_old_records(batch: &mut WriteBatch, store: &FlatKv, record: &BlockRecord, progress: &Progress) {
    let database = &store.database;
    let none = 0_u64.to_be_bytes();
    // A rollback leads to this block at the lowest: it stays, what undoes it may go.
    let oldest = record.height.saturating_sub(record.rollback_blocks);
    batch.delete_range_cf(database.family(Family::Undo), none, oldest.saturating_add(1).to_be_bytes());
    batch.delete_range_cf(database.family(Family::Journal), none, oldest.to_be_bytes());
    // A block's record says whether its handoff must be there, so it stays as long as that is asked.
    let needed = progress.needed_handoffs().map_or(oldest, |needed| oldest.min(*needed.start()));
    let family = database.family(Family::Meta);
    batch.delete_range_cf(family, meta::block_key(0), meta::block_key(needed));
}
