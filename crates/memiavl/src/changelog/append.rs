//! The log held by its writer: appending.
//!
//! A segment that an entry filled is synced before the next one is made, as the library does: so only the last segment
//! can ever be torn. That is the one sync on the thread that appends, once in 20 MiB.

use std::fs::File;
use std::ops::Deref;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prost::encoding::encode_varint;

use crate::changelog::error::{LogError, Result};
use crate::changelog::log::{Log, LogOptions};
use crate::changelog::segment::{ENTRY_BYTES_MAX, SEGMENT_BYTES, Segment, segment_name};
use crate::changelog::step::{create, io_error};
use crate::changelog::syncer::{Asker, Goal, Synced, Syncer};
use crate::error::Doing;

/// Above this the buffer in which an entry is put together is given back.
const BUFFER_KEPT_BYTES: usize = 4 << 20;

/// The last segment's file.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    pub(super) path: PathBuf,
    pub(super) file: Arc<File>,
}

impl Tail {
    pub(super) fn new(path: PathBuf, file: File) -> Self {
        Self { path, file: Arc::new(file) }
    }
}

/// What only a writer has.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) tail: Tail,
    /// Whether the tail's name in the directory is not yet on disk.
    tail_is_new: bool,
    pub(super) syncer: Syncer,
    /// Bytes appended since the log was opened.
    appended_bytes: u64,
    buffer: Vec<u8>,
    /// [`SEGMENT_BYTES`]; less in tests, which have small logs.
    segment_bytes_max: u64,
}

/// Puts a log on disk from another thread, as far as its writer has offered it.
#[derive(Clone, Debug)]
pub struct LogSyncer(Asker);

impl LogSyncer {
    /// Syncs what was offered, and waits for it.
    ///
    /// # Errors
    /// A sync that failed, now or earlier: it is not tried again.
    pub fn sync(&self) -> Result<()> {
        self.0.sync()
    }
}

/// A log, open: for reading, or for writing by the one process that holds the store's lock. A writer's entries go to the
/// last segment at once, and to disk when a sync is asked for.
#[derive(Debug)]
pub struct Changelog {
    pub(super) log: Log,
    pub(super) writer: Option<Writer>,
}

impl Changelog {
    /// Opens the log in `dir` for reading. Nothing on disk is changed.
    ///
    /// # Errors
    /// As [`Log::read`].
    pub fn open_reader(dir: &Path, options: LogOptions) -> Result<Self> {
        Ok(Self { log: Log::read(dir, options)?, writer: None })
    }

    pub(super) fn start(log: Log, tail: Tail) -> Result<Self> {
        let syncer = Syncer::start(log.dir.clone(), log.last_version())
            .map_err(|source| io_error(Doing::Spawn, &log.dir, source))?;
        let writer = Writer {
            tail,
            tail_is_new: false,
            syncer,
            appended_bytes: 0,
            buffer: Vec::new(),
            segment_bytes_max: SEGMENT_BYTES,
        };
        Ok(Self { log, writer: Some(writer) })
    }

    /// Appends the entry that leads to `version`; `entry` is its bytes, seal included. It is on disk after a sync.
    ///
    /// # Errors
    /// A reader's log, a version that does not follow, an impossible length: nothing has changed. I/O: the log is then
    /// poisoned.
    pub fn append(&mut self, version: u64, entry: &[u8]) -> Result<()> {
        let (log, writer) = self.parts()?;
        writer.syncer.check()?;
        log.check_next(version, entry)?;
        // Only after a crash between filling a segment and making the next one.
        if log.tail_bytes() > writer.segment_bytes_max {
            writer.roll(log)?;
        }
        writer.write(log, version, entry)?;
        if log.tail_bytes() >= writer.segment_bytes_max { writer.roll(log) } else { Ok(()) }
    }

    /// Asks the background to sync all that was appended. Requests that it has not come to yet become one.
    ///
    /// # Errors
    /// A reader's log; an earlier failure.
    pub fn request_sync(&mut self) -> Result<()> {
        let (log, writer) = self.parts()?;
        writer.request_sync(log)
    }

    /// Lets whoever has a [`LogSyncer`] sync all that was appended so far.
    ///
    /// # Errors
    /// A reader's log; an earlier failure.
    pub fn offer_sync(&mut self) -> Result<()> {
        let (log, writer) = self.parts()?;
        let goal = writer.goal(log);
        writer.syncer.offer(goal)?;
        writer.tail_is_new = false;
        Ok(())
    }

    /// A handle that syncs what was offered, from another thread.
    ///
    /// # Errors
    /// A reader's log.
    pub fn log_syncer(&mut self) -> Result<LogSyncer> {
        let (_, writer) = self.parts()?;
        Ok(LogSyncer(writer.syncer.asker()))
    }

