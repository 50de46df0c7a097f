//! What is verified: both stores of one block, as far as they can be opened.

use std::sync::Arc;

use boundary::Boundary;
use changeset::{AppHash, CommitInfo, Hash, History, OldStore, Walk};
use flatkv::{FlatKv, FlatKvError};
use memiavl_iter::{TreeSnapshot, snapshot_name};
use migrate_core::{ErrorKind, Heights, Metadata, Mode, ModeSetting, derive_mode};

use super::finding::{Finding, FindingKind, words};
use crate::View;
use crate::error::Error;
use crate::home::Home;
use crate::inspect::{SECONDARY, open_memiavl};
use crate::scratch::Scratch;

/// The stores of one block.
pub(super) struct Subject {
    pub(super) height: u64,
    /// None where the records do not tell it.
    pub(super) mode: Option<Mode>,
    pub(super) boundary: Boundary,
    pub(super) modules: Vec<String>,
    pub(super) memiavl: Option<memiavl::View>,
    pub(super) flatkv: Option<flatkv::View>,
    /// The snapshot's trees, also where no live tree could be made of them.
    pub(super) trees: Vec<(String, Arc<TreeSnapshot>)>,
    /// What opening found.
    pub(super) findings: Vec<Finding>,
    /// FlatKV's metadata that does not decode or contradicts itself.
    pub(super) faults: Vec<FlatKvError>,
    /// Where it stands; none of a live view.
    pub(super) home: Option<Home>,
    /// RocksDB's own files of a secondary lie here for as long as it is read.
    _own_dir: Option<Scratch>,
}

impl Subject {
    /// The block that a live node's view pins.
    pub(super) fn of_view(view: &View) -> Result<Self, Error> {
        let memiavl = view.old().cloned();
        let modules = view.remaining()?.into_iter().map(|(module, _)| module).collect();
        Ok(Self {
            height: view.height(),
            mode: Some(view.mode()),
            boundary: view.boundary().clone(),
            modules,
            trees: memiavl.as_ref().map(mapped).unwrap_or_default(),
            memiavl,
            flatkv: view.new_store().cloned(),
            findings: Vec::new(),
            faults: Vec::new(),
            home: None,
            _own_dir: None,
        })
    }

    /// The last block of a home, also beside a running node. Damage is a finding, as far as something is left to read.
    pub(super) fn of_home(home: Home, modules: &[String]) -> Result<Self, Error> {
        home.check_present()?;
        let own_dir = Scratch::temporary(SECONDARY)?;
        let own = own_dir.path().to_owned();
        let audit = FlatKv::open_audit(home.flatkv(), &flatkv::Options::default(), || Ok(own))?;
        let (flatkv, faults) = audit.map_or((None, Vec::new()), |audit| (Some(audit.view), audit.faults));
        let damaged = |fault: &FlatKvError| Finding::general(FindingKind::RecordDamaged, words(fault));
        let findings = faults.iter().map(damaged).collect();
        let mut subject = Self {
            height: 0,
            mode: None,
            boundary: Boundary::NotStarted,
            modules: modules.to_vec(),
            memiavl: None,
            flatkv,
            trees: Vec::new(),
            findings,
            faults,
            home: None,
            _own_dir: Some(own_dir),
        };
        subject.modules.sort_unstable();
        subject.modules.dedup();
        subject.find_memiavl(&home)?;
        subject.find_mode()?;
        subject.home = Some(home);
        Ok(subject)
    }

