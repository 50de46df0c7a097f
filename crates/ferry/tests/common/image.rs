//! What a process that dies leaves behind: a copy of a home at one moment.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A file or link as a listing shows it.
type Entry = (PathBuf, u64, SystemTime, Option<PathBuf>);

/// Copies the home at `from` as it is at one moment. The thread that writes blocks stands still meanwhile; background
/// work may not, so a copy in which anything moved is thrown away and made anew.
pub(crate) fn take(from: &Path, to: &Path) {
    loop {
        let before = list(from);
        if copy(from, to).is_ok() && before == list(from) {
            return;
        }
        fs::remove_dir_all(to).expect("removes the copy");
    }
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&path)?, &target)?;
        } else if kind.is_dir() {
            copy(&path, &target)?;
        } else {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}

/// All files and links below `directory` in the order of their paths; what goes away meanwhile is left out.
fn list(directory: &Path) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            if metadata.is_dir() {
                pending.push(path.clone());
            }
            let changed = metadata.modified().expect("a time");
            entries.push((path.clone(), metadata.len(), changed, fs::read_link(&path).ok()));
        }
    }
    entries.sort();
    entries
}

/// The only segment of a home's changelog, and its length; none if there is none.
pub(crate) fn changelog(home: &Path) -> Option<(PathBuf, u64)> {
    let segments = fs::read_dir(home.join("data/state_commit/memiavl/changelog")).ok()?;
    let mut segments = segments.map(|segment| segment.expect("an entry"));
    let segment = segments.next()?;
    assert!(segments.next().is_none(), "a short life has one segment");
    Some((segment.path(), segment.metadata().expect("metadata").len()))
}
