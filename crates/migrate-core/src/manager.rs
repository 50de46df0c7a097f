//! The manager: one migration, from the old store to the new one, from version s to version t.
//!
//! It knows two stores and a cursor between them, and decides on which side each key is read and written. It keeps no
//! data: a flush is planned here and applied by the caller.

use std::time::{Duration, Instant};

use boundary::{Boundary, MIGRATION_STORE};
use bytes::Bytes;
use changeset::{NamedChangeSet, Read, Walk};
use parking_lot::RwLock;

use crate::batch::{BatchLimit, next_batch};
use crate::cancel::CancelToken;
use crate::error::Error;
use crate::metadata::{Metadata, advance, read_version};
use crate::plan::{FlushPlan, Moving, Plan};

/// What a manager is made from, beside the stores.
#[derive(Clone, Debug)]
pub struct ManagerConfig {
    /// The version that the migration leads from.
    pub start: u64,
    /// The version that it leads to.
    pub target: u64,
    /// The modules that it moves; those without a tree are skipped.
    pub modules: Vec<String>,
    /// How much one block moves.
    pub batch: BatchLimit,
}

/// One migration. Its state stands behind a lock that no view takes: only the block's thread, a status reader and whoever
/// changes the batch size meet there.
#[derive(Debug)]
pub struct Manager {
    target: u64,
    /// The trees of the walk in byte order, fixed when the manager is made.
    trees: Vec<String>,
    state: RwLock<State>,
}

#[derive(Clone, Debug)]
struct State {
    boundary: Boundary,
    batch: BatchLimit,
    /// Whether the block in work has had its one advance.
    advanced: bool,
}

/// The state before a flush.
#[derive(Clone, Debug)]
pub struct ManagerSavepoint {
    boundary: Boundary,
    advanced: bool,
}

impl ManagerSavepoint {
    /// Whether everything had moved.
    pub fn is_complete(&self) -> bool {
        self.boundary == Boundary::Complete
    }

    /// Where the cursor stood.
    pub fn boundary(&self) -> &Boundary {
        &self.boundary
    }
}

impl Manager {
    /// Makes the manager of a migration that is not started, in flight, or complete.
    ///
    /// At version t it only passes through, and `old` may be absent; at s it must be there.
    ///
    /// # Errors
    /// s not below t; stores at another version than s or t; a boundary that does not decode, or says complete at s; no
    /// old store at s; an error of a store.
    pub fn new(
        config: ManagerConfig,
        old: Option<&(impl Read + Walk)>,
        new: Option<&impl Read>,
    ) -> Result<Self, Error> {
        let ManagerConfig { start, target, modules, batch } = config;
        if start >= target {
            return Err(Error::VersionOrder { start, target });
        }
        let metadata = new.map(Metadata::read).transpose()?.unwrap_or_default();
        let version = match metadata.version {
            Some(version) => version,
            None => match old {
                Some(old) => read_version(old).map_err(|error| error.at(Error::old("reading the version record")))?,
                None => None,
            }
            .unwrap_or(0),
        };
        let (trees, boundary) = if version == target {
            (Vec::new(), Boundary::Complete)
        } else if version == start {
            let old = old.ok_or(Error::OldStoreAbsent { version })?;
            let boundary = metadata.boundary.unwrap_or_default();
            if boundary == Boundary::Complete {
                return Err(Error::CompleteAtStart { version });
            }
            (trees_to_walk(old, modules)?, boundary)
        } else {
            return Err(Error::UnexpectedVersion { start, target, got: version });
        };
        Ok(Self { target, trees, state: RwLock::new(State { boundary, batch, advanced: false }) })
    }

    /// Where the cursor stands, pending changes included.
    pub fn boundary(&self) -> Boundary {
        self.state.read().boundary.clone()
    }

    /// Whether everything has moved.
    pub fn is_complete(&self) -> bool {
        self.state.read().boundary == Boundary::Complete
    }

    /// How much one block moves.
    pub fn batch(&self) -> BatchLimit {
        self.state.read().batch
    }

    /// Changes how much one block moves, from the next advance on.
    pub fn set_batch(&self, batch: BatchLimit) {
        self.state.write().batch = batch;
    }

    /// The trees that the migration walks, in the order of the walk; none once it is complete.
    pub fn trees(&self) -> &[String] {
        &self.trees
    }

    /// The state before a flush, to come back to if it fails.
    pub fn savepoint(&self) -> ManagerSavepoint {
        let state = self.state.read();
        ManagerSavepoint { boundary: state.boundary.clone(), advanced: state.advanced }
    }

    /// Back to `savepoint`. The batch size stays as it is: it belongs to no block.
    pub fn restore(&self, savepoint: ManagerSavepoint) {
        let mut state = self.state.write();
        state.boundary = savepoint.boundary;
        state.advanced = savepoint.advanced;
    }

    /// A new block: its first flush may advance again.
    pub fn next_block(&self) {
        self.state.write().advanced = false;
    }

