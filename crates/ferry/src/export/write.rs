//! Writing an export into a directory, chunk by chunk; one that was interrupted goes on behind its last whole chunk.
//!
//! ```text
//! DIR/chunk-<index, 8 digits>   chunks, see chunk.rs
//! DIR/progress                  while it is unfinished: BLAKE3 of the rest 32 | protobuf Progress
//! DIR/manifest                  written last: with it the export is whole
//! ```

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use changeset::Hash;
use prost::Message;

use crate::error::Error;
use crate::export::chunk;
use crate::export::manifest::{CHUNK_BYTES_MAX, Manifest};
use crate::export::record::Record;
use crate::export::source::Source;
use crate::export::walk::{Position, Sink, walk};
use crate::reclaim;

/// Bytes of a chunk's payload unless said otherwise. CometBFT carries chunks of up to 16 000 000 bytes.
pub const DEFAULT_CHUNK_BYTES: u32 = 8 << 20;
/// Records between two reports of progress.
const REPORT_RECORDS: u64 = 4096;

pub(super) const MANIFEST: &str = "manifest";
const PROGRESS: &str = "progress";
const HASH_BYTES: usize = 32;

/// How far an export is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportProgress {
    /// Records written.
    pub records: u64,
    /// Records to write.
    pub records_total: u64,
    /// Bytes of payloads written, those of the chunk in work included.
    pub stream_bytes: u64,
    /// Whole chunks on disk.
    pub chunks: u32,
}

/// What an export did.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportReport {
    /// What was exported.
    pub manifest: Manifest,
    /// Chunks that an earlier run had written.
    pub chunks_before: u32,
    /// Bytes of all chunks as they lie on disk.
    pub chunk_file_bytes: u64,
}

/// What is kept of an unfinished export.
#[derive(Clone, PartialEq, prost::Message)]
struct Kept {
    #[prost(uint64, tag = "1")]
    height: u64,
    #[prost(bytes = "bytes", tag = "2")]
    app_hash: Bytes,
    #[prost(uint32, tag = "3")]
    chunk_bytes: u32,
    #[prost(uint64, tag = "4")]
    records: u64,
    #[prost(bytes = "bytes", repeated, tag = "5")]
    hashes: Vec<Bytes>,
    #[prost(message, optional, tag = "6")]
    position: Option<Position>,
    /// The beginning of the next chunk: what its last record had too much for the last one.
    #[prost(bytes = "vec", tag = "7")]
    left_over: Vec<u8>,
}

/// Writes `source` into the directory `dir`, which is made if it is missing. One that has an unfinished export of the same
/// state goes on; one that has a whole one stays. `progress` is called now and then and stops the export by breaking.
///
/// # Errors
/// A directory that holds something else, damage, I/O, a stop. What was written stays, to go on from.
pub fn export(
    source: &Source,
    dir: &Path,
    chunk_bytes: u32,
    progress: &mut dyn FnMut(ExportProgress) -> ControlFlow<()>,
) -> Result<ExportReport, Error> {
    if !(1..=CHUNK_BYTES_MAX).contains(&chunk_bytes) {
        return Err(Error::ChunkBytes { max: CHUNK_BYTES_MAX, got: chunk_bytes });
    }
    fs::create_dir_all(dir).map_err(at("create", dir))?;
    reclaim::sync_parent(dir).map_err(at("sync", dir))?;
    if let Some(manifest) = read_if_there(&dir.join(MANIFEST))?.map(|bytes| Manifest::decode(&bytes)).transpose()? {
        let is_the_same = manifest.app_hash == source.app_hash && manifest.height == source.height;
        if !is_the_same || manifest.chunk_bytes != chunk_bytes {
            return Err(Error::ExportOther { path: dir.to_owned(), height: manifest.height });
        }
        remove_progress(dir)?;
        let (chunks_before, chunk_file_bytes) = (manifest.chunk_count(), chunk_file_bytes(dir, &manifest)?);
        return Ok(ExportReport { manifest, chunks_before, chunk_file_bytes });
    }
    let kept = find_kept(source, dir, chunk_bytes)?;
    let chunks_before = count(kept.hashes.len());
    let position = kept.position.clone().unwrap_or_default();
    let mut chunks = Chunks { dir, kept, pending: Vec::new(), records_total: source.records()?, progress };
    chunks.pending = std::mem::take(&mut chunks.kept.left_over);
    walk(source, position, &mut chunks)?;
    let manifest = chunks.finish(source)?;
    let chunk_file_bytes = chunk_file_bytes(dir, &manifest)?;
    Ok(ExportReport { manifest, chunks_before, chunk_file_bytes })
}

/// What an unfinished export of the same state has left in `dir`; the beginning of one if there is nothing.
fn find_kept(source: &Source, dir: &Path, chunk_bytes: u32) -> Result<Kept, Error> {
    let app_hash = Bytes::copy_from_slice(&source.app_hash);
    let fresh = Kept { height: source.height, app_hash, chunk_bytes, ..Kept::default() };
    let Some(kept) = read_if_there(&dir.join(PROGRESS))?.as_deref().and_then(decode_kept) else {
        let entries = fs::read_dir(dir).map_err(at("list", dir))?;
        for entry in entries {
            let name = entry.map_err(at("list", dir))?.file_name();
            // Chunks behind a progress that never came are written again.
            if !name.to_str().is_some_and(|name| name.starts_with("chunk-") || name.starts_with(PROGRESS)) {
                return Err(Error::ExportForeign { path: dir.to_owned(), found: dir.join(name) });
            }
        }
        return Ok(fresh);
    };
    if kept.height != fresh.height || kept.app_hash != fresh.app_hash || kept.chunk_bytes != chunk_bytes {
        return Err(Error::ExportOther { path: dir.to_owned(), height: kept.height });
    }
    Ok(kept)
}

