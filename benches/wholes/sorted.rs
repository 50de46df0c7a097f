//! The least that an import must do: hash each leaf, add each row to the lattice hash, write the rows to sorted files.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ferry::memiavl_iter::LeafHashes;
use lthash::RowSum;
use rocksdb::{DBCompressionType, Options, SstFileWriter};

use crate::{on_all_cores, threads};

/// A file is ended beyond this.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// So often a file's size is asked for.
const SIZE_INTERVAL_ROWS: u64 = 256;
/// Bytes of a row beside the value: a format byte and the height.
const HEADER_BYTES: usize = 9;
/// Bytes of a physical key beside the module's key: `evm/`.
const MODULE_BYTES: usize = 4;
/// Rows whose leaves are hashed together.
const ROWS_TOGETHER: usize = 64;
/// Bytes of a key that count, so that keys ascend.
const NUMBER_BYTES: usize = 8;

/// Rows to be made, of one length each.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    pub(crate) count: u64,
    pub(crate) key_bytes: u64,
    pub(crate) value_bytes: u64,
}

/// The time that all cores take together.
pub(crate) fn measure(scratch: &Path, rows: Rows) -> Result<Duration> {
    let directory = scratch.join("limit-files");
    if directory.exists() {
        fs::remove_dir_all(&directory).with_context(|| format!("cannot remove {}", directory.display()))?;
    }
    fs::create_dir(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let began = Instant::now();
    on_all_cores(|number| share(&directory, rows, number))?;
    let time = began.elapsed();
    fs::remove_dir_all(&directory).with_context(|| format!("cannot remove {}", directory.display()))?;
    Ok(time)
}

/// One thread's share of the rows.
fn share(directory: &Path, rows: Rows, thread: u64) -> Result<()> {
    let threads = threads() as u64;
    let (first, end) = (rows.count * thread / threads, rows.count * (thread + 1) / threads);
    let mut options = Options::default();
    options.set_compression_type(DBCompressionType::Lz4);
    let key_bytes = MODULE_BYTES + usize::try_from(rows.key_bytes)?.max(NUMBER_BYTES);
    let key = [b"evm/".as_slice(), &vec![0; key_bytes - MODULE_BYTES]].concat();
    let row = vec![0; HEADER_BYTES + usize::try_from(rows.value_bytes)?];
    let mut together = vec![(key, row); ROWS_TOGETHER];
    let (mut state, mut file, mut files) = (RowSum::default(), None, 0);
    for number in first..end {
        let at = usize::try_from(number - first)? % ROWS_TOGETHER;
        if at == 0 {
            for ((key, row), number) in together.iter_mut().zip(number..end) {
                let (counting, scattered) = key[MODULE_BYTES..].split_at_mut(NUMBER_BYTES);
                counting.copy_from_slice(&number.to_be_bytes());
                fill(scattered, number);
                fill(&mut row[HEADER_BYTES..], !number);
            }
            let mut leaves = LeafHashes::default();
            for ((key, row), _) in together.iter().zip(number..end) {
                leaves.push(1, &key[MODULE_BYTES..], &row[HEADER_BYTES..], (), |(), hash| {
                    black_box(hash);
                });
            }
            leaves.finish(|(), hash| {
                black_box(hash);
            });
        }
        let (key, row) = &together[at];
        state.add(key, row);
        if file.is_none() {
            let writer = SstFileWriter::create(&options);
            writer.open(directory.join(format!("{thread}-{files}.sst")))?;
            (file, files) = (Some(writer), files + 1);
        }
        let Some(writer) = file.as_mut() else { continue };
        writer.put(key, row)?;
        if number % SIZE_INTERVAL_ROWS == 0 && writer.file_size() >= FILE_BYTES_MAX {
            writer.finish()?;
            file = None;
        }
    }
    if let Some(mut writer) = file {
        writer.finish()?;
    }
    black_box(state.finish().root());
    Ok(())
}

/// Bytes that no compression shortens, as hashes are: SplitMix64.
fn fill(bytes: &mut [u8], seed: u64) {
    let mut state = seed;
    for chunk in bytes.chunks_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        chunk.copy_from_slice(&(word ^ (word >> 31)).to_be_bytes()[..chunk.len()]);
    }
}
