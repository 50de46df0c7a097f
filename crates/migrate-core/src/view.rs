//! A view: one committed version as an immutable, owned whole.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use boundary::{BOUNDARY_KEY, Boundary, MIGRATION_STORE, VERSION_KEY};
use bytes::Bytes;
use changeset::{AppHash, CommitInfo, Hash, LATTICE_STORE, Read, Scan, ScanOrder, ScanRange, Walk};

use crate::error::Error;
use crate::manager::get_across;
use crate::merge::MergedScan;
use crate::mode::{Mode, Route};
use crate::publish::Ticket;

/// Everything a reader needs of one version. Made by the committing thread, never changed.
pub(crate) struct ViewState<O, N> {
    pub(crate) height: u64,
    pub(crate) mode: Mode,
    pub(crate) boundary: Boundary,
    pub(crate) commit_info: CommitInfo,
    pub(crate) app_hash: AppHash,
    pub(crate) modules: Arc<[String]>,
    /// memiavl; none once it rests or in a chain that never had it.
    pub(crate) old: Option<O>,
    /// FlatKV; none before it exists.
    pub(crate) new: Option<N>,
}

/// One committed version, for any number of threads. It costs nothing to clone; the last clone dropped closes it.
pub struct View<O, N> {
    pub(crate) state: Arc<ViewState<O, N>>,
    pub(crate) _ticket: Arc<Ticket>,
}

impl<O, N> fmt::Debug for View<O, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (height, mode) = (self.state.height, self.state.mode);
        f.debug_struct("View").field("height", &height).field("mode", &mode).finish_non_exhaustive()
    }
}

impl<O, N> Clone for View<O, N> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), _ticket: Arc::clone(&self._ticket) }
    }
}

impl<O: Read + Scan + Walk, N: Read + Scan> View<O, N> {
    /// The version's height; 0 before the first block.
    pub fn height(&self) -> u64 {
        self.state.height
    }

    /// The write mode that was in force.
    pub fn mode(&self) -> Mode {
        self.state.mode
    }

    /// The cursor of the mode's migration.
    pub fn boundary(&self) -> &Boundary {
        &self.state.boundary
    }

    /// The commit info.
    pub fn commit_info(&self) -> &CommitInfo {
        &self.state.commit_info
    }

    /// The app hash over the commit info.
    pub fn app_hash(&self) -> AppHash {
        self.state.app_hash
    }

    /// FlatKV's root, once it takes part in the commit info.
    pub fn root(&self) -> Option<Hash> {
        let store = self.state.commit_info.store_infos.iter().find(|store| store.name == LATTICE_STORE)?;
        Hash::try_from(store.commit_id.hash.as_ref()).ok()
    }

    /// The boundary record's bytes as FlatKV holds them; none if it has none.
    ///
    /// # Errors
    /// I/O and corruption.
    pub fn boundary_record(&self) -> Result<Option<Bytes>, Error> {
        self.record(BOUNDARY_KEY)
    }

    /// The version record's bytes as FlatKV holds them; none if it has none.
    ///
    /// # Errors
    /// I/O and corruption.
    pub fn version_record(&self) -> Result<Option<Bytes>, Error> {
        self.record(VERSION_KEY)
    }

    fn record(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        match &self.state.new {
            Some(new) => new.get(MIGRATION_STORE, key).map_err(Error::new("reading a migration record")),
            None => Ok(None),
        }
    }

    /// The value of a key; none if it is absent.
    ///
    /// # Errors
    /// A reserved, unnamed or unknown store, I/O, corruption.
    pub fn get(&self, module: &str, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let boundary = self.cursor_of(module)?;
        get_across(&boundary, self.state.old.as_ref(), self.state.new.as_ref(), module, key)
    }

