//! Whether the write-ahead log is torn at its end, as a power cut leaves it, or damaged.
//!
//! RocksDB takes a log that ends in the middle of a record for torn. But pages of one write reach the disk in any order, and
//! a length before its bytes: then the last batch, which nobody has acknowledged, has holes, and RocksDB calls that damage.
//! It is torn all the same if no batch begins behind the first hole: every acknowledged batch was synced whole, before the
//! next one began.
//!
//! ```text
//! file      block × n, 32 KiB each, the last one shorter
//! block     fragment × n | fewer than 7 zero bytes
//! fragment  masked CRC32C of type and payload u32 | payload length u16 | type u8 | payload          little endian
//! type      1 a whole batch, 2 the first, 3 a middle, 4 the last part of one
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{FlatKvError, Result};

const BLOCK_BYTES: usize = 32 << 10;
const HEADER_BYTES: usize = 7;
const WHOLE: u8 = 1;
const FIRST: u8 = 2;
const LAST: u8 = 4;

/// Whether the newest log in `dir` that holds anything has damage, and no batch begins behind it.
///
/// # Errors
/// I/O.
pub(crate) fn is_torn(dir: &Path) -> Result<bool> {
    let Some(path) = newest(dir)? else { return Ok(false) };
    let log = fs::read(&path).map_err(|source| FlatKvError::Io { operation: "read", path, source })?;
    Ok(first_damage(&log).is_some_and(|at| !begins_behind(&log, at)))
}

/// Refuses a MANIFEST, which is such a log too, whose first damaged fragment has a type that a MANIFEST never has: RocksDB
/// 11.8.1 does not come back from reading some of them. All other damage it tells by itself.
///
/// # Errors
/// The damage.
pub(crate) fn check_manifest(dir: &Path) -> Result<()> {
    let Ok(current) = fs::read_to_string(dir.join("CURRENT")) else { return Ok(()) };
    let Some(name) = current.strip_suffix('\n').filter(|name| name.starts_with("MANIFEST-")) else { return Ok(()) };
    let Ok(manifest) = fs::read(dir.join(name)) else { return Ok(()) };
    check_types(&manifest)
}

fn check_types(manifest: &[u8]) -> Result<()> {
    match first_damage(manifest) {
        Some(at) if manifest.get(at + HEADER_BYTES - 1).is_some_and(|kind| *kind > LAST) => {
            Err(FlatKvError::Record { record: "MANIFEST", at })
        }
        _ => Ok(()),
    }
}

fn newest(dir: &Path) -> Result<Option<PathBuf>> {
    let list = |source| FlatKvError::Io { operation: "list", path: dir.to_owned(), source };
    let mut newest: Option<(u64, PathBuf)> = None;
    for entry in fs::read_dir(dir).map_err(list)? {
        let entry = entry.map_err(list)?;
        let name = entry.file_name();
        let Some(number) = name.to_str().and_then(|name| name.strip_suffix(".log")?.parse().ok()) else { continue };
        let holds_something = entry.metadata().map_err(list)?.len() > 0;
        if holds_something && newest.as_ref().is_none_or(|(known, _)| number > *known) {
            newest = Some((number, entry.path()));
        }
    }
    Ok(newest.map(|(_, path)| path))
}

/// A fragment that is whole: its type, and its length with the header.
fn fragment(log: &[u8], at: usize) -> Option<(u8, usize)> {
    let block_end = (at / BLOCK_BYTES + 1) * BLOCK_BYTES;
    let rest = log.get(at..block_end.min(log.len()))?;
    let (header, payload) = rest.split_at_checked(HEADER_BYTES)?;
    let length = usize::from(u16::from_le_bytes([header[4], header[5]]));
    let kind = header[6];
    if !(WHOLE..=LAST).contains(&kind) {
        return None;
    }
    let payload = payload.get(..length)?;
    let crc = crc32c::crc32c_append(crc32c::crc32c(&[kind]), payload);
    let masked = crc.rotate_right(15).wrapping_add(0xa282_ead8);
    (header[..4] == masked.to_le_bytes()).then_some((kind, HEADER_BYTES + length))
}

