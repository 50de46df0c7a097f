//! Looking at a home without touching it: nothing below it is written, also while a node runs there.

use std::path::Path;

use changeset::{OldLog, OldStore, Walk};
use flatkv::FlatKv;
use migrate_core::{ErrorKind, Heights, Metadata, ModeSetting, derive_mode};

use crate::View;
use crate::error::Error;
use crate::home::Home;
use crate::scratch::Scratch;
use crate::status::{ModuleStatus, Status};

/// How the names of the directories begin where RocksDB keeps what is its own while it reads beside a node.
pub(crate) const SECONDARY: &str = "ferry-secondary-";

/// Reads what the home at `root` holds, with `modules` as the chain's modules.
///
/// # Errors
/// No node there, directories of another program, damage.
pub fn inspect(root: &Path, modules: &[String]) -> Result<Status, Error> {
    let home = Home::locate(root);
    let flatkv = found_flatkv(&home)?;
    let heights_of_old = flatkv.as_ref().and_then(flatkv::View::last_handoff);
    // A retired memiavl may still lie there, until the next opening: nothing of it counts.
    let is_retired = flatkv.as_ref().map(flatkv::View::retired).transpose()?.flatten().is_some();
    let memiavl = (home.memiavl().exists() && !is_retired).then(|| open_memiavl(&home, heights_of_old)).transpose()?;
    if memiavl.is_none() && flatkv.is_none() {
        return Err(Error::NoNode { home: root.to_owned(), expected: home.memiavl().to_owned() });
    }
    let mut names = modules.to_vec();
    names.sort_unstable();
    names.dedup();
    let old = memiavl.as_ref();
    let mut remaining = Vec::with_capacity(names.len());
    for name in names {
        let keys = old.map(|old| old.len(&name)).transpose();
        let keys = keys.map_err(|source| migrate_core::Error::Old { action: "counting keys", source })?;
        remaining.push((name, keys.flatten().unwrap_or(0)));
    }
    status(old.map(OldStore::version), flatkv.as_ref(), remaining)
}

/// What the node of `view` holds, without a look at its home.
///
/// # Errors
/// I/O and corruption.
pub fn status_of(view: &View) -> Result<Status, Error> {
    status(view.old().map(|_| view.height()), view.new_store(), view.remaining()?)
}

/// The FlatKV of a home; none if it does not exist.
pub(crate) fn found_flatkv(home: &Home) -> Result<Option<flatkv::View>, Error> {
    match flatkv::probe(home.flatkv())? {
        flatkv::Probe::Missing | flatkv::Probe::Leftover => Ok(None),
        found => {
            flatkv::check_ours(home.flatkv(), found)?;
            open_flatkv(home).map(Some)
        }
    }
}

/// FlatKV in place if nobody holds it, else as a secondary whose own files lie outside the home.
fn open_flatkv(home: &Home) -> Result<flatkv::View, Error> {
    let options = flatkv::Options::default();
    match FlatKv::open_read_only(home.flatkv(), &options) {
        Err(flatkv::FlatKvError::Locked { .. }) => {
            let own = Scratch::temporary(SECONDARY)?;
            Ok(FlatKv::open_secondary(home.flatkv(), own.path(), &options)?)
        }
        opened => Ok(opened?),
    }
}

/// memiavl at the height that FlatKV expects, or at its last one. A node that runs may be a block ahead in its log.
pub(crate) fn open_memiavl(home: &Home, at: Option<u64>) -> Result<memiavl::MemIavl, Error> {
    open_memiavl_whole(home, at).map_err(|error| match error {
        Error::Memiavl(memiavl::Error::Log(_)) if error.kind() == ErrorKind::Corruption => up_to_a_hole(home, error),
        error => error,
    })
}

/// What keeps memiavl from opening, with the remedy where that is a hole in its log: what a node that is opened mends, this must
/// not.
fn up_to_a_hole(home: &Home, error: Error) -> Error {
    let mut options = memiavl::Options::read_only();
    options.commits_are_durable = false;
    match memiavl::open(home.memiavl(), options) {
        Ok(log) => Error::ChangelogHole {
            path: home.memiavl().join("changelog"),
            last: log.last_version(),
            source: Box::new(error),
        },
        // Something stands behind it that is no hole.
        Err(_) => error,
    }
}

fn open_memiavl_whole(home: &Home, at: Option<u64>) -> Result<memiavl::MemIavl, Error> {
    let mut options = memiavl::Options::read_only();
    let log = memiavl::open(home.memiavl(), options.clone())?;
    options.at_version = at.filter(|at| *at < log.last_version());
    let log = match options.at_version {
        Some(_) => memiavl::open(home.memiavl(), options)?,
        None => log,
    };
    log.replay().map_err(|source| migrate_core::Error::Old { action: "replaying the changelog", source }.into())
}

fn status(memiavl: Option<u64>, flatkv: Option<&flatkv::View>, remaining: Vec<(String, u64)>) -> Result<Status, Error> {
    let metadata = flatkv.map(Metadata::read).transpose()?.unwrap_or_default();
    let new = flatkv.and_then(flatkv::View::version);
    let heights = Heights { old: memiavl.unwrap_or(0), new };
    let mode = derive_mode(ModeSetting::Auto, &metadata, heights)?;
    let moved = match (flatkv, new) {
        (Some(flatkv), Some(height)) => flatkv.journal(height)?.map(|line| line.moved).unwrap_or_default(),
        _ => Vec::new(),
    };
    let modules = remaining.into_iter().map(|(name, remaining)| {
        let moved = moved.iter().find(|count| count.module == name).map_or(0, |count| count.keys);
        ModuleStatus { route: mode.route(&name), moved, remaining, name }
    });
    Ok(Status {
        height: new.unwrap_or(heights.old),
        memiavl_height: memiavl,
        flatkv_height: new,
        mode,
        version: metadata.version.unwrap_or(0),
        boundary: metadata.boundary,
        root: flatkv.filter(|_| new.is_some()).map(flatkv::View::root),
        modules: modules.collect(),
    })
}