    /// Reads a key on the side where it counts.
    ///
    /// # Errors
    /// A read of the migration's own store, an error of a store.
    pub fn get(
        &self,
        old: Option<&impl Read>,
        new: Option<&impl Read>,
        module: &str,
        key: &[u8],
    ) -> Result<Option<Bytes>, Error> {
        get_across(&self.state.read().boundary, old, new, module, key)
    }

    /// Plans one flush of a block, and moves the cursor if it is the block's first.
    ///
    /// # Errors
    /// A write to the migration's own store; a tree that vanished; an error of the walk or of a store; cancelled. The
    /// cursor may have moved: the caller goes back to its savepoint.
    pub fn plan<O: Read + Walk>(
        &self,
        old: Option<&O>,
        changes: Vec<NamedChangeSet>,
        cancel: &CancelToken,
    ) -> Result<FlushPlan, Error> {
        self.plan_with(None, old, changes, cancel)
    }

    /// As [`plan`](Self::plan), with the batch that the walk would take now, if it has been taken ahead.
    pub(crate) fn plan_with<O: Read + Walk>(
        &self,
        ahead: Option<Moving>,
        old: Option<&O>,
        changes: Vec<NamedChangeSet>,
        cancel: &CancelToken,
    ) -> Result<FlushPlan, Error> {
        if changes.iter().any(|set| set.name == MIGRATION_STORE) {
            return Err(Error::ReservedStore { store: MIGRATION_STORE });
        }
        let asked = Instant::now();
        let (mut state, lock_wait) = match self.state.try_write() {
            Some(state) => (state, Duration::ZERO),
            None => (self.state.write(), asked.elapsed()),
        };
        let mut plan = Plan::new(lock_wait);
        if state.boundary == Boundary::Complete {
            for set in changes {
                plan.route_all_new(set);
            }
            return Ok(plan.finish(None));
        }
        let old = old.ok_or(Error::OldStoreAbsent { version: self.target })?;
        let advance_now = !state.advanced && !state.batch.is_paused();
        if advance_now {
            let moving = match ahead {
                Some(moving) => moving,
                None => Moving::of(&self.trees, next_batch(old, &self.trees, &state.boundary, state.batch, cancel)?),
            };
            state.boundary = moving.boundary.clone();
            plan.take_batch(moving);
        }
        // The block's first flush was its chance, also when paused: raising the batch size moves the next block.
        state.advanced = true;
        for set in changes {
            let stays = stays_in_old(old, &state.boundary, &set)?;
            for (pair, stays) in set.changeset.pairs.into_iter().zip(stays) {
                if stays { plan.route_old(&set.name, pair) } else { plan.route_new(&set.name, pair) }
            }
        }
        Ok(plan.finish(advance_now.then(|| advance(&state.boundary, self.target))))
    }
}

/// Reads a key on the side of `boundary` where it counts: a migrated one in new; an un-migrated one in old, and if it is
/// absent there, in new, where brand-new keys go.
///
/// # Errors
/// A read of the migration's own store, an error of a store.
pub fn get_across(
    boundary: &Boundary,
    old: Option<&impl Read>,
    new: Option<&impl Read>,
    module: &str,
    key: &[u8],
) -> Result<Option<Bytes>, Error> {
    if module == MIGRATION_STORE {
        return Err(Error::ReservedStore { store: MIGRATION_STORE });
    }
    if let Some(old) = old.filter(|_| !boundary.is_migrated(module, key))
        && let Some(value) = old.get(module, key).map_err(Error::old("reading a key"))?
    {
        return Ok(Some(value));
    }
    match new {
        Some(new) => new.get(module, key).map_err(Error::new("reading a key")),
        None => Ok(None),
    }
}

/// Which pairs of `set` are written in old: those whose key is there and not migrated. "There" means as old stood before this
/// flush: its plan is not applied yet.
fn stays_in_old(old: &impl Read, boundary: &Boundary, set: &NamedChangeSet) -> Result<Vec<bool>, Error> {
    let keys = set.pairs().iter().map(|pair| &pair.key);
    let mut asked: Vec<_> = keys.enumerate().filter(|(_, key)| !boundary.is_migrated(&set.name, key)).collect();
    // One walk for all of them costs far less than a descent for each.
    asked.sort_unstable_by_key(|&(_, key)| key);
    let keys: Vec<Bytes> = asked.iter().map(|(_, key)| Bytes::clone(key)).collect();
    let present = old.contains_many(&set.name, &keys).map_err(Error::old("looking written keys up"))?;
    let mut stays = vec![false; set.pairs().len()];
    asked.iter().zip(present).for_each(|((at, _), is_present)| stays[*at] = is_present);
    Ok(stays)
}

/// The configured modules that have a tree, in byte order, each once. The migration's own tree never moves.
fn trees_to_walk(old: &impl Walk, mut modules: Vec<String>) -> Result<Vec<String>, Error> {
    let existing = old.modules().map_err(Error::old("listing the trees"))?;
    modules.retain(|module| module != MIGRATION_STORE && existing.contains(module));
    modules.sort_unstable();
    modules.dedup();
    Ok(modules)
}

#[cfg(test)]
mod tests;