/// Progress that does not fit its hash is none.
fn decode_kept(bytes: &[u8]) -> Option<Kept> {
    let (hash, rest) = bytes.split_first_chunk::<HASH_BYTES>()?;
    if blake3::hash(rest).as_bytes() != hash {
        return None;
    }
    Kept::decode(rest).ok()
}

/// The stream being cut into chunks.
struct Chunks<'c> {
    dir: &'c Path,
    kept: Kept,
    pending: Vec<u8>,
    records_total: u64,
    progress: &'c mut dyn FnMut(ExportProgress) -> ControlFlow<()>,
}

impl Sink for Chunks<'_> {
    fn put(&mut self, record: Record<'_>, behind: &dyn Fn() -> Position) -> Result<(), Error> {
        record.put(&mut self.pending);
        self.kept.records += 1;
        if self.kept.records.is_multiple_of(REPORT_RECORDS) {
            self.report()?;
        }
        // UNWRAP: at most CHUNK_BYTES_MAX.
        let chunk_bytes = usize::try_from(self.kept.chunk_bytes).expect("a chunk fits into memory");
        while self.pending.len() >= chunk_bytes {
            let left_over = self.pending.split_off(chunk_bytes);
            let payload = std::mem::replace(&mut self.pending, left_over);
            self.write(&payload)?;
            self.keep(behind())?;
            self.report()?;
        }
        Ok(())
    }
}

impl Chunks<'_> {
    fn report(&mut self) -> Result<(), Error> {
        let chunks = count(self.kept.hashes.len());
        let whole = u64::from(chunks) * u64::from(self.kept.chunk_bytes);
        let now = ExportProgress {
            records: self.kept.records,
            records_total: self.records_total,
            stream_bytes: whole + self.pending.len() as u64,
            chunks,
        };
        match (self.progress)(now) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(migrate_core::Error::Cancelled.into()),
        }
    }

    fn write(&mut self, payload: &[u8]) -> Result<(), Error> {
        let index = count(self.kept.hashes.len());
        let path = chunk_path(self.dir, index);
        let chunk = chunk::encode(self.kept.height, index, payload);
        let write = || {
            let mut file = File::create(&path)?;
            file.write_all(&chunk)?;
            file.sync_all()
        };
        write().map_err(at("write", &path))?;
        self.kept.hashes.push(Bytes::copy_from_slice(&chunk::hash(payload)));
        Ok(())
    }

    /// Notes that all chunks so far are whole, and where the stream goes on.
    fn keep(&mut self, position: Position) -> Result<(), Error> {
        self.kept.position = Some(position);
        self.kept.left_over.clone_from(&self.pending);
        let rest = self.kept.encode_to_vec();
        self.kept.left_over.clear();
        let bytes = [blake3::hash(&rest).as_bytes().as_slice(), &rest].concat();
        replace_file(&self.dir.join(PROGRESS), &bytes)
    }

    fn finish(mut self, source: &Source) -> Result<Manifest, Error> {
        let whole = u64::from(count(self.kept.hashes.len())) * u64::from(self.kept.chunk_bytes);
        let stream_bytes = whole + self.pending.len() as u64;
        if !self.pending.is_empty() {
            let payload = std::mem::take(&mut self.pending);
            self.write(&payload)?;
        }
        self.report()?;
        let hash =
            |hash: &Bytes| Hash::try_from(hash.as_ref()).map_err(|_| Error::Manifest { what: "a hash is short" });
        let manifest = Manifest {
            height: source.height,
            app_hash: source.app_hash,
            commit_info: source.commit_info.clone(),
            initial_version: source.memiavl.as_ref().map_or(0, memiavl::View::initial_version),
            has_memiavl: source.memiavl.is_some(),
            moved: source.moved.clone(),
            chunk_bytes: self.kept.chunk_bytes,
            stream_bytes,
            records: self.kept.records,
            chunks: self.kept.hashes.iter().map(hash).collect::<Result<_, _>>()?,
        };
        replace_file(&self.dir.join(MANIFEST), &manifest.encode())?;
        remove_progress(self.dir)?;
        tracing::info!(height = manifest.height, chunks = manifest.chunks.len(), "exported");
        Ok(manifest)
    }
}

/// The place of a chunk.
pub(super) fn chunk_path(dir: &Path, index: u32) -> PathBuf {
    dir.join(format!("chunk-{index:08}"))
}

/// A number of chunks.
fn count(chunks: usize) -> u32 {
    // UNWRAP: 2^32 chunks have 2^32 hashes, 128 GiB of memory.
    u32::try_from(chunks).expect("fewer than 2^32 chunks")
}

fn chunk_file_bytes(dir: &Path, manifest: &Manifest) -> Result<u64, Error> {
    let bytes = |index| {
        let path = chunk_path(dir, index);
        fs::metadata(&path).map(|file| file.len()).map_err(at("look at", &path))
    };
    (0..manifest.chunk_count()).map(bytes).sum()
}

fn remove_progress(dir: &Path) -> Result<(), Error> {
    let path = dir.join(PROGRESS);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(at("remove", &path)(error)),
        _ => Ok(()),
    }
}

/// Puts `bytes` in the place of the file at `path`: it has the old bytes or the new ones, whatever happens.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let temporary = path.with_extension("tmp");
    let write = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        reclaim::sync_parent(path)
    };
    write().map_err(at("write", path))
}

/// The bytes of a file; none if there is none.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(at("read", path)),
    }
}

pub(crate) fn at(action: &'static str, path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { action, path: path.clone(), source }
}