    /// Many keys of one module at once, answers in the order of the keys.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_many(&self, module: &str, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, Error> {
        let (old, new) = (self.state.old.as_ref(), self.state.new.as_ref());
        let from_old = |keys: &[Bytes]| match old {
            Some(old) => old.get_many(module, keys).map_err(Error::old("reading keys")),
            None => Ok(vec![None; keys.len()]),
        };
        let from_new = |keys: &[Bytes]| match new {
            Some(new) => new.get_many(module, keys).map_err(Error::new("reading keys")),
            None => Ok(vec![None; keys.len()]),
        };
        let boundary = self.cursor_of(module)?;
        let mut answers = vec![None; keys.len()];
        let (mut there, here): (Vec<usize>, Vec<usize>) =
            (0..keys.len()).partition(|index| boundary.is_migrated(module, &keys[*index]));
        let picked: Vec<Bytes> = here.iter().map(|index| keys[*index].clone()).collect();
        for (index, answer) in here.into_iter().zip(from_old(&picked)?) {
            match answer {
                Some(value) => answers[index] = Some(value),
                None => there.push(index),
            }
        }
        let picked: Vec<Bytes> = there.iter().map(|index| keys[*index].clone()).collect();
        for (index, answer) in there.into_iter().zip(from_new(&picked)?) {
            answers[index] = answer;
        }
        Ok(answers)
    }

    /// The pairs of a store in `range`; nothing for a store that does not exist.
    ///
    /// # Errors
    /// A reserved or unnamed store, I/O, corruption; an error in the middle is the last item.
    pub fn scan(&self, module: &str, range: &ScanRange, order: ScanOrder) -> Result<MergedScan<'_>, Error> {
        check_name(module)?;
        let old = self.state.old.as_ref().map(|old| old.scan(module, range, order)).transpose();
        let new = self.state.new.as_ref().map(|new| new.scan(module, range, order)).transpose();
        Ok(MergedScan::new(old.map_err(Error::old("scanning"))?, new.map_err(Error::new("scanning"))?, order))
    }

    /// How many keys each configured module still has in memiavl, in name order; exact.
    ///
    /// # Errors
    /// I/O and corruption.
    pub fn remaining(&self) -> Result<Vec<(String, u64)>, Error> {
        let Some(old) = &self.state.old else {
            return Ok(self.state.modules.iter().map(|module| (module.clone(), 0)).collect());
        };
        let len = |module: &String| old.len(module).map_err(Error::old("counting keys"));
        self.state.modules.iter().map(|module| Ok((module.clone(), len(module)?.unwrap_or(0)))).collect()
    }

    /// The configured modules, in byte order.
    pub fn modules(&self) -> &[String] {
        &self.state.modules
    }

    /// memiavl at this version; none once it rests.
    pub fn old(&self) -> Option<&O> {
        self.state.old.as_ref()
    }

    /// FlatKV at this version; none before it exists.
    pub fn new_store(&self) -> Option<&N> {
        self.state.new.as_ref()
    }

    /// The boundary by which the keys of `module` are read.
    ///
    /// A module whose migration has not begun is read in memiavl and, where that has no key, in FlatKV: a step to its
    /// migration at batch size 0 sends brand-new keys there, and no record tells a reopened node of the step.
    ///
    /// # Errors
    /// A reserved, unnamed or unknown store, I/O, corruption.
    pub fn cursor_of(&self, module: &str) -> Result<Cow<'_, Boundary>, Error> {
        Ok(match self.route(module)? {
            Route::Old => Cow::Owned(Boundary::NotStarted),
            Route::Moving => Cow::Borrowed(&self.state.boundary),
            Route::New => Cow::Owned(Boundary::Complete),
        })
    }

    fn route(&self, module: &str) -> Result<Route, Error> {
        route(self.state.mode, &self.state.modules, self.state.new.is_some(), module, || match &self.state.old {
            Some(old) => Ok(old.len(module).map_err(Error::old("looking a tree up"))?.is_some()),
            None => Ok(false),
        })
    }
}

/// Refuses the store names that no caller may use.
pub(crate) fn check_name(module: &str) -> Result<(), Error> {
    match module {
        "" => Err(Error::UnnamedStore),
        MIGRATION_STORE => Err(Error::ReservedStore { store: MIGRATION_STORE }),
        _ => Ok(()),
    }
}

/// Where a module's keys live. A module that is not configured lives in memiavl if it has a tree there, and is unknown
/// otherwise. As long as FlatKV does not exist, everything lives in memiavl.
pub(crate) fn route(
    mode: Mode,
    modules: &[String],
    new_exists: bool,
    module: &str,
    has_tree: impl FnOnce() -> Result<bool, Error>,
) -> Result<Route, Error> {
    check_name(module)?;
    let configured = modules.iter().any(|known| known == module);
    if !configured {
        return if has_tree()? { Ok(Route::Old) } else { Err(Error::UnknownModule { module: module.to_owned() }) };
    }
    Ok(if new_exists { mode.route(module) } else { Route::Old })
}
