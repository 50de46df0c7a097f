//! A log as it was found, and its entries by version.

use std::fs::File;
use std::ops::RangeInclusive;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use changeset::{EntryError, SealedEntry, open_entry, open_entry_in_place};

use crate::changelog::error::{LogError, Result};
use crate::changelog::segment::{Segment, read_uvarint};
use crate::changelog::step::io_error;
use crate::error::Doing;

pub use crate::changelog::scan::Torn;

/// What is known about a log from elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogOptions {
    /// Up to which version the log is known to be on disk. Whatever is wrong behind it is a torn end, even if something
    /// valid follows: a power cut can keep later pages and lose earlier ones.
    pub synced: Option<u64>,
    /// Whether entries were left to the operating system. Where it is not known what is on disk, a hole in the last segment
    /// is its torn end then, even if something valid follows: an entry that was not written reads as zeros, whole or from
    /// the beginning of a page on.
    pub may_have_holes: bool,
}

impl LogOptions {
    /// Options for a log that is known to be on disk up to `version`.
    pub fn synced(version: u64) -> Self {
        Self { synced: Some(version), ..Self::default() }
    }
}

/// A log's entries. Made by [`Log::read`], or held by a [`Changelog`](super::Changelog).
#[derive(Clone, Debug)]
pub struct Log {
    pub(super) dir: PathBuf,
    pub(super) segments: Vec<Segment>,
    pub(super) first_version: Option<u64>,
    pub(super) torn: Option<Torn>,
}

/// A file of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSegment<'a> {
    /// The file.
    pub path: &'a Path,
    /// The version that its first entry leads to.
    pub first_version: u64,
    /// Its whole entries.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Log {
    /// The log's files, oldest first; those without an entry are left out.
    pub fn segments(&self) -> impl Iterator<Item = LogSegment<'_>> {
        let first_index = self.segments.first().map_or(0, |segment| segment.index);
        let filled = self.first_version.into_iter().flat_map(move |first| {
            let filled = self.segments.iter().filter(|segment| !segment.offsets.is_empty());
            filled.map(move |segment| (first + (segment.index - first_index), segment))
        });
        filled.map(|(first_version, segment)| LogSegment {
            path: &segment.path,
            first_version,
            entries: segment.offsets.len() as u64,
            bytes: segment.end,
        })
    }

    /// The log's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The versions that the log's entries lead to; none if it has no entries.
    pub fn versions(&self) -> Option<RangeInclusive<u64>> {
        let first = self.first_version?;
        Some(first..=first + self.count().checked_sub(1)?)
    }

    /// The version of the first entry; none if the log has no entries.
    pub fn first_version(&self) -> Option<u64> {
        self.versions().map(|versions| *versions.start())
    }

    /// The version of the last entry; none if the log has no entries.
    pub fn last_version(&self) -> Option<u64> {
        self.versions().map(|versions| *versions.end())
    }

    /// How many entries the log has.
    pub fn count(&self) -> u64 {
        match (self.segments.first(), self.segments.last()) {
            (Some(first), Some(last)) => last.next_index() - first.index,
            _ => 0,
        }
    }

    /// The index of the next entry: 1 in an empty log.
    pub fn next_index(&self) -> u64 {
        self.segments.last().map_or(1, Segment::next_index)
    }

    /// Bytes of all entries.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.end).sum()
    }

    /// Bytes of the entries later than `version`: what a replay from there would read.
    pub fn bytes_after(&self, version: u64) -> u64 {
        let Some((at, place)) = version.checked_add(1).and_then(|next| self.locate(next)) else {
            return if self.first_version.is_some_and(|first| version < first) { self.bytes() } else { 0 };
        };
        let start = self.segments[at].entry_range(place).map_or(0, |(start, _)| start);
        self.segments[at..].iter().map(|segment| segment.end).sum::<u64>() - start
    }

    /// The version of the first entry in the segment of the entry that leads to `version`; none if the log does not have it.
    pub(crate) fn segment_start(&self, version: u64) -> Option<u64> {
        let (_, place) = self.locate(version)?;
        Some(version - place as u64)
    }

    /// The torn end that was found when the log was opened.
    pub fn torn(&self) -> Option<&Torn> {
        self.torn.as_ref()
    }

    /// Where the entry that leads to `version` is: the place of its segment, and its place there.
    pub(super) fn locate(&self, version: u64) -> Option<(usize, usize)> {
        let versions = self.versions()?;
        if !versions.contains(&version) {
            return None;
        }
        let index = self.segments.first()?.index + (version - versions.start());
        let at = self.segments.partition_point(|segment| segment.next_index() <= index);
        let place = usize::try_from(index - self.segments.get(at)?.index).ok()?;
        Some((at, place))
    }

    /// The bytes of the entry that leads to `version`, seal included; none if the log does not have it.
    ///
    /// # Errors
    /// I/O; a file that changed since the log was opened.
    pub fn entry(&self, version: u64) -> Result<Option<Bytes>> {
        Ok(self.record(version)?.map(|(bytes, _)| bytes))
    }

    /// The entry that leads to `version`, its seal checked; none if the log does not have it.
    ///
    /// # Errors
    /// I/O; an entry that does not decode, fails its checksum, or is another version's.
    pub fn sealed_entry(&self, version: u64) -> Result<Option<SealedEntry>> {
        Ok(self.opened(version, |bytes| open_entry(bytes))?.map(|(opened, _)| opened))
    }

    /// As [`sealed_entry`](Self::sealed_entry), with keys and values that keep the whole entry in memory, and its length.
    pub(crate) fn opened_in_place(&self, version: u64) -> Result<Option<(SealedEntry, u64)>> {
        self.opened(version, open_entry_in_place)
    }

    fn opened(
        &self,
        version: u64,
        open: impl Fn(&Bytes) -> std::result::Result<SealedEntry, EntryError>,
    ) -> Result<Option<(SealedEntry, u64)>> {
        let Some((bytes, (path, offset))) = self.record(version)? else { return Ok(None) };
        let path = path.to_owned();
        match open(&bytes) {
            Ok(opened) if opened.entry.version.cast_unsigned() == version => Ok(Some((opened, bytes.len() as u64))),
            Ok(opened) => Err(LogError::EntryVersion { path, offset, expected: version, got: opened.entry.version }),
            Err(source) => Err(LogError::Entry { path, offset, source }),
        }
    }

    /// An entry's bytes and where they came from.
    fn record(&self, version: u64) -> Result<Option<(Bytes, (&Path, u64))>> {
        let Some((at, place)) = self.locate(version) else { return Ok(None) };
        let segment = &self.segments[at];
        let Some((start, end)) = segment.entry_range(place) else { return Ok(None) };
        // UNWRAP: both are offsets in a segment, whose length was checked to fit 32 bits.
        let length = usize::try_from(end - start).expect("segment length was checked");
        let mut record = vec![0; length];
        File::open(&segment.path)
            .and_then(|file| file.read_exact_at(&mut record, start))
            .map_err(|source| io_error(Doing::Read, &segment.path, source))?;
        match read_uvarint(&record) {
            Some((announced, prefix)) if announced == (length - prefix) as u64 => {
                Ok(Some((Bytes::from(record).slice(prefix..), (&segment.path, start))))
            }
            read => Err(LogError::EntryLength {
                path: segment.path.clone(),
                offset: start,
                room: end - start,
                got: read.map_or(u64::MAX, |(announced, _)| announced),
            }),
        }
    }
}
