//! A segment file.
//!
//! ```text
//! name    index of the first entry, 20 decimal digits
//! file    entries, one after the other, no checksum, no end mark
//! entry   uvarint length | ChangelogEntry (ferry's with a seal in field 15)
//! ```
//! Indices count up by one within and across segments. A segment is closed by the entry that takes it to
//! [`SEGMENT_BYTES`] or beyond; the next segment is then made at once, and is empty until the next entry. The format is that
//! of the Go library tidwall/wal 1.2, binary. Source: spec FORMATS, memiavl directory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// A segment of this length takes no further entry.
pub const SEGMENT_BYTES: u64 = 20_971_520;
/// The longest entry: what the reference takes for one.
pub(super) const ENTRY_BYTES_MAX: u64 = i32::MAX as u64;
/// Digits of a segment's name.
pub(super) const NAME_DIGITS: usize = 20;
/// The most bytes of a uvarint of 64 bits.
const UVARINT_BYTES_MAX: usize = 10;
/// What tells an entry's version from its first bytes: length, tag and version.
pub(super) const HEAD_BYTES: usize = UVARINT_BYTES_MAX + 1 + UVARINT_BYTES_MAX;
/// Tag of the version in an entry: field 1, varint. Both writers put it first.
const VERSION_TAG: u8 = 0x08;

/// The name of the segment that begins with entry `index`.
pub(super) fn segment_name(index: u64) -> String {
    format!("{index:0NAME_DIGITS$}")
}

/// Where the entries of one segment start.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// Index of the first entry.
    pub(super) index: u64,
    pub(super) path: PathBuf,
    /// Where each entry starts, length included. 32 bits: a segment that is longer is refused.
    pub(super) offsets: Vec<u32>,
    /// Where the last entry ends.
    pub(super) end: u64,
}

impl Segment {
    pub(super) fn empty(index: u64, path: PathBuf) -> Self {
        Self { index, path, offsets: Vec::new(), end: 0 }
    }

    pub(super) fn count(&self) -> u64 {
        self.offsets.len() as u64
    }

    /// Index of the entry that follows the segment's last one.
    pub(super) fn next_index(&self) -> u64 {
        self.index + self.count()
    }

    /// First and last byte (exclusive) of the entry at `place`, length included.
    pub(super) fn entry_range(&self, place: usize) -> Option<(u64, u64)> {
        let start = u64::from(*self.offsets.get(place)?);
        Some((start, self.offsets.get(place + 1).map_or(self.end, |next| u64::from(*next))))
    }
}

/// A uvarint at the start of `bytes` and its length; none if it does not end within them, exceeds 64 bits, or is longer than
/// it need be.
pub(super) fn read_uvarint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (place, byte) in bytes.iter().take(UVARINT_BYTES_MAX).enumerate() {
        let low = u64::from(byte & 0x7f);
        if place == UVARINT_BYTES_MAX - 1 && low > 1 {
            return None;
        }
        value |= low << (7 * place);
        if byte & 0x80 == 0 {
            // Writers use no byte more than they need; a length that lost its upper bits to a zero would be another one.
            return (place == 0 || low != 0).then_some((value, place + 1));
        }
    }
    None
}

/// The entry's version as its first bytes tell it; none if they are not as both writers write them.
pub(super) fn peek_version(entry: &[u8]) -> Option<i64> {
    let (&tag, rest) = entry.split_first()?;
    if tag != VERSION_TAG {
        return None;
    }
    read_uvarint(rest).map(|(version, _)| version.cast_signed())
}

/// A window over a file that moves as it is asked for other offsets: a scan hops from entry to entry.
pub(super) struct Window<'a> {
    file: &'a File,
    length: u64,
    start: u64,
    buffer: Vec<u8>,
}

/// How much a window holds: many small entries, or the heads of large ones.
const WINDOW_BYTES: usize = 64 << 10;

impl<'a> Window<'a> {
    pub(super) fn new(file: &'a File, length: u64) -> Self {
        Self { file, length, start: 0, buffer: Vec::new() }
    }

    /// The bytes from `offset` on: at least `wanted`, as far as the file has them.
    pub(super) fn at(&mut self, offset: u64, wanted: usize) -> io::Result<&[u8]> {
        let rest = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = wanted.min(rest);
        let skipped = offset.checked_sub(self.start).and_then(|skipped| usize::try_from(skipped).ok());
        let held = skipped.and_then(|skipped| self.buffer.len().checked_sub(skipped));
        let skipped = match (skipped, held) {
            (Some(skipped), Some(held)) if held >= wanted => skipped,
            _ => {
                self.buffer.resize(WINDOW_BYTES.max(wanted).min(rest), 0);
                self.start = offset;
                if let Err(error) = self.file.read_exact_at(&mut self.buffer, offset) {
                    self.buffer.clear();
                    return Err(error);
                }
                0
            }
        };
        Ok(&self.buffer[skipped..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A change here is a change of the format: the reference could no longer read what we write.
    #[test]
    fn the_formats_constants_stay() {
        assert_eq!((SEGMENT_BYTES, segment_name(1).as_str()), (20 << 20, "00000000000000000001"));
        assert_eq!(segment_name(u64::MAX).len(), NAME_DIGITS);
    }

    #[test]
    fn uvarints_end_within_64_bits() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            prost::encoding::encode_varint(value, &mut bytes);
            assert_eq!(read_uvarint(&bytes), Some((value, bytes.len())));
            assert_eq!(read_uvarint(&bytes[..bytes.len() - 1]), None);
        }
        assert_eq!(read_uvarint(&[0xff; 20]), None);
        let beyond = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert_eq!(read_uvarint(&beyond), None);
        assert_eq!((read_uvarint(&[0xb1, 0x00]), read_uvarint(&[0x00])), (None, Some((0, 1))), "a byte too many");
    }

    #[test]
    fn a_window_gives_what_the_file_has() {
        let file = tempfile::tempfile().expect("temporary file");
        let content: Vec<u8> = (0..200_000u32).map(|at| at as u8).collect();
        file.write_all_at(&content, 0).expect("written");
        let mut window = Window::new(&file, content.len() as u64);
        for offset in [0, 10, 65_530, 65_536, 3, 199_990, 199_999, 200_000, 70_000] {
            let got = window.at(offset as u64, HEAD_BYTES).expect("reads");
            assert!(got.len() >= HEAD_BYTES.min(content.len() - offset));
            assert_eq!(got, &content[offset..offset + got.len()]);
        }
        assert_eq!(window.at(1, 150_000).expect("reads"), &content[1..150_001]);
    }
}
