//! Undoing blocks, newest first, and the marker that a rollback under way leaves.
//!
//! A rollback begins with a synced marker, so that a crash in the middle of it is noticed; each block is then undone in a
//! batch of its own, which carries the version with it; it ends with a batch that drops the later handoffs and the marker.

use changeset::{ScanOrder, StoreResult, Undo};
use rocksdb::{ReadOptions, WriteBatch};

use crate::codec::u64_record;
use crate::error::{FlatKvError, Result};
use crate::lattice::Lattices;
use crate::meta;
use crate::open::check;
use crate::options::{self, Durability, Family};
use crate::scan::Committed;
use crate::source::Source;
use crate::store::FlatKv;
use crate::undo::{self, UndoRecord};
use crate::view::{Progress, Span, View, stored_block};

impl FlatKv {
    /// Checks that every block above `to` can be undone; changes nothing.
    ///
    /// # Errors
    /// A height outside the store's blocks, an undo record that is missing or damaged, I/O, a poisoned store.
    pub fn check_undo(&self, to: u64) -> Result<()> {
        self.check_alive()?;
        self.view.check_undo(to)
    }

    /// Notes durably that a rollback to `to` is under way. Before the store's first block nothing is undone: whoever rolls
    /// back removes the store.
    ///
    /// # Errors
    /// As [`check_undo`](Self::check_undo); pending writes; I/O, which poisons the store.
    pub fn begin_rollback(&mut self, to: u64) -> Result<()> {
        self.check_idle()?;
        if self.view.span().is_none_or(|span| to >= span.first) {
            self.view.check_undo(to)?;
        }
        self.write_marker(meta::ROLLBACK_TO, to)
    }

    /// Undoes the last block; the new last version.
    ///
    /// # Errors
    /// The store's first block, pending writes, a record that is missing or does not lead to the root stored with the block
    /// before; I/O, which poisons the store.
    pub fn undo_block(&mut self) -> Result<u64> {
        self.check_idle()?;
        let height = self.view.span().ok_or(FlatKvError::NotSeeded)?.last;
        let to = height.saturating_sub(1);
        let span = Span { last: to, ..self.view.undo_span(to)? };
        let (batch, lattices) = self.view.with_undo(height, |record| self.undo_batch(height, record))?;
        let stored = stored_block(self.view.source(), to)?;
        crate::open::agree("root before the block", &stored.root, &lattices.root())?;
        let changelog_synced = self.view.changelog_synced().min(to);
        let progress = Progress { span: Some(span), changelog_synced, last_handoff: stored.last_handoff };
        self.or_poison(|store| {
            store.write(batch, "undo")?;
            // Hot rows are kept for a history that only grows: on the way back there are none.
            store.publish(View::new(Source::snapshot(store.database.clone()), progress, lattices, None));
            Ok(to)
        })
    }

    /// Ends the rollback under way: the handoffs of the blocks undone go, and the marker with them.
    ///
    /// # Errors
    /// Blocks that are still to be undone, no rollback under way; I/O, which poisons the store.
    pub fn finish_rollback(&mut self) -> Result<()> {
        let to = self.rollback_target()?.ok_or(FlatKvError::Missing { record: "rollback marker", height: 0 })?;
        let span = self.view.undo_span(to)?;
        if span.last != to {
            return Err(FlatKvError::UndoTarget { first: span.first, version: span.last, to });
        }
        let mut batch = WriteBatch::default();
        let handoffs = self.database.family(Family::Handoff);
        batch.delete_range_cf(handoffs, to.saturating_add(1).to_be_bytes(), u64::MAX.to_be_bytes());
        batch.delete_cf(self.database.family(Family::Meta), meta::ROLLBACK_TO);
        self.or_poison(|store| {
            store.write(batch, "finish rollback")?;
            store.reload()
        })
    }

