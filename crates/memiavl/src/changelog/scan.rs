//! Reading a log from front to back: where entries start, whether versions and indices follow each other, and where a torn
//! end begins.
//!
//! Of every entry the length and the version are read. Entries of the last segment, which a crash can have torn, are read
//! whole and compared with their seals; those without one are decoded. What is wrong is torn, and no error, when nothing
//! valid follows it in the last segment, or when it lies behind what is known to be on disk.

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use changeset::{AppHash, EntryError, SealedEntry, check_seal, open_entry_in_place};

use crate::changelog::error::{LogError, Result};
use crate::changelog::find::{all_zero_from, is_cut, is_hole, valid_entry_at, valid_entry_behind};
use crate::changelog::list::SegmentFile;
use crate::changelog::log::LogOptions;
use crate::changelog::segment::{ENTRY_BYTES_MAX, HEAD_BYTES, Segment, Window, peek_version, read_uvarint};
use crate::changelog::step::io_error;
use crate::error::Doing;

/// The torn end of a log: what a reader ignores and a writer cuts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Torn {
    /// The segment.
    pub path: PathBuf,
    /// Where the whole entries end.
    pub offset: u64,
    /// Bytes behind them, those of later segments not counted.
    pub bytes: u64,
    /// Later segments, of which nothing counts.
    pub later: Vec<PathBuf>,
}

/// A log's entries.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) segments: Vec<Segment>,
    /// The first entry's version; none in a log without entries.
    pub(super) first_version: Option<u64>,
    pub(super) torn: Option<Torn>,
}

/// Scans `files`, which are in order; `options` say what is known of them.
pub(super) fn scan(files: &[SegmentFile], options: LogOptions) -> Result<Scanned> {
    let LogOptions { synced, may_have_holes } = options;
    let mut scan = Scan { synced, may_have_holes, first_version: None, next_version: None };
    let mut segments: Vec<Segment> = Vec::with_capacity(files.len());
    for (place, file) in files.iter().enumerate() {
        let later = || files[place + 1..].iter().map(|file| file.path.clone()).collect();
        if let Some(previous) = segments.last()
            && previous.next_index() != file.index
        {
            if !scan.is_unsynced() {
                let expected = previous.next_index();
                return Err(LogError::SegmentIndex { path: file.path.clone(), expected, got: file.index });
            }
            let later = files[place..].iter().map(|file| file.path.clone()).collect();
            let torn = Torn { path: previous.path.clone(), offset: previous.end, bytes: 0, later };
            return Ok(Scanned { segments, first_version: scan.first_version, torn: Some(torn) });
        }
        let (segment, torn_bytes) = scan.segment(file, place + 1 == files.len())?;
        if let Some(bytes) = torn_bytes {
            let torn = Torn { path: segment.path.clone(), offset: segment.end, bytes, later: later() };
            segments.push(segment);
            return Ok(Scanned { segments, first_version: scan.first_version, torn: Some(torn) });
        }
        segments.push(segment);
    }
    Ok(Scanned { segments, first_version: scan.first_version, torn: None })
}

struct Scan {
    synced: Option<u64>,
    may_have_holes: bool,
    first_version: Option<u64>,
    next_version: Option<u64>,
}

/// One segment in work.
struct Part<'a> {
    path: &'a Path,
    file: &'a File,
    length: u64,
    is_last: bool,
}

impl Scan {
    /// Whether the next entry lies behind what is known to be on disk.
    fn is_unsynced(&self) -> bool {
        self.synced.zip(self.next_version).is_some_and(|(synced, next)| next > synced)
    }

    /// A segment's entries, and how many bytes behind them are torn.
    fn segment(&mut self, segment: &SegmentFile, is_last: bool) -> Result<(Segment, Option<u64>)> {
        let read = |source| io_error(Doing::Read, &segment.path, source);
        let file = File::open(&segment.path).map_err(read)?;
        let length = file.metadata().map_err(read)?.len();
        let max = u64::from(u32::MAX);
        if length > max {
            return Err(LogError::SegmentLength { path: segment.path.clone(), max, got: length });
        }
        let part = Part { path: &segment.path, file: &file, length, is_last };
        let mut window = Window::new(&file, length);
        let mut entries = Segment::empty(segment.index, segment.path.clone());
        while entries.end < length {
            match self.entry(&part, &mut window, entries.end)? {
                ControlFlow::Continue(end) => {
                    // UNWRAP: less than the file's length, which was checked to fit.
                    entries.offsets.push(u32::try_from(entries.end).expect("segment length was checked"));
                    entries.end = end;
                }
                ControlFlow::Break(()) => {
                    let torn_bytes = length - entries.end;
                    return Ok((entries, Some(torn_bytes)));
                }
            }
        }
        Ok((entries, None))
    }

