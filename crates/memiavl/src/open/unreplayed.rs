//! A store opened and locked, its log read but not replayed.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use changeset::{Handoff, OldLog, StoreResult};
use memiavl_iter::{Snapshot, list_snapshots, snapshot_name};

use crate::changelog::{Changelog, Log, LogOptions};
use crate::error::{Doing, Error, Result};
use crate::lock::Lock;
use crate::multitree::Forest;
use crate::open::directory::{CHANGELOG, Found, LOCK, look};
use crate::open::options::{Access, Options};
use crate::open::replay::replay;
use crate::snapshot::{IoResult, remove_dir, remove_temporary, sync_dir, write_fresh};
use crate::store::{MemIavl, Replayed};

/// A store that is open, and whose log was read but not replayed.
pub struct Unreplayed {
    dir: PathBuf,
    options: Options,
    snapshot: Snapshot,
    log: Changelog,
    lock: Option<Lock>,
}

impl fmt::Debug for Unreplayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dir, snapshot_version) = (&self.dir, self.snapshot.version());
        f.debug_struct("Unreplayed")
            .field("dir", dir)
            .field("snapshot_version", &snapshot_version)
            .finish_non_exhaustive()
    }
}

/// Opens the store in `dir`. A writer makes a missing store, and changes nothing before it holds the lock and knows that the
/// directory is a store's.
///
/// # Errors
/// A directory that is no store, that another process holds, or whose parts do not fit; I/O.
pub fn open(dir: &Path, options: Options) -> Result<Unreplayed> {
    match options.access {
        Access::Writer => open_writer(dir, options),
        Access::ReadOnly => open_read_only(dir, options),
    }
}

fn open_writer(dir: &Path, options: Options) -> Result<Unreplayed> {
    if let Some(version) = options.at_version {
        return Err(Error::WriterAtVersion { path: dir.to_owned(), version });
    }
    look(dir)?;
    create_dir(dir)?;
    let mut lock = Lock::acquire(&dir.join(LOCK))?;
    remove_temporary(dir)?;
    let current = match look(dir)? {
        Found::Store { current } => current,
        Found::Fresh => {
            write_fresh(dir, options.initial_version)?;
            0
        }
    };
    let snapshot = Snapshot::open(&dir.join(snapshot_name(current)))?;
    let log = Changelog::open_writer(&dir.join(CHANGELOG), log_options(&options))?;
    lock.keep();
    Ok(Unreplayed { dir: dir.to_owned(), options, snapshot, log, lock: Some(lock) })
}

/// Makes `dir` and what is missing above it, each durably. The name of `dir` is synced also where it stood: a process that was
/// killed may have made it and not come to that.
fn create_dir(dir: &Path) -> Result<()> {
    let missing: Vec<_> = dir.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists()).collect();
    for dir in missing.into_iter().rev() {
        fs::create_dir(dir).doing(Doing::Write, dir)?;
        sync_dir(parent(dir))?;
    }
    sync_dir(parent(dir))
}

fn parent(dir: &Path) -> &Path {
    dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn open_read_only(dir: &Path, options: Options) -> Result<Unreplayed> {
    let Found::Store { current } = look(dir)? else {
        return Err(Error::NoStore { path: dir.to_owned() });
    };
    let version = match options.at_version {
        None => current,
        Some(wanted) => newest_snapshot(dir, current, wanted)?,
    };
    let snapshot = Snapshot::open(&dir.join(snapshot_name(version)))?;
    let log = Changelog::open_reader(&dir.join(CHANGELOG), log_options(&options))?;
    Ok(Unreplayed { dir: dir.to_owned(), options, snapshot, log, lock: None })
}

fn log_options(options: &Options) -> LogOptions {
    LogOptions { synced: options.changelog_synced, may_have_holes: !options.commits_are_durable }
}

/// The newest snapshot that is not later than `wanted`. One later than `current` does not count: a rewrite that was
/// interrupted has left it, and nobody has seen that it leads to the live roots.
pub(super) fn newest_snapshot(dir: &Path, current: u64, wanted: u64) -> Result<u64> {
    let snapshots = list_snapshots(dir)?;
    let newest = snapshots.iter().rev().map(|(version, _)| *version).find(|version| *version <= wanted.min(current));
    let oldest = snapshots.first().map(|(version, _)| *version);
    newest.ok_or_else(|| Error::VersionPruned { path: dir.to_owned(), wanted, oldest })
}

impl OldLog for Unreplayed {
    type Store = MemIavl;

    fn snapshot_version(&self) -> u64 {
        self.snapshot.version()
    }

    fn last_version(&self) -> u64 {
        self.log.last_version().unwrap_or(0).max(self.snapshot.version())
    }

    fn entry(&self, version: u64) -> StoreResult<Option<Bytes>> {
        Ok(self.log.entry(version)?)
    }

    fn truncate_after(&mut self, version: u64) -> StoreResult<()> {
        Ok(self.log.truncate_after(version)?)
    }

    fn append(&mut self, entries: &[Handoff]) -> StoreResult<()> {
        Ok(self.append_entries(entries)?)
    }

    fn replay(self) -> StoreResult<MemIavl> {
        Ok(self.replay_log()?)
    }
}

impl Unreplayed {
    fn append_entries(&mut self, entries: &[Handoff]) -> Result<()> {
        if let (Some(first), Some(last)) = (entries.first(), self.log.last_version())
            && first.version > last.saturating_add(1)
        {
            // Entries that were on disk are gone, and nobody has them any more.
            return Err(Error::LogGap { path: self.log.dir().to_owned(), version: last.saturating_add(1) });
        }
        for entry in entries {
            self.log.append(entry.version, &entry.entry)?;
        }
        Ok(self.log.sync()?)
    }

    pub(super) fn replay_log(self) -> Result<MemIavl> {
        let Self { dir, options, snapshot, log, lock } = self;
        let mut forest = Forest::mapped(&snapshot)?;
        check_gap(&log, &forest, &options)?;
        let last = log.last_version().unwrap_or(0);
        let until = options.at_version.unwrap_or(last).min(last);
        let sealed = replay(&log, &mut forest, until, || Ok(()))?;
        let reached = u64::from(forest.version());
        if let Some(wanted) = options.at_version.filter(|wanted| *wanted != reached) {
            return Err(Error::VersionNotReached { path: dir, wanted, last: reached });
        }
        let snapshot_version = snapshot.version();
        if options.access == Access::Writer {
            remove_unproven(&dir, snapshot_version, reached)?;
        }
        tracing::info!(version = forest.version(), snapshot_version, "memiavl is open");
        MemIavl::new(Replayed { dir, options, forest, log, snapshot_version, sealed, lock })
    }
}

/// Removes snapshots that an interrupted rewrite has left behind the current one, as far as the log has led to their
/// versions; one that is later than the log might hold what nothing else does.
fn remove_unproven(dir: &Path, current: u64, reached: u64) -> Result<()> {
    for (version, path) in list_snapshots(dir)? {
        if version > current && version <= reached {
            remove_dir(&path)?;
        }
    }
    Ok(())
}

/// The log must go on where the snapshot ends: neither begin behind that, nor, for a writer, end before it.
fn check_gap(log: &Log, forest: &Forest, options: &Options) -> Result<()> {
    let Some(versions) = log.versions() else {
        return Ok(());
    };
    let next = forest.next_version();
    let is_behind = options.access == Access::Writer && versions.end() + 1 < next;
    if is_behind || (*versions.start() > next && *versions.end() >= next) {
        return Err(Error::LogGap { path: log.dir().to_owned(), version: next.min(versions.end() + 1) });
    }
    Ok(())
}
