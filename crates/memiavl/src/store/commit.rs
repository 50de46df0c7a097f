//! Blocks: changes, roots, the handoff, the commit.

use std::sync::Arc;

use changeset::{AppHash, Handoff, Hash, NamedChangeSet, OldStore, StoreResult, Syncer, TreeNameUpgrade, Write};

use crate::error::{Error, Result};
use crate::multitree::{Ahead, Savepoint};
use crate::store::live::MemIavl;
use crate::store::read::impl_reads;
use crate::store::view::View;

/// The background syncs the log once so much of it is not on disk: a sync per block would only take from the commit point's
/// own, and until it is on disk the new store keeps the entry.
const SYNC_BYTES: u64 = 1 << 20;

impl Write for MemIavl {
    fn apply(&mut self, changes: &[NamedChangeSet]) -> StoreResult<()> {
        self.check_writable()?;
        Ok(self.trees.apply(changes)?)
    }
}

impl OldStore for MemIavl {
    type View = View;
    type Savepoint = Savepoint;
    type Ahead = Ahead;

    fn version(&self) -> u64 {
        self.trees.committed().version()
    }

    fn next_version(&self) -> u64 {
        self.trees.next_version()
    }

    fn savepoint(&self) -> Savepoint {
        self.trees.savepoint()
    }

    fn restore(&mut self, savepoint: Savepoint) {
        self.trees.restore(savepoint);
    }

    fn discard(&mut self) {
        self.trees.discard();
        // UNWRAP: the same upgrades fitted the same trees when the store was opened.
        self.start_block().expect("the initial stores fitted before");
    }

    fn upgrade(&mut self, upgrades: &[TreeNameUpgrade]) -> StoreResult<()> {
        self.check_writable()?;
        Ok(self.trees.upgrade(upgrades)?)
    }

    fn ahead(&self) -> StoreResult<Ahead> {
        Ok(self.trees.ahead()?)
    }

    fn is_begun_by(&self, ahead: &Ahead) -> bool {
        self.trees.is_begun_by(ahead)
    }

    fn apply_from(&mut self, ahead: Ahead, changes: Vec<NamedChangeSet>) -> StoreResult<()> {
        self.check_writable()?;
        Ok(self.trees.apply_from(ahead, changes)?)
    }

    fn working_roots(&mut self) -> StoreResult<Vec<(String, Hash)>> {
        Ok(self.trees.working_roots()?)
    }

    fn committed_roots(&self) -> StoreResult<Vec<(String, Hash)>> {
        Ok(self.trees.committed().roots().map(|(name, root)| (name.to_owned(), root)).collect())
    }

    fn handoff(&self, app_hash: AppHash) -> Handoff {
        self.trees.handoff(app_hash)
    }

    fn commit(&mut self, handoff: &Handoff, sync: bool) -> StoreResult<()> {
        self.check_writable()?;
        Ok(self.commit_block(handoff, sync)?)
    }

    fn synced_version(&self) -> u64 {
        self.log.synced_version().unwrap_or_default()
    }

    fn sync(&mut self) -> StoreResult<()> {
        Ok(self.sync_changelog()?)
    }

    fn request_sync(&mut self) -> StoreResult<()> {
        self.check_writable()?;
        Ok(self.log.request_sync()?)
    }

    fn syncer(&mut self) -> StoreResult<Syncer> {
        let log = self.log.log_syncer()?;
        Ok(Box::new(move || Ok(log.sync()?)))
    }

    fn set_durable(&mut self, version: u64) {
        self.set_durable_version(version);
    }

    fn view(&self) -> View {
        View::new(Arc::clone(self.trees.committed()))
    }

    fn retain_from(&mut self, version: u64) {
        self.set_retain_from(version);
    }

    fn request_snapshot(&mut self) -> StoreResult<()> {
        self.check_writable()?;
        Ok(self.request_rewrite()?)
    }
}

impl_reads!(Ahead, trees);

impl Write for Ahead {
    fn apply(&mut self, changes: &[NamedChangeSet]) -> StoreResult<()> {
        Ok(Self::apply(self, changes)?)
    }
}

impl MemIavl {
    fn commit_block(&mut self, handoff: &Handoff, sync: bool) -> Result<()> {
        let expected = self.trees.next_version();
        if handoff.version != expected {
            return Err(Error::HandoffVersion { expected, got: handoff.version });
        }
        let prepared = self.trees.prepare()?;
        // From here on memory and disk may differ.
        self.is_poisoned = true;
        let log = &mut self.log;
        log.append(handoff.version, &handoff.entry)?;
        if sync {
            log.sync()?;
        } else if !self.options.commits_are_durable {
            log.offer_sync()?;
        } else if log.unsynced_bytes() >= SYNC_BYTES {
            log.request_sync()?;
        }
        self.is_poisoned = false;
        self.trees.publish(prepared);
        self.rewrites.committed(handoff.entry.len() as u64);
        self.tend_rewrites();
        Ok(())
    }
}
