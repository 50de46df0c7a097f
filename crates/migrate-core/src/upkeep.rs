//! What a block leaves to do beside the protocol: blocks on disk that were left to the operating system, and memiavl's end.
//!
//! memiavl rests from the block on that ends the last migration. Once that block is on disk and older than any rollback
//! leads, a block's batch says so; then the directory may go. Opening finishes what a crash has left of that.

use changeset::{NewStore, OldStore, StoreResult};

use crate::background::{BackgroundSync, Whose};
use crate::engine::{Durability, Engine};
use crate::error::{Error, Outcome};

impl<O: OldStore, N: NewStore> Engine<O, N> {
    /// Starts the thread that puts blocks on disk, where commits do not: FlatKV's log, or memiavl's before there is a FlatKV.
    /// Those up to `on_disk` are.
    pub(crate) fn start_syncing(&mut self, on_disk: u64) -> Result<(), Error> {
        let of_new = self.new.as_ref().filter(|new| new.version().is_some());
        let is_started = self.background.as_ref().is_some_and(|(whose, _)| (*whose == Whose::New) == of_new.is_some());
        if self.config.durability == Durability::Sync || is_started {
            return Ok(());
        }
        let starting = || Error::new("starting its thread");
        let (whose, syncer) = match (of_new, &mut self.old) {
            (Some(new), _) => (Whose::New, new.syncer()),
            (None, Some(old)) => (Whose::Old, old.syncer().map_err(Error::old("taking a handle of its changelog"))?),
            (None, None) => return Ok(()),
        };
        if let Some((_, before)) = self.background.take() {
            before.close()?;
        }
        self.background = Some((whose, BackgroundSync::start(syncer, on_disk).map_err(starting())?));
        Ok(())
    }

    /// FlatKV's first block stands on the changelog before it, which nothing hands over again: that must be on disk, also
    /// where commits are left to the operating system.
    pub(crate) fn found_new(&mut self) -> Result<(), Error> {
        let is_first = self.new.as_ref().is_some_and(|new| new.version().is_none());
        match &mut self.old {
            Some(old) if is_first && old.synced_version() < old.version() => {
                old.sync().map_err(Error::old("putting its changelog on disk"))
            }
            _ => Ok(()),
        }
    }

    /// Refuses to go on behind a background sync that failed.
    pub(crate) fn check_background(&mut self, height: u64) -> Result<(), Error> {
        match self.background.as_ref().map_or(Ok(()), |(_, background)| background.check()) {
            Ok(()) => Ok(()),
            Err(source) => Err(self.poisoned(height, Outcome::NotCommitted, Some(source))),
        }
    }

    /// Tells the background of a committed block of `bytes`, and memiavl of what is on disk.
    pub(crate) fn tend_durability(&mut self, height: u64, bytes: u64) -> StoreResult<()> {
        if let Some((_, background)) = &self.background {
            background.committed(height, bytes);
        }
        let Some(old) = &mut self.old else { return Ok(()) };
        if self.config.durability == Durability::Sync {
            // At rest nothing else asks for the last entries.
            return if self.old_rests && old.synced_version() < old.version() { old.request_sync() } else { Ok(()) };
        }
        let durable = match &self.background {
            Some((Whose::New, background)) => background.durable(),
            // Before FlatKV exists the changelog is all there is.
            _ => old.synced_version(),
        };
        old.set_durable(durable);
        if old.synced_version() < durable.min(old.version()) { old.request_sync() } else { Ok(()) }
    }

    /// Whether nothing needs memiavl any more once block `height` is committed.
    pub(crate) fn nothing_needs_old(&self, height: u64) -> Result<bool, Error> {
        let (true, Some(old), Some(new)) = (self.old_rests, &self.old, &self.new) else { return Ok(false) };
        let Some(end) = new.last_handoff().map_err(Error::new("reading a handoff"))? else { return Ok(false) };
        let is_on_disk = self.background.as_ref().is_none_or(|(_, background)| background.durable() >= end);
        let is_out_of_reach = height > end.saturating_add(self.config.rollback_blocks);
        Ok(is_out_of_reach && is_on_disk && old.synced_version() >= end)
    }

    /// Lets memiavl go. What cannot be removed now is removed by the next opening.
    pub(crate) fn remove_old(&mut self) {
        self.old = None;
        tracing::info!(height = self.height(), "memiavl is retired, its directory is removed");
        if let Err(error) = (self.remove_old)() {
            tracing::warn!(%error, "memiavl's directory cannot be removed now; the next opening tries again");
        }
    }
}
