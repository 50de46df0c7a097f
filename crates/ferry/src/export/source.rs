//! The state to export: both stores at one block, pinned, whether a node runs on or nobody has the home open.

use std::path::Path;

use changeset::{AppHash, CommitInfo, Hash, LATTICE_STORE, ModuleCount, Walk};
use flatkv::Lane;

use crate::View;
use crate::error::Error;
use crate::read::read_home;

/// The state behind one block, for as long as this lives: blocks go on meanwhile.
pub struct Source {
    pub(super) height: u64,
    pub(super) app_hash: AppHash,
    pub(super) commit_info: CommitInfo,
    pub(super) moved: Vec<ModuleCount>,
    pub(super) memiavl: Option<memiavl::View>,
    pub(super) flatkv: Option<flatkv::View>,
    /// A node's open view, so that it is counted as one.
    _view: View,
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
            _view: view.clone(),
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
        // Which modules the chain has matters to reads alone.
        let view = read_home(root, &[])?;
        if let Some(expected) = height.filter(|height| *height != view.height()) {
            return Err(Error::ExportHeight { home: root.to_owned(), expected, got: view.height() });
        }
        Self::of_view(&view)
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
