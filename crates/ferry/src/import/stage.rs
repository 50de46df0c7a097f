//! The import itself, from an open home to a replaced one.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use boundary::{BOUNDARY_KEY, MIGRATION_STORE, VERSION_KEY, encode_version};
use bytes::Bytes;
use changeset::{Hash, History, JournalLine, KvPair, LATTICE_STORE, ModuleCount, NamedChangeSet, app_hash};
use flatkv::{BulkBlock, BulkLoad, FlatKv, Loaded};
use memiavl::{MemIavl, View};
use migrate_core::{Engine, Mode};

use crate::error::Error;
use crate::import::plan::Plan;
use crate::import::work::work;
use crate::import::{Import, ImportHook, ImportPoint, ImportProgress, ImportReport, Moved};
use crate::open;
use crate::options::Options;
use crate::replace::Replacement;

/// An import about to be done.
pub(super) struct Stage {
    pub(super) engine: Engine<MemIavl, FlatKv>,
    pub(super) memiavl: View,
    pub(super) plan: Plan,
    pub(super) replacement: Replacement,
    pub(super) import: Import,
    pub(super) from_version: u64,
    pub(super) began: Instant,
}

/// Both stores, built.
struct Built {
    root: Hash,
    moved: Moved,
    opening: Duration,
    moving: Duration,
    building: Duration,
}

impl Stage {
    pub(super) fn run(
        self,
        options: &Options,
        progress: &mut dyn FnMut(ImportProgress) -> ControlFlow<()>,
        hook: ImportHook<'_>,
    ) -> Result<ImportReport, Error> {
        let built = match self.build(options, progress, hook) {
            Ok(built) => built,
            Err(error) => return Err(self.give_up(error)),
        };
        let began = Instant::now();
        let Self { engine, memiavl, plan, replacement, import, from_version, .. } = self;
        drop(memiavl);
        open::close(engine)?;
        replacement.put_in_place_with(&mut || hook(ImportPoint::Switched))?;
        hook(ImportPoint::Replaced);
        let report = ImportReport {
            height: import.at_height,
            from_version,
            to_version: import.to.base_version(),
            modules: plan.modules,
            moved: built.moved,
            root: Some(built.root),
            opening: built.opening,
            moving: built.moving,
            building: built.building,
            switching: began.elapsed(),
        };
        tracing::info!(height = report.height, version = report.to_version, "imported");
        Ok(report)
    }

    /// Leaves the home as it was. The first error is what counts.
    fn give_up(self, error: Error) -> Error {
        let Self { engine, memiavl, replacement, .. } = self;
        drop(memiavl);
        for left in [open::close(engine), replacement.abandon()] {
            if let Err(error) = left {
                tracing::warn!(%error, "after an import that was given up");
            }
        }
        error
    }

    fn copy_flatkv(&self) -> Result<(), Error> {
        match self.engine.new_store() {
            Some(store) if store.span().is_some() => Ok(store.checkpoint(&self.replacement.flatkv())?),
            _ => Ok(()),
        }
    }

    /// Builds both stores beside the present ones.
    fn build(
        &self,
        options: &Options,
        progress: &mut dyn FnMut(ImportProgress) -> ControlFlow<()>,
        hook: ImportHook<'_>,
    ) -> Result<Built, Error> {
        hook(ImportPoint::Begun);
        self.copy_flatkv()?;
        let opening = self.began.elapsed();
        let began = Instant::now();
        let (flatkv, height) = (self.replacement.flatkv(), self.import.at_height);
        let load = BulkLoad::begin(&flatkv, &flatkv.with_extension("tables"), height, &options.flatkv())?;
        let threads = self.import.threads;
        let (loaded, moved) = work(&self.memiavl, &load, &self.plan, threads, &options.cancel, progress)?;
        let moving = began.elapsed();
        hook(ImportPoint::Moved);
        let began = Instant::now();
        let root = self.finish(load, loaded, moved)?;
        let building = began.elapsed();
        hook(ImportPoint::Built);
        // The last moment at which nothing has happened yet.
        let now = ImportProgress { keys: moved.keys, keys_total: self.plan.keys() };
        if options.cancel.is_cancelled() || progress(now).is_break() {
            return Err(migrate_core::Error::Cancelled.into());
        }
        Ok(Built { root, moved, opening, moving, building })
    }

    /// memiavl without the moved keys, and FlatKV's records.
    fn finish(&self, load: BulkLoad, loaded: Vec<Loaded>, moved: Moved) -> Result<Hash, Error> {
        let Import { at_height: height, to, .. } = self.import;
        let commit_info = self.engine.last_commit_info();
        let app_hash = app_hash(&commit_info);
        let retires_old = to == Mode::FlatkvOnly;
        let standing = match retires_old {
            true => Vec::new(),
            false => {
                let emptied: Vec<_> = self.plan.modules.iter().map(|module| module.name.as_str()).collect();
                roots(&self.memiavl.write_store(&self.replacement.memiavl(), &emptied, app_hash)?)
            }
        };
        let version = to.base_version();
        let changes = [NamedChangeSet::new(
            MIGRATION_STORE,
            vec![
                KvPair::delete(BOUNDARY_KEY),
                KvPair::set(VERSION_KEY, Bytes::copy_from_slice(&encode_version(version))),
            ],
        )];
        let journal = JournalLine {
            height,
            version,
            keys: moved.keys,
            key_bytes: moved.key_bytes,
            value_bytes: moved.value_bytes,
            app_hash: Bytes::copy_from_slice(&app_hash),
            moved: self.moved()?,
            ..JournalLine::default()
        };
        let block = BulkBlock { commit_info, app_hash, standing, changes: &changes, journal, retires_old };
        Ok(load.finish(loaded, &block)?)
    }

    /// Keys moved per module by all migrations, these included.
    fn moved(&self) -> Result<Vec<ModuleCount>, Error> {
        let before = match self.engine.new_store() {
            Some(store) => History::journal(store, self.import.at_height)
                .map_err(|source| migrate_core::Error::New { action: "reading the journal", source })?,
            None => None,
        };
        let mut moved: BTreeMap<String, u64> =
            before.unwrap_or_default().moved.into_iter().map(|count| (count.module, count.keys)).collect();
        for module in &self.plan.modules {
            *moved.entry(module.name.clone()).or_default() += module.keys;
        }
        Ok(moved.into_iter().map(|(module, keys)| ModuleCount { module, keys }).collect())
    }
}

/// Names and roots of memiavl's trees.
fn roots(info: &changeset::CommitInfo) -> Vec<(String, Hash)> {
    let root =
        |store: &changeset::StoreInfo| Some((store.name.clone(), Hash::try_from(store.commit_id.hash.as_ref()).ok()?));
    info.store_infos.iter().filter(|store| store.name != LATTICE_STORE).filter_map(root).collect()
}
