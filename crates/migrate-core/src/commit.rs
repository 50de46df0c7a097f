//! The commit: work, commit point, hand over, publish. The whole protocol is on this screen.
//!
//! ```text
//! worked       every root is known, nothing is durable
//!   | one RocksDB batch, synced: the block has happened          (before FlatKV exists: the changelog append, synced)
//! durable
//!   | memiavl takes the working roots, the changelog the handoff, unsynced
//! handed over
//!   | readers see the new view
//! published
//! ```
//! An error behind `worked` poisons the engine: what is in memory and what is on disk may differ from then on, and only
//! reopening brings them together.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use boundary::Boundary;
use bytes::Bytes;
use changeset::{
    AppHash, BlockRecord, CommitInfo, EntrySum, JournalLine, LATTICE_STORE, ModuleCount, NewStore, OldStore,
    StoreError, Walk, app_hash,
};

use crate::engine::{Durability, Engine};
use crate::error::{Error, Outcome};
use crate::kill_point::KillPoint;
use crate::manager::ManagerSavepoint;
use crate::metadata::Metadata;
use crate::mode::{LAST_VERSION, Route};
use crate::observer::BlockReport;
use crate::view::ViewState;

/// A committed block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its height.
    pub height: u64,
    /// Its commit info.
    pub commit_info: CommitInfo,
    /// The app hash over it.
    pub app_hash: AppHash,
}

impl<O: OldStore, N: NewStore> Engine<O, N> {
    /// The commit info that the block in work would have: memiavl's trees in name order, then FlatKV's root.
    ///
    /// # Errors
    /// I/O, corruption, a poisoned node.
    pub fn working_commit_info(&mut self) -> Result<CommitInfo, Error> {
        self.check_usable()?;
        if self.mode.base_version() > 0 {
            self.ensure_new()?;
        }
        let metadata = self.metadata()?;
        let height = self.next_height();
        let mut stores = Vec::new();
        if self.old_takes_part(&metadata)
            && let Some(old) = &mut self.old
        {
            stores = old.working_roots().map_err(Error::old("hashing the trees"))?;
        }
        if self.new_takes_part(&metadata)
            && let Some(new) = &self.new
        {
            stores.push((LATTICE_STORE.to_owned(), new.working_root()));
        }
        Ok(CommitInfo::new(height, stores.iter().map(|(name, hash)| (name.as_str(), *hash))))
    }

    /// Commits the block in work.
    ///
    /// # Errors
    /// Before the commit point I/O and corruption, and the block stays in work. From there on the node is poisoned, and
    /// the error says what is known of the block.
    pub fn commit(&mut self) -> Result<Committed, Error> {
        self.commit_block().inspect_err(|error| self.config.observer.failed(error.kind()))
    }

    fn commit_block(&mut self) -> Result<Committed, Error> {
        let started = Instant::now();
        let commit_info = self.working_commit_info()?;
        let app_hash = app_hash(&commit_info);
        let committed = Committed { height: self.next_height(), commit_info, app_hash };
        self.found_new()?;
        let record = self.block_record(&committed, started)?;
        let bytes = self.block.bytes + self.block.moved_key_bytes + self.block.moved_value_bytes;
        self.check_background(committed.height)?;
        let new_takes_part = self.new_takes_part(&self.metadata()?);
        self.work_ahead();
        self.at_kill_point(KillPoint::Worked);

        if new_takes_part && let Some(new) = &mut self.new {
            new.commit(&record).map_err(|source| self.poisoned(committed.height, Outcome::Unknown, Some(source)))?;
            self.at_kill_point(KillPoint::Durable);
        }
        if let (Some(handoff), Some(old)) = (&record.handoff, &mut self.old) {
            let outcome = if new_takes_part { Outcome::Committed } else { Outcome::Unknown };
            let is_commit_point = !new_takes_part;
            let done = old.commit(handoff, is_commit_point && self.config.durability == Durability::Sync);
            done.map_err(|source| self.poisoned(committed.height, outcome, Some(source)))?;
            self.at_kill_point(KillPoint::HandedOver);
        }
        let report = self.finish_block(&committed).map_err(|error| {
            tracing::error!(%error, "publishing failed");
            self.poisoned(committed.height, Outcome::Committed, as_store_error(error))
        })?;
        self.at_kill_point(KillPoint::Published);
        if record.retires_old {
            self.remove_old();
        }
        self.tend_durability(committed.height, bytes)
            .map_err(|source| self.poisoned(committed.height, Outcome::Committed, Some(source)))?;

        self.config.observer.block(&BlockReport { commit_elapsed: started.elapsed(), ..report });
        Ok(committed)
    }

    /// What the block leaves in FlatKV beside its rows.
    fn block_record(&self, block: &Committed, started: Instant) -> Result<BlockRecord, Error> {
        let metadata = self.metadata()?;
        let handoff = self.old.as_ref().filter(|_| !self.old_rests).map(|old| old.handoff(block.app_hash));
        let journal = self.journal_line(block, metadata, started);
        Ok(BlockRecord {
            height: block.height,
            commit_info: block.commit_info.clone(),
            app_hash: block.app_hash,
            handoff,
            journal,
            retires_old: self.nothing_needs_old(block.height)?,
            changelog_synced: self.old.as_ref().map_or(0, OldStore::synced_version),
            rollback_blocks: self.config.rollback_blocks,
        })
    }