    /// The batch that undoes the block at `height`, and the lattices that it leads to.
    fn undo_batch(&self, height: u64, record: UndoRecord<'_>) -> Result<(WriteBatch, Lattices)> {
        let (database, to) = (&self.database, height.saturating_sub(1));
        let mut batch = WriteBatch::default();
        for row in &record.rows {
            let family = database.family(Family::Rows(row.lane));
            match row.row {
                Some(before) => batch.put_cf(family, row.key, before),
                None => batch.delete_cf(family, row.key),
            }
        }
        let family = database.family(Family::Meta);
        let mut lattices = self.view.lattices().clone();
        for (part, entry) in record.entries {
            match entry {
                Some(entry) => {
                    batch.put_cf(family, meta::lattice_key(&part), entry.encode());
                    lattices.insert(part, entry);
                }
                None => {
                    batch.delete_cf(family, meta::lattice_key(&part));
                    lattices.remove(&part);
                }
            }
        }
        batch.put_cf(family, meta::VERSION, to.to_be_bytes());
        batch.put_cf(family, meta::CHANGELOG_SYNCED, self.view.changelog_synced().min(to).to_be_bytes());
        batch.delete_cf(family, meta::block_key(height));
        batch.delete_cf(database.family(Family::Journal), height.to_be_bytes());
        batch.delete_cf(database.family(Family::Undo), height.to_be_bytes());
        Ok((batch, lattices))
    }

    fn write_marker(&mut self, key: &'static [u8], height: u64) -> Result<()> {
        self.check_idle()?;
        self.or_poison(|store| {
            let mut batch = WriteBatch::default();
            batch.put_cf(store.database.family(Family::Meta), key, height.to_be_bytes());
            store.write(batch, "write marker")?;
            store.reload()
        })
    }

    /// Writes and syncs, whatever the durability: these writes are rare, and what follows them relies on them.
    fn write(&self, batch: WriteBatch, operation: &'static str) -> Result<()> {
        let write = options::write(Durability::Sync);
        self.database.db.write_opt(batch, &write).map_err(|error| self.database.error(operation, error))
    }

    /// Publishes what is on disk now.
    fn reload(&mut self) -> Result<()> {
        let view = View::load(Source::snapshot(self.database.clone()), self.row_cache_bytes)?;
        check(&view)?;
        self.publish(view);
        Ok(())
    }
}

impl View {
    /// Checks that every block above `to` can be undone; changes nothing.
    ///
    /// # Errors
    /// A height outside the store's blocks or before the rollback window, an undo record that is missing or damaged, I/O.
    pub fn check_undo(&self, to: u64) -> Result<()> {
        let span = self.undo_span(to)?;
        // The one that the window drops first comes first: a height that was left behind long ago is no damage.
        if to < span.last && !self.has_undo(to + 1)? {
            let oldest = self.first_undo()?.unwrap_or(span.last + 1);
            return Err(match to + 1 < oldest {
                true => FlatKvError::WindowPassed { oldest: oldest - 1, to },
                false => FlatKvError::Missing { record: "undo", height: to + 1 },
            });
        }
        for height in (to + 1..=span.last).rev() {
            self.with_undo(height, |_| Ok(()))?;
        }
        Ok(())
    }

    fn has_undo(&self, height: u64) -> Result<bool> {
        Ok(self.source().get(Family::Undo, &height.to_be_bytes(), |_| Ok(()))?.is_some())
    }

    /// The first block whose undo record is kept.
    fn first_undo(&self) -> Result<Option<u64>> {
        let mut records = Committed::new(self.source(), Family::Undo, ReadOptions::default(), ScanOrder::Ascending);
        records.advance()?;
        records.item().map(|(height, _)| u64_record("height of an undo record", height)).transpose()
    }

    /// The store's blocks, if those above `to` can be undone at all: the first one cannot.
    fn undo_span(&self, to: u64) -> Result<Span> {
        match self.span() {
            Some(span) if (span.first..=span.last).contains(&to) => Ok(span),
            Some(Span { first, last: version }) => Err(FlatKvError::UndoTarget { first, version, to }),
            None => Err(FlatKvError::NotSeeded),
        }
    }

    fn with_undo<R>(&self, height: u64, read: impl FnOnce(UndoRecord<'_>) -> Result<R>) -> Result<R> {
        let source = self.source();
        let result = source.get(Family::Undo, &height.to_be_bytes(), |bytes| read(undo::decode(bytes)?))?;
        result.ok_or(FlatKvError::Missing { record: "undo", height })
    }
}

impl Undo for FlatKv {
    fn begin_rollback(&mut self, to: u64) -> StoreResult<()> {
        Ok(self.begin_rollback(to)?)
    }

    fn undo_block(&mut self) -> StoreResult<u64> {
        Ok(self.undo_block()?)
    }

    fn finish_rollback(&mut self) -> StoreResult<()> {
        Ok(self.finish_rollback()?)
    }
}
