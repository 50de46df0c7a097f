//! Appending a record to RocksDB's write-ahead log as RocksDB itself would: this is how a damaged row gets sound checksums.
//!
//! ```text
//! file     blocks of 32768 bytes; a rest of less than 7 is zero
//! record   u32 masked CRC32C of type and data | u16 length | u8 type (1 full, 2 first, 3 middle, 4 last) | data
//! data     write batch: u64 sequence number | u32 count | its changes
//! ```
//! Integers are little endian. Source: RocksDB's wiki, Write Ahead Log File Format.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const BLOCK_BYTES: usize = 32_768;
const HEADER_BYTES: usize = 7;

/// The newest log in a database's directory.
pub(crate) fn newest(database: &Path) -> Result<PathBuf> {
    let mut logs: Vec<PathBuf> = fs::read_dir(database)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    logs.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.sort();
    logs.pop().context("the database has no log")
}

/// Appends `batch`, whose first change has the sequence number `sequence`, to the log at `path`.
pub(crate) fn append(path: &Path, batch: &[u8], sequence: u64) -> Result<()> {
    let mut data = batch.to_vec();
    data.get_mut(..8).context("a batch has a header")?.copy_from_slice(&sequence.to_le_bytes());
    let mut log = fs::read(path)?;
    put(&mut log, &data);
    Ok(fs::write(path, log)?)
}

fn put(log: &mut Vec<u8>, data: &[u8]) {
    let (mut rest, mut is_first) = (data, true);
    loop {
        let mut room = BLOCK_BYTES - log.len() % BLOCK_BYTES;
        if room < HEADER_BYTES {
            log.resize(log.len() + room, 0);
            room = BLOCK_BYTES;
        }
        let (fragment, after) = rest.split_at(rest.len().min(room - HEADER_BYTES));
        let kind = match (is_first, after.is_empty()) {
            (true, true) => 1,
            (true, false) => 2,
            (false, false) => 3,
            (false, true) => 4,
        };
        let crc = crc32c::crc32c_append(crc32c::crc32c(&[kind]), fragment);
        log.extend_from_slice(&masked(crc).to_le_bytes());
        // A fragment is shorter than a block, hence fits.
        log.extend_from_slice(&(fragment.len() as u16).to_le_bytes());
        log.push(kind);
        log.extend_from_slice(fragment);
        (rest, is_first) = (after, false);
        if rest.is_empty() {
            return;
        }
    }
}

/// RocksDB's way to store a checksum of data that hold checksums.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}