/// Where the first fragment that is not whole begins; none if all are.
fn first_damage(log: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < log.len() {
        let block_left = BLOCK_BYTES - at % BLOCK_BYTES;
        at += if block_left < HEADER_BYTES {
            block_left
        } else {
            match fragment(log, at) {
                Some((_, length)) => length,
                None => return Some(at),
            }
        };
    }
    None
}

/// Whether a batch begins anywhere behind `at`.
fn begins_behind(log: &[u8], at: usize) -> bool {
    (at + 1..log.len()).any(|at| fragment(log, at).is_some_and(|(kind, _)| kind == WHOLE || kind == FIRST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_with_a_type_of_another_log_is_refused() {
        let whole = log(&[100, 200]);
        check_types(&whole).expect("whole");
        for kind in [5, 8, 12, 0xff] {
            let mut damaged = whole.clone();
            damaged[HEADER_BYTES + 100 + HEADER_BYTES - 1] = kind;
            let error = check_types(&damaged).expect_err("damaged");
            assert!(matches!(error, FlatKvError::Record { record: "MANIFEST", at: 107 }), "{error:?}");
        }
        // Other damage is RocksDB's to tell.
        let mut damaged = whole;
        damaged[HEADER_BYTES] ^= 1;
        check_types(&damaged).expect("RocksDB says so");
    }

    /// A log as RocksDB writes it.
    fn log(batches: &[usize]) -> Vec<u8> {
        let mut log = Vec::new();
        for bytes in batches {
            let mut left = *bytes;
            let mut is_first = true;
            while left > 0 {
                let room = BLOCK_BYTES - log.len() % BLOCK_BYTES;
                if room < HEADER_BYTES {
                    log.resize(log.len() + room, 0);
                    continue;
                }
                let length = left.min(room - HEADER_BYTES);
                left -= length;
                let kind = match (is_first, left) {
                    (true, 0) => WHOLE,
                    (true, _) => FIRST,
                    (false, 0) => LAST,
                    (false, _) => 3,
                };
                is_first = false;
                let payload = vec![7; length];
                let crc = crc32c::crc32c_append(crc32c::crc32c(&[kind]), &payload);
                log.extend_from_slice(&crc.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes());
                log.extend_from_slice(&u16::try_from(length).expect("shorter than a block").to_le_bytes());
                log.push(kind);
                log.extend_from_slice(&payload);
            }
        }
        log
    }

    fn torn(log: &[u8]) -> bool {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("000004.log"), log).expect("written");
        fs::write(dir.path().join("000009.log"), b"").expect("written");
        is_torn(dir.path()).expect("readable")
    }

    #[test]
    fn a_log_of_rocksdb_is_whole() {
        let dir = tempfile::tempdir().expect("a directory");
        let db = rocksdb::DB::open_default(dir.path()).expect("a database");
        for bytes in [10, 5_000, 100_000] {
            db.put(b"k", vec![3; bytes]).expect("written");
        }
        drop(db);
        let path = newest(dir.path()).expect("readable").expect("a log");
        let log = fs::read(path).expect("readable");
        assert!(log.len() > 105_000);
        assert_eq!(first_damage(&log), None);
    }

    #[test]
    fn a_hole_in_the_last_batch_is_torn_wherever_it_is() {
        let whole = log(&[100, 40_000, 9_000, 70_000]);
        assert!(!torn(&whole));
        let last = log(&[100, 40_000, 9_000]).len();
        for at in (last..whole.len()).step_by(4096) {
            let mut holed = whole.clone();
            let end = (at + 4096).min(whole.len());
            holed[at..end].fill(0);
            assert!(torn(&holed), "{at}");
        }
    }

    #[test]
    fn damage_that_a_batch_follows_is_no_torn_end() {
        let mut damaged = log(&[100, 40_000, 9_000, 200]);
        let last = log(&[100, 40_000]).len();
        damaged[last + 50] ^= 1;
        assert!(!torn(&damaged));
        damaged.truncate(last + 9_000);
        assert!(torn(&damaged), "the same at the end");
    }
}
