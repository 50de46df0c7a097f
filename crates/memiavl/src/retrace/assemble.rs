//! Making a store out of snapshots that are sound and entries that lead on from them.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use memiavl_iter::parse_snapshot_name;

use crate::changelog::{Changelog, LogOptions};
use crate::error::{Doing, Error, Result};
use crate::open::CHANGELOG;
use crate::snapshot::{IoResult, point_current, sync_dir};

/// Makes `dir`, which must not exist, a store: the given snapshots as hard links, oldest first, the newest of them current,
/// and a log with `entries`, whose versions follow each other. All of it is on disk afterwards, but for its own name.
///
/// # Errors
/// No snapshot, entries with a gap, I/O.
pub fn assemble(
    dir: &Path,
    snapshots: &[PathBuf],
    entries: &mut dyn Iterator<Item = Result<(u64, Bytes)>>,
) -> Result<()> {
    let version = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).and_then(parse_snapshot_name);
    let newest = snapshots.iter().filter_map(version).max();
    let newest = newest.ok_or_else(|| Error::NoStore { path: dir.to_owned() })?;
    fs::create_dir(dir).doing(Doing::Write, dir)?;
    for snapshot in snapshots {
        let name = snapshot.file_name().unwrap_or_default();
        link_copy(snapshot, &dir.join(name))?;
    }
    let mut log = Changelog::open_writer(&dir.join(CHANGELOG), LogOptions::default())?;
    for entry in entries {
        let (version, bytes) = entry?;
        log.append(version, &bytes)?;
    }
    log.close()?;
    point_current(dir, newest)
}

/// Makes `to`, which must not exist, a directory with the same files as `from`: hard links, or copies where there can be
/// none. For files that are never written again.
///
/// # Errors
/// I/O.
pub fn link_copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to).doing(Doing::Write, to)?;
    for entry in fs::read_dir(from).doing(Doing::List, from)? {
        let entry = entry.doing(Doing::List, from)?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().doing(Doing::Read, &source)?;
        if kind.is_dir() {
            link_copy(&source, &target)?;
        } else if kind.is_symlink() {
            let leads_to = fs::read_link(&source).doing(Doing::Read, &source)?;
            std::os::unix::fs::symlink(leads_to, &target).doing(Doing::Link, &target)?;
        } else {
            match fs::hard_link(&source, &target) {
                Err(error) if error.kind() == ErrorKind::CrossesDevices => {
                    fs::copy(&source, &target).doing(Doing::Write, &target)?;
                }
                linked => linked.doing(Doing::Link, &target)?,
            }
        }
    }
    sync_dir(to)
}
