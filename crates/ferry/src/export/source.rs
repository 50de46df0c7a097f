//! The state to export: both stores at one block, pinned, whether a node runs on or nobody has the home open.

use std::path::Path;
use std::thread;
use std::time::Duration;

use changeset::{AppHash, CommitInfo, Hash, History, LATTICE_STORE, ModuleCount, OldLog, OldStore, Walk, app_hash};
use flatkv::{FlatKv, Lane};
use tempfile::TempDir;

use crate::View;
use crate::error::Error;
use crate::home::Home;

/// How often a home is looked at again whose node is between its two stores, or has just dropped a snapshot.
const LOOKS: u32 = 25;
/// How long between two looks: a node is there for as long as it takes to append to its log.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// The state behind one block, for as long as this lives: blocks go on meanwhile.
pub struct Source {
    pub(super) height: u64,
    pub(super) app_hash: AppHash,
    pub(super) commit_info: CommitInfo,
    pub(super) moved: Vec<ModuleCount>,
    pub(super) memiavl: Option<memiavl::View>,
    pub(super) flatkv: Option<flatkv::View>,
    /// A node's open view, so that it is counted as one.
    _view: Option<View>,
    /// A secondary's own files. INVARIANT: behind the store that has them open.
    _own: Option<TempDir>,
}

/// What both stores say of the last block of a home.
struct Found {
    memiavl: Option<memiavl::View>,
    flatkv: Option<flatkv::View>,
    own: Option<TempDir>,
}

impl Source {
    /// The state that a view of a node sees.
    ///
    /// # Errors
    /// A view before the first block; one of a block whose app hash does not stand for the state; I/O.
    pub fn of_view(view: &View) -> Result<Self, Error> {
        let (memiavl, flatkv) = (view.old().cloned(), view.new_store().cloned());
        let source = Self {
            height: view.height(),
            app_hash: view.app_hash(),
            commit_info: view.commit_info().clone(),
            moved: moved(flatkv.as_ref())?,
            memiavl,
            flatkv,
            _view: Some(view.clone()),
            _own: None,
        };
        source.check()?;
        Ok(source)
    }

    /// The state of the home at `root`, as its last block has left it. Nothing below the home is written; a node may run
    /// there.
    ///
    /// # Errors
    /// No node there, directories of another program, damage, a home that is not at `height` if one is given, I/O.
    pub fn of_home(root: &Path, height: Option<u64>) -> Result<Self, Error> {
        let home = Home::locate(root);
        home.check_present()?;
        let Found { memiavl, flatkv, own } = look(&home)?;
        let memiavl_info = memiavl.as_ref().map(memiavl::View::commit_info);
        let (height_of_home, commit_info) = match flatkv.as_ref().and_then(flatkv::View::version) {
            Some(height) => {
                let block = flatkv.as_ref().map(|flatkv| History::block(flatkv, height)).transpose();
                let reading = |source| migrate_core::Error::New { action: "reading the last block's record", source };
                let block = block.map_err(reading)?.flatten();
                (height, block.ok_or(migrate_core::Error::RecordMissing { height })?.0)
            }
            None => memiavl_info.map_or((0, CommitInfo::default()), |info| (info.version.cast_unsigned(), info)),
        };
        if let Some(expected) = height.filter(|height| *height != height_of_home) {
            return Err(Error::ExportHeight { home: root.to_owned(), expected, got: height_of_home });
        }
        let source = Self {
            height: height_of_home,
            app_hash: app_hash(&commit_info),
            commit_info,
            moved: moved(flatkv.as_ref())?,
            memiavl,
            flatkv,
            _view: None,
            _own: own,
        };
        source.check()?;
        Ok(source)
    }

    /// The block's height.
    pub fn height(&self) -> u64 {
        self.height
    }

    /// The block's app hash.
    pub fn app_hash(&self) -> AppHash {
        self.app_hash
    }

    /// Records that the state has: nodes of trees and rows.
    ///
    /// # Errors
    /// I/O and corruption.
    pub fn records(&self) -> Result<u64, Error> {
        let mut records = 1;
        if let Some(memiavl) = &self.memiavl {
            for (name, _) in memiavl.roots() {
                let counting = |source| migrate_core::Error::Old { action: "counting keys", source };
                let keys = memiavl.len(name).map_err(counting)?.unwrap_or(0);
                records += 1 + (2 * keys).saturating_sub(1);
            }
        }
        if let Some(flatkv) = &self.flatkv {
            let rows: u64 = flatkv.totals().map(|(_, _, totals)| totals.rows).sum();
            records += Lane::ALL.len() as u64 + rows;
        }
        Ok(records)
    }

