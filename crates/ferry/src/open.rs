//! Opening and closing: what is on disk is looked at before anything is touched, then both stores are opened and handed to
//! the engine, which brings them to one block.

use std::fs;
use std::path::Path;

use changeset::{NewStore, StoreError, StoreErrorKind};
use flatkv::{FlatKv, Probe};
use memiavl::MemIavl;
use migrate_core::{Engine, Found, NewStoreMaker};

use crate::error::Error;
use crate::home::Home;
use crate::options::Options;
use crate::{registry, rollback};

pub(crate) fn open(home: &Home, options: &Options) -> Result<Engine<MemIavl, FlatKv>, Error> {
    registry::check(home.root())?;
    rollback::sweep(home)?;
    // FlatKV is only looked at so far: a directory of another program ends here, before anything is locked or made.
    let has_flatkv = match flatkv::probe(home.flatkv())? {
        Probe::Missing | Probe::Leftover => false,
        found => {
            flatkv::check_ours(home.flatkv(), found)?;
            true
        }
    };
    let has_memiavl = holds_something(home.memiavl());
    if !has_memiavl && !has_flatkv && !options.create {
        return Err(Error::NoNode { home: home.root().to_owned(), expected: home.memiavl().to_owned() });
    }
    let old =
        (has_memiavl || !has_flatkv).then(|| memiavl::open(home.memiavl(), memiavl_options(options))).transpose()?;
    let new = has_flatkv.then(|| FlatKv::open(home.flatkv(), &options.flatkv())).transpose()?;
    if let Some(flatkv) = &new
        && let Some(to) = flatkv.rollback_target()?
    {
        tracing::warn!(to, "going on with an interrupted rollback");
        drop((old, new));
        rollback::resume(home, options, to)?;
        return open(home, options);
    }
    let engine = Engine::open(Found { old, new }, options.engine(), maker(home, options))?;
    registry::enter(home.root(), engine.views().open());
    Ok(engine)
}

/// Whether there is a directory that is not empty. What it holds is found out when it is opened.
fn holds_something(dir: &Path) -> bool {
    fs::read_dir(dir).map_or(dir.exists(), |mut entries| entries.next().is_some())
}

fn memiavl_options(options: &Options) -> memiavl::Options {
    let mut memiavl = memiavl::Options::writer();
    // A chain that starts at 1 says nothing of it in its snapshots. Above what their 32 bits hold memiavl refuses.
    let initial_version = if options.initial_version > 1 { options.initial_version } else { 0 };
    memiavl.initial_version = u32::try_from(initial_version).unwrap_or(u32::MAX);
    memiavl.initial_stores = options.initial_stores.clone();
    memiavl.snapshot_interval_blocks = options.snapshot.interval_blocks;
    memiavl.snapshot_keep_recent = options.snapshot.keep_recent;
    memiavl.snapshot_write_bytes_per_second = options.snapshot.write_bytes_per_second.unwrap_or(0);
    memiavl
}

/// Makes FlatKV when the first migration begins.
fn maker(home: &Home, options: &Options) -> NewStoreMaker<FlatKv> {
    let (dir, options) = (home.flatkv().to_owned(), options.flatkv());
    Box::new(move |first_height| {
        if let Some(parent) = dir.parent() {
            fs::create_dir_all(parent).map_err(|source| StoreError::new(StoreErrorKind::Io, source))?;
        }
        let mut store = FlatKv::open(&dir, &options)?;
        store.seed(first_height)?;
        Ok(store)
    })
}

pub(crate) fn close(engine: Engine<MemIavl, FlatKv>) -> Result<(), Error> {
    let (old, new) = engine.into_stores();
    drop(new);
    match old {
        Some(old) => Ok(old.close()?),
        None => Ok(()),
    }
}
