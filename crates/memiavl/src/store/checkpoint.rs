//! A copy of the store that shares with it what is never written again.

use std::path::Path;

use memiavl_iter::snapshot_name;

use crate::error::{Error, Result};
use crate::retrace::assemble;
use crate::store::live::MemIavl;

impl MemIavl {
    /// Makes `dir`, which must not exist, a store at the last committed version: the current snapshot as hard links, and the
    /// log's entries from there on, or from `log_from` if that is earlier and the log has them. All of it is on disk when
    /// this returns, but for its own name. Nothing that is done to one of the two stores reaches the other.
    ///
    /// # Errors
    /// A block in work, I/O. What was made is left there.
    pub fn checkpoint(&self, dir: &Path, log_from: u64) -> Result<()> {
        if !self.trees.is_between_blocks() {
            return Err(Error::BlockInWork { version: self.trees.next_version() });
        }
        // It cannot go meanwhile: a later one takes its place, and it is dropped, on this thread's word alone.
        let snapshot = self.dir.join(snapshot_name(self.snapshot_version));
        let from = log_from.min(self.snapshot_version);
        let entry = |version| {
            let missing = || Error::LogGap { path: self.log.dir().to_owned(), version };
            Ok((version, self.log.entry(version)?.ok_or_else(missing)?))
        };
        let versions = self.log.versions().into_iter().flatten().skip_while(|version| *version < from);
        assemble(dir, &[snapshot], &mut versions.map(entry))
    }
}
