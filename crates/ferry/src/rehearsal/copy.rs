//! A copy of a home that shares what never changes.
//!
//! memiavl's snapshots and RocksDB's tables are written once and then only deleted: hard links to them cost nothing, and
//! nothing that is done to the copy reaches them. All else is copied. Where links are not possible everything is.

use std::fs;
use std::io;
use std::path::Path;

use crate::error::Error;
use crate::home::Home;
use crate::preflight::tree_bytes;

/// What RocksDB's tables are called.
const TABLE: &str = "sst";
const LOCKS: [&str; 2] = ["LOCK", "ferry.lock"];
const CHANGELOG: &str = "changelog";
const CURRENT: &str = "current";

/// How much was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Bytes that both homes share.
    pub linked_bytes: u64,
    /// Bytes that were copied.
    pub copied_bytes: u64,
}

/// Bytes that a copy may take where nothing can be linked.
pub(super) fn bytes(home: &Home) -> u64 {
    let newest = newest_snapshot(home.memiavl()).ok().flatten();
    let snapshot = newest.map_or(0, |snapshot| tree_bytes(&snapshot));
    [snapshot, tree_bytes(&home.memiavl().join(CHANGELOG)), tree_bytes(home.flatkv())]
        .into_iter()
        .fold(0, u64::saturating_add)
}

/// Copies the stores of `from` to the places of `to`.
pub(super) fn copy(from: &Home, to: &Home) -> Result<Copied, Error> {
    let mut copied = Copied::default();
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { action: "copy", path: path.clone(), source }
    };
    if let Some(snapshot) = newest_snapshot(from.memiavl()).map_err(at(from.memiavl()))? {
        let name = snapshot.file_name().unwrap_or_default();
        directory(&snapshot, &to.memiavl().join(name), &|_| true, &mut copied).map_err(at(&snapshot))?;
        std::os::unix::fs::symlink(name, to.memiavl().join(CURRENT)).map_err(at(to.memiavl()))?;
        let changelog = from.memiavl().join(CHANGELOG);
        if changelog.exists() {
            directory(&changelog, &to.memiavl().join(CHANGELOG), &|_| false, &mut copied).map_err(at(&changelog))?;
        }
    }
    if from.flatkv().exists() {
        directory(from.flatkv(), to.flatkv(), &is_table, &mut copied).map_err(at(from.flatkv()))?;
    }
    Ok(copied)
}

/// Whether a file of RocksDB's is one that is never written again.
fn is_table(path: &Path) -> bool {
    path.extension().is_some_and(|kind| kind == TABLE)
}

/// Copies a FlatKV that nobody has open; its tables are links.
pub(crate) fn link_flatkv(from: &Path, to: &Path) -> io::Result<()> {
    directory(from, to, &is_table, &mut Copied::default())
}

/// The directory of memiavl's newest snapshot.
fn newest_snapshot(memiavl: &Path) -> io::Result<Option<std::path::PathBuf>> {
    let current = memiavl.join(CURRENT);
    match fs::read_link(&current) {
        Ok(target) => Ok(Some(memiavl.join(target))),
        // No link: opening takes the newest one, too.
        Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::InvalidInput].contains(&error.kind()) => {
            let listed = if memiavl.exists() { memiavl_iter::list_snapshots(memiavl) } else { Ok(Vec::new()) };
            Ok(listed.map_err(io::Error::other)?.pop().map(|(_, snapshot)| snapshot))
        }
        Err(error) => Err(error),
    }
}

fn directory(from: &Path, to: &Path, shares: &dyn Fn(&Path) -> bool, copied: &mut Copied) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            directory(&path, &target, shares, copied)?;
        } else if !LOCKS.iter().any(|lock| entry.file_name() == *lock) {
            file(&path, &target, shares(&path), copied)?;
        }
    }
    Ok(())
}

fn file(from: &Path, to: &Path, shares: bool, copied: &mut Copied) -> io::Result<()> {
    // Another file system, one without links, one that cannot be written: then it is copied.
    if shares && fs::hard_link(from, to).is_ok() {
        copied.linked_bytes = copied.linked_bytes.saturating_add(fs::metadata(to)?.len());
        return Ok(());
    }
    copied.copied_bytes = copied.copied_bytes.saturating_add(fs::copy(from, to)?);
    Ok(())
}