    /// The journal's line of the block. The clock is asked for nothing else, and nothing that is hashed has the answer.
    fn journal_line(&self, block: &Committed, metadata: Metadata, started: Instant) -> JournalLine {
        let root = block.commit_info.store_infos.iter().find(|store| store.name == LATTICE_STORE);
        let boundary: Bytes = metadata.boundary.map(|boundary| boundary.encode().into()).unwrap_or_default();
        let boundary_from = match self.block.manager.as_ref().map(ManagerSavepoint::boundary) {
            Some(boundary @ Boundary::InProgress { .. }) => boundary.encode().into(),
            Some(_) => Bytes::new(),
            // No flush, so the cursor stood still.
            None => boundary.clone(),
        };
        let bytes = |sum: &EntrySum| Bytes::copy_from_slice(&sum.to_bytes());
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        JournalLine {
            height: block.height,
            version: metadata.version.unwrap_or(0),
            boundary,
            keys: self.block.moved_keys,
            key_bytes: self.block.moved_key_bytes,
            value_bytes: self.block.moved_value_bytes,
            root: root.map(|store| store.commit_id.hash.clone()).unwrap_or_default(),
            app_hash: Bytes::copy_from_slice(&block.app_hash),
            moved: self.moved_with_block().into_iter().map(|(module, keys)| ModuleCount { module, keys }).collect(),
            boundary_from,
            left: bytes(&self.block.left),
            entered: bytes(&self.block.entered),
            unix_ms: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
            work_us: u64::try_from((self.block.work + started.elapsed()).as_micros()).unwrap_or(u64::MAX),
        }
    }

    /// Publishes the block's view and begins the next block.
    fn finish_block(&mut self, committed: &Committed) -> Result<BlockReport, Error> {
        let version = self.metadata()?.version.unwrap_or(0);
        let moved = self.moved_with_block();
        let block = std::mem::take(&mut self.block);
        self.old_rests |= version >= LAST_VERSION || self.old.is_none();
        self.moved = moved;
        self.start_syncing(committed.height.saturating_sub(1))?;
        if let Some(old) = &mut self.old {
            old.retain_from(committed.height.saturating_sub(self.config.rollback_blocks));
        }
        if let Some(manager) = &self.manager {
            manager.next_block();
            if manager.is_complete() && block.manager.is_some_and(|before| !before.is_complete()) {
                self.finish_phase(version);
            }
        }
        let state = self.view_state(committed.clone())?;
        let report = self.block_report(&state, version)?;
        let superseded = self.publisher.publish(state);
        // Thousands of nodes that only the oldest version had, each to be freed.
        self.freeing.hand(move || drop(superseded));
        Ok(report)
    }

    /// A finished phase asks for a snapshot: the rewrite is what frees the moved keys' space. The block stands whatever
    /// comes of it; memiavl asks again at its next interval.
    fn finish_phase(&mut self, version: u64) {
        tracing::info!(version, keys = self.moved_keys(), "migration complete");
        if let Some(old) = self.old.as_mut().filter(|_| !self.old_rests)
            && let Err(error) = old.request_snapshot()
        {
            tracing::warn!(%error, "no snapshot of memiavl after the migration");
        }
    }

    pub(crate) fn block_report(&self, state: &ViewState<O::View, N::View>, version: u64) -> Result<BlockReport, Error> {
        let mut remaining = Vec::new();
        if let (Some(manager), Some(old)) = (&self.manager, &state.old) {
            for tree in manager.trees() {
                let left = old.len(tree).map_err(Error::old("counting keys"))?;
                remaining.push((tree.clone(), left.unwrap_or(0)));
            }
        }
        let boundary_module = match &state.boundary {
            Boundary::InProgress { module, .. } => Some(String::from_utf8_lossy(module).into_owned()),
            _ => None,
        };
        Ok(BlockReport {
            height: state.height,
            version,
            mode: state.mode,
            boundary_module,
            paused: self.is_paused(),
            remaining,
            moved_keys: self.moved_keys(),
            app_hash: state.app_hash,
            commit_elapsed: Duration::ZERO,
        })
    }

    /// Keys moved per module once the block in work is committed.
    fn moved_with_block(&self) -> BTreeMap<String, u64> {
        let mut moved = self.moved.clone();
        for (module, keys) in &self.block.moved {
            *moved.entry(module.clone()).or_default() += keys;
        }
        moved
    }

    /// Keys that the mode's migration has moved so far.
    fn moved_keys(&self) -> u64 {
        let moves = |module: &str| self.mode.route(module) == Route::Moving;
        self.moved.iter().filter(|(module, _)| moves(module)).map(|(_, keys)| keys).sum()
    }

    pub(crate) fn poisoned(&mut self, height: u64, outcome: Outcome, source: Option<StoreError>) -> Error {
        self.poison = Some((height, outcome));
        self.config.observer.poisoned();
        tracing::error!(height, %outcome, "the commit failed and the node must be reopened");
        Error::Poisoned { height, outcome, source }
    }
}

/// The store's error inside one of ours, where there is one.
fn as_store_error(error: Error) -> Option<StoreError> {
    match error {
        Error::Old { source, .. } | Error::New { source, .. } => Some(source),
        _ => None,
    }
}
