//! What is done to a store beside blocks: syncing its log from another thread, and copying it.

use std::path::Path;
use std::sync::Arc;

use rocksdb::checkpoint::Checkpoint;
use rocksdb::{WaitForCompactOptions, WriteBatch};

use crate::error::Result;
use crate::meta;
use crate::options::{self, Durability, Family};
use crate::source::Database;
use crate::store::FlatKv;

/// Syncs a store's write-ahead log from a thread of its own, for commits that are left to the operating system. It keeps
/// the database open.
#[derive(Clone)]
pub struct LogSyncer(Arc<Database>);

impl LogSyncer {
    /// Everything committed before the call is on disk when it returns.
    ///
    /// # Errors
    /// I/O. What is on disk is then unknown, and the store must be poisoned.
    pub fn sync(&self) -> Result<()> {
        self.0.db.flush_wal(true).map_err(|error| self.0.error("sync log", error))
    }
}

impl FlatKv {
    /// A handle that syncs the write-ahead log from another thread.
    pub fn log_syncer(&self) -> LogSyncer {
        LogSyncer(self.database.clone())
    }

    /// Notes durably whether blocks are left to the operating system from now on. Whoever opens the store next must know:
    /// a power cut may then have taken blocks back that the old store still has.
    pub(crate) fn note_durability(&mut self) -> Result<()> {
        let is_left = self.durability == Durability::Os;
        let Some(span) = self.view.span() else { return Ok(()) };
        if self.view.is_left_to_os()? == is_left {
            return Ok(());
        }
        self.log_syncer().sync()?;
        let mut batch = WriteBatch::default();
        let family = self.database.family(Family::Meta);
        match is_left {
            true => batch.put_cf(family, meta::LEFT_TO_OS, span.last.to_be_bytes()),
            false => batch.delete_cf(family, meta::LEFT_TO_OS),
        }
        let write = options::write(Durability::Sync);
        let note = |error| self.database.error("note durability", error);
        self.database.db.write_opt(batch, &write).map_err(note)?;
        // Behind a hole in the log the note could not be read: it does not stand in the log alone.
        self.database.db.flush_cf(family).map_err(note)
    }

    /// Writes the memtables out and waits until no compaction is left to do: for whoever measures what blocks cost.
    ///
    /// # Errors
    /// I/O, in the background too.
    pub fn drain(&self) -> Result<()> {
        let mut wait = WaitForCompactOptions::default();
        wait.set_flush(true);
        self.database.db.wait_for_compact(&wait).map_err(|error| self.database.error("wait for compactions", error))
    }

    /// Copies the committed store to `dir`, which must not exist: tables as hard links, so that it costs neither the time
    /// nor the space of a copy on the same file system. The block in work is not part of it.
    ///
    /// # Errors
    /// A poisoned store, I/O.
    pub fn checkpoint(&self, dir: &Path) -> Result<()> {
        self.check_alive()?;
        let checkpoint =
            Checkpoint::new(&self.database.db).map_err(|error| self.database.error("checkpoint", error))?;
        checkpoint.create_checkpoint(dir).map_err(|error| self.database.error("checkpoint", error))
    }
}