    /// The commit info must be of these very stores: the app hash is all that a receiver has to compare them with.
    fn check(&self) -> Result<(), Error> {
        if self.height == 0 {
            return Err(Error::ExportNothing);
        }
        let trees = self.memiavl.iter().flat_map(memiavl::View::roots);
        let lattice = self.flatkv.as_ref().map(|flatkv| (LATTICE_STORE, flatkv.root()));
        let mut expected = self.commit_info.store_infos.iter();
        for (name, root) in trees.chain(lattice) {
            let store = expected.next();
            let stored = store.and_then(|store| Hash::try_from(store.commit_id.hash.as_ref()).ok());
            if store.is_none_or(|store| store.name != name) || stored != Some(root) {
                return Err(Error::ExportUncovered { height: self.height, store: name.to_owned() });
            }
        }
        match expected.next() {
            None => Ok(()),
            Some(store) => Err(Error::ExportUncovered { height: self.height, store: store.name.clone() }),
        }
    }
}

/// Keys moved so far, as the last block's journal line has it.
fn moved(flatkv: Option<&flatkv::View>) -> Result<Vec<ModuleCount>, Error> {
    let Some((flatkv, height)) = flatkv.and_then(|flatkv| Some((flatkv, flatkv.version()?))) else {
        return Ok(Vec::new());
    };
    Ok(flatkv.journal(height)?.map(|line| line.moved).unwrap_or_default())
}

/// Opens both stores for reading, memiavl where FlatKV expects it.
fn look(home: &Home) -> Result<Found, Error> {
    let (flatkv, own) = match flatkv::probe(home.flatkv())? {
        flatkv::Probe::Missing | flatkv::Probe::Leftover => (None, None),
        found => {
            flatkv::check_ours(home.flatkv(), found)?;
            open_flatkv(home)?
        }
    };
    let part_of = |flatkv: &flatkv::View| {
        let height = flatkv.version()?;
        let (info, _) = History::block(flatkv, height).ok()??;
        info.store_infos.iter().any(|store| store.name != LATTICE_STORE).then_some(height)
    };
    let at_version = flatkv.as_ref().map(part_of);
    let memiavl = match at_version {
        // It rests or is gone: nothing of it is part of the state.
        Some(None) => None,
        at_version if home.memiavl().exists() => Some(open_memiavl(home, at_version.flatten())?),
        _ => None,
    };
    Ok(Found { memiavl, flatkv, own })
}

/// FlatKV in place if nobody holds it, else as a secondary whose own files lie outside the home.
fn open_flatkv(home: &Home) -> Result<(Option<flatkv::View>, Option<TempDir>), Error> {
    let options = flatkv::Options::default();
    match FlatKv::open_read_only(home.flatkv(), &options) {
        Err(flatkv::FlatKvError::Locked { .. }) => {
            let own = tempfile::tempdir().map_err(|source| Error::TemporaryDirectory { source })?;
            Ok((Some(FlatKv::open_secondary(home.flatkv(), own.path(), &options)?), Some(own)))
        }
        opened => Ok((Some(opened?), None)),
    }
}

/// memiavl at this version, or at its last one. A node that runs drops snapshots, and for a moment its log lacks a block that
/// FlatKV has: then it is looked at again.
fn open_memiavl(home: &Home, at_version: Option<u64>) -> Result<memiavl::View, Error> {
    let mut options = memiavl::Options::read_only();
    options.at_version = at_version;
    let mut looks = 1;
    loop {
        let opened = memiavl::open(home.memiavl(), options.clone()).map_err(Error::from);
        let replaying = |source| migrate_core::Error::Old { action: "replaying the changelog", source }.into();
        match opened.and_then(|log| log.replay().map_err(replaying)) {
            Ok(store) => {
                if at_version.is_none() {
                    store.check_seal(None)?;
                }
                return Ok(OldStore::view(&store));
            }
            Err(_) if looks < LOOKS => {
                looks += 1;
                thread::sleep(LOOK_INTERVAL);
            }
            Err(error) => return Err(error),
        }
    }
}
