//! A changelog of memiavl as it lies in its directory. What a writer would mend is told and left.

use std::path::{Path, PathBuf};

use memiavl::{Log, LogOptions, Torn};

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
    if !dir.is_dir() {
        let source = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(Error::Io { action: "read a changelog", path: dir.to_owned(), source });
    }
    let log = Log::read(dir, LogOptions::default()).map_err(memiavl::Error::from)?;
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
