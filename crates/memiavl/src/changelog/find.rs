//! Telling a torn end from damage in the middle: is there anything valid behind?

use std::fs::File;
use std::io;

use changeset::AppHash;

use crate::changelog::scan::read_entry;
use crate::changelog::segment::{ENTRY_BYTES_MAX, HEAD_BYTES, Window, peek_version, read_uvarint};

/// How many times a file's length may be decoded in search of entries; bytes that keep looking like entries beyond that are
/// taken for some. Honest rubbish is decoded hardly ever.
const DECODE_FACTOR: u64 = 16;
/// What a file system writes at once.
const PAGE_BYTES: u64 = 4096;
const ZEROS_MIN: u64 = 8;

/// Where the first byte that is not zero stands.
fn first_nonzero(file: &File, length: u64, from: u64) -> io::Result<Option<u64>> {
    let mut window = Window::new(file, length);
    let mut at = from;
    while at < length {
        let bytes = window.at(at, 1)?;
        if let Some(place) = bytes.iter().position(|byte| *byte != 0) {
            return Ok(Some(at + place as u64));
        }
        at += bytes.len() as u64;
    }
    Ok(None)
}

/// Whether the file is zeros from `from` on, as pages read that were never written.
pub(super) fn all_zero_from(file: &File, length: u64, from: u64) -> io::Result<bool> {
    Ok(first_nonzero(file, length, from)?.is_none())
}

/// Whether the entry at `offset` was not written, or not from the beginning of a page on: zeros where its length stands, or from
/// a page's beginning in it to the end of that page or of the entry.
pub(super) fn is_hole(file: &File, length: u64, offset: u64) -> io::Result<bool> {
    let mut window = Window::new(file, length);
    let head = window.at(offset, HEAD_BYTES)?;
    if head.first().is_none_or(|byte| *byte == 0) {
        return Ok(true);
    }
    let framed = read_uvarint(head).map(|(bytes, prefix)| offset.saturating_add(bytes).saturating_add(prefix as u64));
    // A length that is cut by a page's beginning ends there.
    let end = framed.map_or(length, |end| end.max(offset + HEAD_BYTES as u64)).min(length);
    let mut page = (offset / PAGE_BYTES + 1) * PAGE_BYTES;
    while page < end {
        if all_zero_from(file, end.min(page + PAGE_BYTES), page)? {
            return Ok(true);
        }
        page += PAGE_BYTES;
    }
    Ok(false)
}

/// Whether the app hash that ends an entry at `end` is zeros from the beginning of a page on: that page was never written. Where
/// no page begins in the hash, nothing was lost of it. Fewer zeros than eight are what a hash may end with by chance.
pub(super) fn is_cut(app_hash: &AppHash, end: u64) -> bool {
    let zeros = app_hash.iter().rev().take_while(|byte| **byte == 0).count() as u64;
    let in_last_page = (end - 1) % PAGE_BYTES + 1;
    zeros >= ZEROS_MIN && zeros >= in_last_page
}

/// Whether an entry can be read anywhere behind `offset`, where the entry of `version` should stand; none if it is the first.
///
/// Rubbish of some length holds something like a tiny entry by chance, and a torn entry holds one by design: the last byte
/// of its length and the start of its content can be a shorter entry of the same version. So an entry counts only if it is
/// a later one (or follows on zeros alone), and if its seal, or what stands behind it, bears it out. One of the same version
/// counts if it is sealed: the seal is the last that is written of an entry, so it was whole, and stands in another place
/// than the lengths before it say.
pub(super) fn valid_entry_behind(file: &File, length: u64, offset: u64, version: Option<u64>) -> io::Result<bool> {
    let mut search = Search { file, length, decoded: 0 };
    let mut window = Window::new(file, length);
    let torn_version = head_version(window.at(offset, HEAD_BYTES)?);
    let is_later = |found: u64| match version {
        // An entry has four bytes or more, so no version can be later than there is room for.
        Some(version) => found > version && found - version <= length,
        None => found > 0 && Some(found) != torn_version,
    };
    if let Some(start) = first_nonzero(file, length, offset)?
        && start > offset
        && search.is_entry(start, window.at(start, HEAD_BYTES)?, |found| Some(found) == version || is_later(found))?
    {
        return Ok(true);
    }
    for start in offset + 1..length {
        let head = window.at(start, HEAD_BYTES)?;
        if search.is_entry(start, head, is_later)? || search.is_sealed(start, head, version)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether what stands at `offset` is an entry of any version.
pub(super) fn valid_entry_at(file: &File, length: u64, offset: u64) -> io::Result<bool> {
    let mut window = Window::new(file, length);
    Search { file, length, decoded: 0 }.is_entry(offset, window.at(offset, HEAD_BYTES)?, |found| found > 0)
}

/// The version that an entry's first bytes tell, if they do.
fn head_version(head: &[u8]) -> Option<u64> {
    let (_, prefix) = read_uvarint(head)?;
    peek_version(head.get(prefix..)?).and_then(|version| u64::try_from(version).ok())
}

struct Search<'a> {
    file: &'a File,
    length: u64,
    decoded: u64,
}

impl Search<'_> {
    /// Whether an entry of a wanted version stands at `start`.
    fn is_entry(&mut self, start: u64, head: &[u8], is_wanted: impl Fn(u64) -> bool) -> io::Result<bool> {
        let room = self.length - start;
        let Some((bytes, prefix)) = read_uvarint(head) else { return Ok(false) };
        if !(1..=ENTRY_BYTES_MAX).contains(&bytes) || bytes > room - prefix as u64 {
            return Ok(false);
        }
        let Some(version) = head_version(head).filter(|version| is_wanted(*version)) else { return Ok(false) };
        self.decoded += bytes;
        if self.decoded > self.length.saturating_mul(DECODE_FACTOR) {
            return Ok(true);
        }
        match read_entry(self.file, start + prefix as u64, bytes)? {
            Err(_) => Ok(false),
            Ok(opened) if opened.app_hash.is_some() => Ok(true),
            Ok(_) => self.is_borne_out(start + prefix as u64 + bytes, version),
        }
    }

    /// Whether a sealed entry of `version` stands at `start`.
    fn is_sealed(&mut self, start: u64, head: &[u8], version: Option<u64>) -> io::Result<bool> {
        let Some((bytes, prefix)) = read_uvarint(head) else { return Ok(false) };
        let prefix = prefix as u64;
        if version.is_none()
            || head_version(head) != version
            || bytes > self.length - start - prefix.min(self.length - start)
        {
            return Ok(false);
        }
        self.decoded += bytes;
        if self.decoded > self.length.saturating_mul(DECODE_FACTOR) {
            return Ok(true);
        }
        Ok(read_entry(self.file, start + prefix, bytes)?.is_ok_and(|opened| opened.app_hash.is_some()))
    }

    /// Whether what stands at `end` is what stands behind an entry of `version`: the next one, zeros, or nothing.
    fn is_borne_out(&self, end: u64, version: u64) -> io::Result<bool> {
        if all_zero_from(self.file, self.length, end)? {
            return Ok(true);
        }
        let mut window = Window::new(self.file, self.length);
        Ok(head_version(window.at(end, HEAD_BYTES)?).is_some_and(|next| next.checked_sub(1) == Some(version)))
    }
}