    /// Syncs all that was appended and waits for it.
    ///
    /// # Errors
    /// A reader's log; a sync that failed, now or earlier: it is not tried again.
    pub fn sync(&mut self) -> Result<()> {
        let (log, writer) = self.parts()?;
        writer.sync(log)
    }

    /// Up to which version the log is on disk; none if it has no entries. A reader knows of none.
    pub fn synced_version(&self) -> Option<u64> {
        self.writer.as_ref()?.syncer.synced().version
    }

    /// Bytes that were appended and are not known to be on disk.
    pub fn unsynced_bytes(&self) -> u64 {
        self.writer.as_ref().map_or(0, |writer| writer.appended_bytes - writer.syncer.synced().bytes)
    }

    /// Whether an earlier write or sync failed.
    ///
    /// # Errors
    /// That failure.
    pub fn check(&self) -> Result<()> {
        self.writer.as_ref().map_or(Ok(()), |writer| writer.syncer.check())
    }

    /// Syncs what a writer appended, and ends the background thread.
    ///
    /// # Errors
    /// As [`sync`](Self::sync).
    pub fn close(mut self) -> Result<()> {
        if self.writer.is_some() { self.sync() } else { Ok(()) }
    }

    pub(super) fn parts(&mut self) -> Result<(&mut Log, &mut Writer)> {
        match &mut self.writer {
            Some(writer) => Ok((&mut self.log, writer)),
            None => Err(LogError::ReadOnly { path: self.log.dir.clone() }),
        }
    }

    #[cfg(test)]
    pub(super) fn set_segment_bytes_max(&mut self, bytes: u64) {
        self.parts().expect("a writer's log").1.segment_bytes_max = bytes;
    }
}

impl Deref for Changelog {
    type Target = Log;

    fn deref(&self) -> &Log {
        &self.log
    }
}

impl Log {
    fn check_next(&self, version: u64, entry: &[u8]) -> Result<()> {
        let expected = self.last_version().map_or(version.max(1), |last| last + 1);
        if version != expected || i64::try_from(version).is_err() {
            return Err(LogError::NotNext { expected, got: version });
        }
        let got = entry.len() as u64;
        if got == 0 || got > ENTRY_BYTES_MAX {
            return Err(LogError::AppendLength { max: ENTRY_BYTES_MAX, got });
        }
        Ok(())
    }

    fn tail_bytes(&self) -> u64 {
        self.segments.last().map_or(0, |segment| segment.end)
    }
}

impl Writer {
    fn write(&mut self, log: &mut Log, version: u64, entry: &[u8]) -> Result<()> {
        self.buffer.clear();
        encode_varint(entry.len() as u64, &mut self.buffer);
        self.buffer.extend_from_slice(entry);
        let start = log.tail_bytes();
        if let Err(source) = self.tail.file.write_all_at(&self.buffer, start) {
            return Err(self.syncer.poison(&self.tail.path, source));
        }
        let written = self.buffer.len() as u64;
        self.buffer.shrink_to(BUFFER_KEPT_BYTES);
        self.appended_bytes += written;
        // UNWRAP: a log is opened with a segment, and no change takes the last one; a segment that takes entries is
        // shorter than `segment_bytes_max`.
        let segment = log.segments.last_mut().expect("an open log has a segment");
        segment.offsets.push(u32::try_from(start).expect("a segment that takes entries is short"));
        segment.end = start + written;
        log.first_version.get_or_insert(version);
        Ok(())
    }

    /// Syncs the full segment and makes the next one.
    fn roll(&mut self, log: &mut Log) -> Result<()> {
        self.sync(log)?;
        let index = log.next_index();
        let path = log.dir.join(segment_name(index));
        let file = create(&path).map_err(|source| self.syncer.poison(&path, source))?;
        self.tail = Tail::new(path.clone(), file);
        self.tail_is_new = true;
        log.segments.push(Segment::empty(index, path));
        Ok(())
    }

    fn request_sync(&mut self, log: &Log) -> Result<()> {
        self.syncer.request(self.goal(log))?;
        self.tail_is_new = false;
        Ok(())
    }

    fn goal(&self, log: &Log) -> Goal {
        Goal {
            path: self.tail.path.clone(),
            file: Arc::clone(&self.tail.file),
            with_dir: self.tail_is_new,
            synced: Synced { version: log.last_version(), bytes: self.appended_bytes },
        }
    }

    pub(super) fn sync(&mut self, log: &Log) -> Result<()> {
        self.request_sync(log)?;
        self.syncer.wait()
    }
}
