//! A whole snapshot: built under a temporary name, synced, renamed, and then `current`.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use changeset::{AppHash, ChangelogEntry, CommitInfo, MultiTreeMetadata, seal_entry};
use memiavl_iter::{SNAPSHOT_METADATA, Snapshot, snapshot_name};
use prost::Message;

use crate::changelog::{Changelog, LogOptions};
use crate::error::{Doing, Result};
use crate::multitree::Committed;
use crate::open::CHANGELOG;
use crate::snapshot::current::point_current;
use crate::snapshot::disk::{IoResult, remove_dir, remove_leftover, sync_dir, temporary_name};
use crate::snapshot::pace::{Cancel, Pace};
use crate::snapshot::tree_files::{link_files, link_tree, write_tree};
use crate::tree::Tree;

/// Writes the snapshot of a committed version into `dir`. It is whole and on disk afterwards, but `current` does not point
/// to it yet. One with the same roots that is there already is left as it is.
pub(crate) fn write_snapshot(dir: &Path, committed: &Committed, pace: &mut Pace<'_>) -> Result<PathBuf> {
    let finished = dir.join(snapshot_name(committed.version()));
    if fs::symlink_metadata(&finished).is_ok() {
        if is_same(&finished, committed) {
            return Ok(finished);
        }
        // What was left of it by a rollback, or is damaged: the live state is what this version is now.
        remove_dir(&finished)?;
    }
    build(dir, finished, committed, &mut |dir, tree| write_tree(dir, tree, pace))
}

/// Makes `dir`, which must not exist, a store with the committed version as its one snapshot and with no log.
pub(crate) fn write_store(dir: &Path, committed: &Committed) -> Result<()> {
    fs::create_dir(dir).doing(Doing::Write, dir)?;
    let (_running, cancel) = Cancel::new();
    let mut pace = Pace::unlimited(&cancel);
    let finished = dir.join(snapshot_name(committed.version()));
    build(dir, finished, committed, &mut |dir, tree| match tree.unchanged_since() {
        Some(snapshot) => link_tree(dir, snapshot.dir(), tree, &mut pace),
        None => write_tree(dir, tree, &mut pace),
    })?;
    point_current(dir, committed.version())
}

/// Makes `dir`, which must not exist, a store whose one snapshot has the trees of `commit_info`, their files hard links to
/// those below `from`, and whose log has one entry that is never replayed: its seal holds `app_hash`.
pub(crate) fn write_store_of(
    dir: &Path,
    from: &Path,
    commit_info: &CommitInfo,
    initial_version: u32,
    app_hash: AppHash,
) -> Result<()> {
    fs::create_dir(dir).doing(Doing::Write, dir)?;
    let version = commit_info.version.cast_unsigned();
    let finished = dir.join(snapshot_name(version));
    let temporary = temporary_name(&finished);
    fs::create_dir(&temporary).doing(Doing::Write, &temporary)?;
    for store in &commit_info.store_infos {
        link_files(&from.join(&store.name), &temporary.join(&store.name))?;
    }
    let initial_version = initial_version.into();
    write_metadata(&temporary, &MultiTreeMetadata { commit_info: Some(commit_info.clone()), initial_version })?;
    put_in_place(dir, &temporary, &finished)?;
    point_current(dir, version)?;
    write_seal(dir, version, app_hash)
}

/// A log whose one entry is of the snapshot's own version: never replayed, its seal holds `app_hash`.
pub(crate) fn write_seal(dir: &Path, version: u64, app_hash: AppHash) -> Result<()> {
    let entry = ChangelogEntry { version: version.cast_signed(), ..ChangelogEntry::default() };
    let mut log = Changelog::open_writer(&dir.join(CHANGELOG), LogOptions::default())?;
    log.append(version, &seal_entry(&entry, app_hash))?;
    Ok(log.close()?)
}

/// Builds a snapshot under a temporary name, its trees by `put_tree`, and renames it to `finished`.
fn build(
    dir: &Path,
    finished: PathBuf,
    committed: &Committed,
    put_tree: &mut dyn FnMut(&Path, &Tree) -> Result<()>,
) -> Result<PathBuf> {
    let temporary = temporary_name(&finished);
    remove_leftover(&temporary)?;
    fs::create_dir(&temporary).doing(Doing::Write, &temporary)?;
    for named in committed.forest().trees() {
        put_tree(&temporary.join(&*named.name), &named.tree)?;
    }
    let metadata = MultiTreeMetadata {
        commit_info: Some(committed.commit_info()),
        initial_version: committed.forest().initial_version().into(),
    };
    write_metadata(&temporary, &metadata)?;
    put_in_place(dir, &temporary, &finished)?;
    Ok(finished)
}

/// Makes `dir`, which has no `current`, a store without trees: snapshot 0, and `current` pointing to it.
pub(crate) fn write_fresh(dir: &Path, initial_version: u32) -> Result<()> {
    let finished = dir.join(snapshot_name(0));
    if fs::symlink_metadata(&finished).is_ok() {
        // Of a first opening that was interrupted, maybe with another initial version.
        remove_dir(&finished)?;
    }
    let temporary = temporary_name(&finished);
    remove_leftover(&temporary)?;
    fs::create_dir(&temporary).doing(Doing::Write, &temporary)?;
    let initial_version = initial_version.into();
    write_metadata(&temporary, &MultiTreeMetadata { commit_info: Some(CommitInfo::default()), initial_version })?;
    put_in_place(dir, &temporary, &finished)?;
    point_current(dir, 0)
}

fn write_metadata(dir: &Path, metadata: &MultiTreeMetadata) -> Result<()> {
    let path = dir.join(SNAPSHOT_METADATA);
    let mut file = File::create_new(&path).doing(Doing::Write, &path)?;
    file.write_all(&metadata.encode_to_vec()).doing(Doing::Write, &path)?;
    file.sync_all().doing(Doing::Sync, &path)
}

fn put_in_place(dir: &Path, temporary: &Path, finished: &Path) -> Result<()> {
    sync_dir(temporary)?;
    fs::rename(temporary, finished).doing(Doing::Rename, temporary)?;
    sync_dir(dir)
}

/// Whether a snapshot of this version that stands there already is of this very state.
fn is_same(finished: &Path, committed: &Committed) -> bool {
    Snapshot::open(finished).is_ok_and(|snapshot| {
        snapshot.trees().iter().map(|(name, tree)| (name.as_str(), tree.root_hash())).eq(committed.roots())
    })
}