    /// The end of the entry at `offset`; a break where the log is torn.
    fn entry(&mut self, part: &Part<'_>, window: &mut Window<'_>, offset: u64) -> Result<ControlFlow<(), u64>> {
        let read = |source| io_error(Doing::Read, part.path, source);
        let head = window.at(offset, HEAD_BYTES).map_err(read)?;
        let room = part.length - offset;
        let framed = read_uvarint(head)
            .filter(|(length, prefix)| (1..=ENTRY_BYTES_MAX).contains(length) && *length <= room - *prefix as u64);
        let Some((length, prefix)) = framed else {
            let got = read_uvarint(head).map_or(u64::MAX, |(length, _)| length);
            let wrong = LogError::EntryLength { path: part.path.to_owned(), offset, room, got };
            return self.judge(part, offset, wrong);
        };
        let peeked = if part.is_last { None } else { head.get(prefix..).and_then(peek_version) };
        let start = offset + prefix as u64;
        let version = match peeked {
            Some(version) => version,
            None => match whole_entry(part.file, start, length).map_err(read)? {
                Ok((_, Some(hash))) if is_cut(&hash, start + length) => {
                    let wrong = LogError::Entry { path: part.path.to_owned(), offset, source: EntryError::AppHashCut };
                    return self.judge(part, offset, wrong);
                }
                Ok((version, _)) => version,
                Err(source) => {
                    let wrong = LogError::Entry { path: part.path.to_owned(), offset, source };
                    return self.judge(part, offset, wrong);
                }
            },
        };
        if self.follows(version) {
            return Ok(ControlFlow::Continue(start + length));
        }
        let expected = self.next_version.unwrap_or(1);
        let wrong = LogError::EntryVersion { path: part.path.to_owned(), offset, expected, got: version };
        // An entry of another version is valid itself, unless it is rubbish that decodes by chance.
        let is_valid = part.is_last && valid_entry_at(part.file, part.length, offset).map_err(read)?;
        if is_valid && !self.is_unsynced() { Err(wrong) } else { self.judge(part, offset, wrong) }
    }

    /// Takes the next entry's version, if it follows.
    fn follows(&mut self, version: i64) -> bool {
        let Ok(version) = u64::try_from(version) else { return false };
        if version == 0 || self.next_version.is_some_and(|next| next != version) {
            return false;
        }
        self.first_version.get_or_insert(version);
        // It was an i64, hence no overflow.
        self.next_version = Some(version + 1);
        true
    }

    /// Whether what is wrong at `offset` is a torn end.
    fn judge(&self, part: &Part<'_>, offset: u64, wrong: LogError) -> Result<ControlFlow<(), u64>> {
        if self.is_unsynced() {
            return Ok(ControlFlow::Break(()));
        }
        if !part.is_last {
            return Err(wrong);
        }
        let read = |source| io_error(Doing::Read, part.path, source);
        let may_have_holes = self.may_have_holes && self.synced.is_none();
        let torn = all_zero_from(part.file, part.length, offset).map_err(read)?
            || (may_have_holes && is_hole(part.file, part.length, offset).map_err(read)?)
            || !valid_entry_behind(part.file, part.length, offset, self.next_version).map_err(read)?;
        if torn { Ok(ControlFlow::Break(())) } else { Err(wrong) }
    }
}

/// The version of the entry at `start`, and what its seal holds. An entry that its seal fits is not decoded: the replay does
/// that, of those that it needs.
fn whole_entry(
    file: &File,
    start: u64,
    length: u64,
) -> io::Result<std::result::Result<(i64, Option<AppHash>), EntryError>> {
    let bytes = read_bytes(file, start, length)?;
    Ok(match (check_seal(&bytes), peek_version(&bytes)) {
        (Ok(Some(hash)), Some(version)) => Ok((version, Some(hash))),
        (Ok(_), _) => open_entry_in_place(&bytes.into()).map(|opened| (opened.entry.version, opened.app_hash)),
        (Err(source), _) => Err(source),
    })
}

/// Decodes the entry at `start`. The length was checked to lie within the file.
pub(super) fn read_entry(
    file: &File,
    start: u64,
    length: u64,
) -> io::Result<std::result::Result<SealedEntry, EntryError>> {
    Ok(open_entry_in_place(&read_bytes(file, start, length)?.into()))
}

fn read_bytes(file: &File, start: u64, length: u64) -> io::Result<Vec<u8>> {
    let length = usize::try_from(length).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, start)?;
    Ok(bytes)
}
