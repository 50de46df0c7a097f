//! Opening and closing.
//!
//! ```text
//! look      what is there, without a byte written: no node, another program's directory, another process
//! lock      the home, as a whole
//! finish    what a crash has left: a store being replaced, a rollback, a removal
//! read      FlatKV, opened for reading, says what memiavl's changelog must hold
//! agree     memiavl is opened, compared, replayed; every root is compared
//! take over FlatKV is opened for writing
//! ```

use std::fs;

use changeset::{OldLog, StoreError, StoreErrorKind, StoreResult};
use flatkv::FlatKv;
use memiavl::{Lock, MemIavl, Unreplayed};
use migrate_core::{Durability, Engine, Found, NewStoreMaker, OldRemover, Places};

use crate::error::Error;
use crate::home::{Home, holds_something};
use crate::options::Options;
use crate::reclaim::{self, Reclaim};
use crate::{registry, replace, restore, rollback};

/// An engine, and what must outlive it.
pub(crate) struct Opened {
    pub(crate) engine: Engine<MemIavl, FlatKv>,
    pub(crate) guard: Guard,
}

/// What an open home holds beside its stores.
pub(crate) struct Guard {
    _reclaim: Reclaim,
    /// INVARIANT: the last field, so that the lock outlives all that writes.
    _lock: Lock,
}

pub(crate) fn open(home: &Home, options: &Options) -> Result<Opened, Error> {
    registry::check(home.root())?;
    if !options.create {
        home.check_present()?;
    }
    // Only looked at so far: a directory of another program ends here, before anything is locked or made.
    flatkv::check_place(home.flatkv())?;
    let lock = home.lock()?;
    replace::finish(home)?;
    restore::tell(home)?;
    let mut new = FlatKv::find(home.flatkv(), &options.flatkv())?;
    if let Some(to) = new.as_ref().map(flatkv::View::rollback_target).transpose()?.flatten() {
        tracing::warn!(to, "going on with an interrupted rollback");
        drop(new.take());
        rollback::run(home, options, to)?;
        new = FlatKv::find(home.flatkv(), &options.flatkv())?;
    }
    let reclaim = Reclaim::default();
    let is_retired = new.as_ref().map(flatkv::View::retired).transpose()?.flatten().is_some();
    let swept = if is_retired { remove_memiavl(home, &reclaim) } else { sweep_memiavl(home, &reclaim) };
    swept.map_err(|source| Error::Io { action: "remove a store", path: home.memiavl().to_owned(), source })?;
    let old = match &new {
        Some(_) if is_retired => None,
        Some(_) if !holds_something(home.memiavl()) => None,
        new => Some(open_memiavl(home, options, new.as_ref())?),
    };
    let places = Places {
        take_over: take_over(options),
        make_new: maker(home, options),
        remove_old: remover(home, reclaim.clone()),
    };
    let engine = Engine::open(Found { old, new }, options.engine(), places)?;
    registry::enter(home.root(), engine.views().open());
    Ok(Opened { engine, guard: Guard { _reclaim: reclaim, _lock: lock } })
}

impl Guard {
    /// The home's lock, for what replaces the stores that were open.
    pub(crate) fn into_lock(self) -> Lock {
        let Self { _reclaim: reclaim, _lock: lock } = self;
        drop(reclaim);
        lock
    }
}

/// memiavl for writing. Where it may be ahead of FlatKV, it is rolled back first.
fn open_memiavl(home: &Home, options: &Options, new: Option<&flatkv::View>) -> Result<Unreplayed, Error> {
    let open = || memiavl::open(home.memiavl(), memiavl_options(options, new.map(flatkv::View::changelog_synced)));
    let log = open()?;
    let Some(new) = new else { return Ok(log) };
    let (Some(flatkv), memiavl) = (new.last_handoff(), log.last_version()) else { return Ok(log) };
    let may_be_ahead = options.accept_memiavl_ahead || options.durability == Durability::Os || new.is_left_to_os()?;
    if memiavl <= flatkv || !may_be_ahead {
        return Ok(log);
    }
    tracing::warn!(memiavl, flatkv, "memiavl is ahead of FlatKV and goes back to it");
    drop(log);
    memiavl::rollback(home.memiavl(), flatkv)?;
    Ok(open()?)
}

fn memiavl_options(options: &Options, changelog_synced: Option<u64>) -> memiavl::Options {
    let mut memiavl = memiavl::Options::writer();
    // A chain that starts at 1 says nothing of it in its snapshots. Above what their 32 bits hold memiavl refuses.
    let initial_version = if options.initial_version > 1 { options.initial_version } else { 0 };
    memiavl.initial_version = u32::try_from(initial_version).unwrap_or(u32::MAX);
    memiavl.initial_stores = options.initial_stores.clone();
    memiavl.changelog_synced = changelog_synced;
    memiavl.snapshot_interval_blocks = options.snapshot.interval_blocks;
    memiavl.replay_bytes_min = options.snapshot.replay_bytes_min;
    memiavl.replay_bytes_max = options.snapshot.replay_bytes_max;
    memiavl.cow_bytes_min = options.snapshot.changed_bytes_min;
    memiavl.cow_bytes_max = options.snapshot.changed_bytes_max;
    memiavl.snapshot_keep_recent = options.snapshot.keep_recent;
    memiavl.snapshot_write_bytes_per_second = options.snapshot.write_bytes_per_second.unwrap_or(0);
    memiavl.commits_are_durable = options.durability == Durability::Sync;
    memiavl
}

/// Opens for writing the FlatKV that was looked at.
fn take_over(options: &Options) -> Box<dyn FnOnce(flatkv::View) -> StoreResult<FlatKv>> {
    let options = options.flatkv();
    Box::new(move |found| Ok(FlatKv::take_over(found, &options)?))
}

/// Makes FlatKV when the first migration begins.
fn maker(home: &Home, options: &Options) -> NewStoreMaker<FlatKv> {
    let (dir, options) = (home.flatkv().to_owned(), options.flatkv());
    Box::new(move |first_height| {
        if let Some(parent) = dir.parent() {
            fs::create_dir_all(parent).map_err(|source| StoreError::new(StoreErrorKind::Io, source))?;
        }
        let mut store = FlatKv::open(&dir, &options)?;
        changeset::NewStore::seed(&mut store, first_height)?;
        Ok(store)
    })
}

/// Removes memiavl's directory once FlatKV has noted that nothing needs it.
fn remover(home: &Home, reclaim: Reclaim) -> OldRemover {
    let home = home.clone();
    Box::new(move || remove_memiavl(&home, &reclaim).map_err(|source| StoreError::new(StoreErrorKind::Io, source)))
}

fn remove_memiavl(home: &Home, reclaim: &Reclaim) -> std::io::Result<()> {
    reclaim::rename_away(home.memiavl())?;
    sweep_memiavl(home, reclaim)
}

/// Deletes in the background what was renamed away, now or before a crash.
fn sweep_memiavl(home: &Home, reclaim: &Reclaim) -> std::io::Result<()> {
    let away = reclaim::removed(home.memiavl());
    if away.exists() { reclaim.start(away) } else { Ok(()) }
}

/// Closes both stores, also if the first one fails; the first failure is told.
pub(crate) fn close(engine: Engine<MemIavl, FlatKv>) -> Result<(), Error> {
    let (old, new) = engine.into_stores()?;
    drop(new);
    match old {
        Some(old) => Ok(old.close()?),
        None => Ok(()),
    }
}
