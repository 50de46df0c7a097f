//! A changelog of memiavl as it lies in its directory. What a writer would mend is told and left.

use std::path::{Path, PathBuf};

use memiavl::{Log, LogOptions, Torn};

use super::NoPart;
use crate::error::Error;

/// A file of a changelog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentLook {
    /// The file.
    pub path: PathBuf,
    /// The block of its first entry.
    pub first_height: u64,
    /// Its whole entries.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A changelog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangelogLook {
    /// The blocks of its first and last entry; none if it has no entry.
    pub heights: Option<(u64, u64)>,
    /// Its files, oldest first.
    pub segments: Vec<SegmentLook>,
    /// Entries that ferry wrote: their checksum was compared, and it fits.
    pub sealed: u64,
    /// Entries that the reference wrote, which have no checksum.
    pub unsealed: u64,
    /// Changes of keys in all entries.
    pub pairs: u64,
    /// What a crash has left behind the last whole entry.
    pub torn: Option<Torn>,
}

/// Looks at the changelog in `dir`, entry by entry.
///
/// # Errors
/// A log that is damaged in the middle, an entry that does not fit its checksum, I/O.
pub fn look_at_changelog(dir: &Path) -> Result<ChangelogLook, Error> {
    let log = match dir.is_dir() {
        true => Log::read(dir, LogOptions::default()).map_err(memiavl::Error::from)?,
        false => return Err(no_changelog(dir).into()),
    };
    // A changelog that has no entry yet is empty, or has an empty file; what holds other things is none.
    if log.first_version().is_none() && log.torn().is_none() && holds_directories(dir) {
        return Err(no_changelog(dir).into());
    }
    let (mut sealed, mut unsealed, mut pairs) = (0, 0, 0_u64);
    for height in log.versions().into_iter().flatten() {
        let Some(opened) = log.sealed_entry(height).map_err(memiavl::Error::from)? else { continue };
        *(if opened.app_hash.is_some() { &mut sealed } else { &mut unsealed }) += 1;
        pairs += opened.entry.changesets.iter().map(|set| set.pairs().len() as u64).sum::<u64>();
    }
    let segments = log.segments().map(|segment| SegmentLook {
        path: segment.path.to_owned(),
        first_height: segment.first_version,
        entries: segment.entries,
        bytes: segment.bytes,
    });
    Ok(ChangelogLook {
        heights: log.first_version().zip(log.last_version()),
        segments: segments.collect(),
        sealed,
        unsealed,
        pairs,
        torn: log.torn().cloned(),
    })
}

fn no_changelog(dir: &Path) -> NoPart {
    let (what, example) = ("changelog", "data/state_commit/memiavl/changelog");
    NoPart { what, example, path: dir.to_owned() }
}

/// Whether there is a directory in `dir`, which no changelog has.
fn holds_directories(dir: &Path) -> bool {
    dir.read_dir().is_ok_and(|mut entries| entries.any(|entry| entry.is_ok_and(|entry| entry.path().is_dir())))
}
