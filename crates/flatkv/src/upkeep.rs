//! What is done to a store beside blocks: syncing its log from another thread, and copying it.

use std::path::Path;
use std::sync::Arc;

use rocksdb::checkpoint::Checkpoint;

use crate::error::Result;
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