    fn find_memiavl(&mut self, home: &Home) -> Result<(), Error> {
        let is_retired = self.flatkv.as_ref().map(flatkv::View::retired).transpose()?.flatten().is_some();
        let expected = self.flatkv.as_ref().and_then(|flatkv| flatkv.last_handoff());
        if is_retired || !home.memiavl().exists() {
            if let (false, Some(height)) = (is_retired, expected) {
                let detail = format!("memiavl's directory is missing and still needed: height={height}");
                self.findings.push(Finding::general(FindingKind::Unreadable, detail));
            }
            return Ok(());
        }
        match open_memiavl(home, expected) {
            Ok(store) => {
                let view = OldStore::view(&store);
                self.trees = mapped(&view);
                self.memiavl = Some(view);
            }
            Err(error) if error.kind() == ErrorKind::Corruption => {
                self.findings.push(of_damage(&error));
                self.find_trees(home)?;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The trees of the current snapshot one by one, where they could not be opened together.
    fn find_trees(&mut self, home: &Home) -> Result<(), Error> {
        let Some(version) = memiavl::current_version(home.memiavl())? else { return Ok(()) };
        let snapshot = home.memiavl().join(snapshot_name(version));
        let io = |source| Error::Io { action: "list", path: snapshot.clone(), source };
        for entry in snapshot.read_dir().map_err(io)? {
            let path = entry.map_err(io)?.path();
            if !path.is_dir() {
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match TreeSnapshot::open(&path) {
                Ok(tree) => self.trees.push((name, Arc::new(tree))),
                Err(error) => {
                    self.findings.push(Finding::of_module(FindingKind::Unreadable, &name, None, words(&error)));
                }
            }
        }
        self.trees.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(())
    }

    /// Height, mode and boundary. A boundary that does not decode is taken from the journal.
    fn find_mode(&mut self) -> Result<(), Error> {
        let old = self.memiavl.as_ref().map_or(0, memiavl::View::version);
        let new = self.flatkv.as_ref().and_then(flatkv::View::version);
        self.height = new.unwrap_or(old);
        let metadata = match self.flatkv.as_ref().map(Metadata::read).transpose() {
            Ok(metadata) => metadata.unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Corruption => {
                self.findings.push(Finding::general(FindingKind::RecordDamaged, words(&error)));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        match derive_mode(ModeSetting::Auto, &metadata, Heights { old, new }) {
            Ok(mode) => {
                self.mode = Some(mode);
                let resting = if mode.migration().is_some() { Boundary::NotStarted } else { Boundary::Complete };
                self.boundary = metadata.boundary.unwrap_or(resting);
            }
            Err(error) if error.kind() == ErrorKind::Corruption || self.journal_tells_more()? => {
                self.findings.push(Finding::general(FindingKind::RecordMismatch, words(&error)));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Whether the last block left records of a migration, by its line of the journal. Without a record, a chain that was
    /// born in a later mode is to be told from one whose record is gone.
    fn journal_tells_more(&self) -> Result<bool, Error> {
        let Some(flatkv) = &self.flatkv else { return Ok(false) };
        match flatkv.journal(self.height) {
            Err(error) if error.kind() == changeset::StoreErrorKind::Corruption => Ok(false),
            line => Ok(line?.is_some_and(|line| line.version > 0 || !line.boundary.is_empty())),
        }
    }

    /// The last block as FlatKV recorded it, and the roots that stand beside it.
    pub(super) fn recorded(&self) -> Result<Option<(CommitInfo, AppHash, CommitInfo)>, Error> {
        let Some(flatkv) = &self.flatkv else { return Ok(None) };
        let unreadable = |source| migrate_core::Error::New { action: "reading the last block's record", source };
        let block = match History::block(flatkv, self.height) {
            Err(error) if error.kind() == changeset::StoreErrorKind::Corruption => return Ok(None),
            block => block.map_err(unreadable)?,
        };
        let imported = flatkv.imported()?.filter(|imported| imported.version == self.height.cast_signed());
        Ok(block.map(|(info, app_hash)| {
            let standing = imported.unwrap_or_else(|| info.clone());
            (info, app_hash, standing)
        }))
    }

    /// The keys of a module that are left in memiavl.
    pub(super) fn keys_left(&self, module: &str) -> Result<u64, Error> {
        let Some(memiavl) = &self.memiavl else { return Ok(0) };
        let counting = |source| migrate_core::Error::Old { action: "counting keys", source };
        Ok(memiavl.len(module).map_err(counting)?.unwrap_or(0))
    }
}

/// A store's root in a commit info.
pub(super) fn root_in(info: &CommitInfo, name: &str) -> Option<Hash> {
    let store = info.store_infos.iter().find(|store| store.name == name)?;
    Hash::try_from(store.commit_id.hash.as_ref()).ok()
}

fn mapped(view: &memiavl::View) -> Vec<(String, Arc<TreeSnapshot>)> {
    view.mapped_trees().map(|(name, tree)| (name.to_owned(), Arc::clone(tree))).collect()
}

/// What keeps memiavl from opening, with the tree where one is missing.
fn of_damage(error: &Error) -> Finding {
    if let Error::Memiavl(memiavl::Error::Snapshot(memiavl_iter::Error::MissingTree { path })) = error {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Finding::of_module(FindingKind::TreeMissing, &name, None, words(error));
    }
    Finding::general(FindingKind::Unreadable, words(error))
}
