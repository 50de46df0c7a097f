//! Opening a log: one routine that finds out what is there, and for the writer puts it in order.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::changelog::append::{Changelog, Tail};
use crate::changelog::error::Result;
use crate::changelog::list::{Listing, list};
use crate::changelog::log::{Log, LogOptions};
use crate::changelog::scan::scan;
use crate::changelog::segment::{Segment, segment_name};
use crate::changelog::step::{Step, io_error, sync_dir};
use crate::error::Doing;

/// Permissions of the log's directory, as the library gives them.
const DIR_MODE: u32 = 0o750;

/// The log in `dir` as if all that a writer would put in order were in order, and what would do so.
fn examine(dir: &Path, options: LogOptions) -> Result<(Log, Vec<Step>)> {
    let Listing { segments, mut repairs } = list(dir)?;
    let scanned = scan(&segments, options)?;
    let own_name = |file: &Path| {
        let segment = scanned.segments.iter().find(|segment| segment.path == file);
        segment.map_or_else(|| file.to_owned(), |segment| dir.join(segment_name(segment.index)))
    };
    if let Some(torn) = &scanned.torn {
        repairs.extend(torn.later.iter().rev().map(|path| Step::Remove(path.clone())));
        repairs.push(Step::SyncDir(dir.to_owned()));
        repairs.push(Step::Cut { path: own_name(&torn.path), length: torn.offset });
    }
    let log = Log {
        dir: dir.to_owned(),
        segments: scanned.segments,
        first_version: scanned.first_version,
        torn: scanned.torn,
    };
    Ok((log, repairs))
}

impl Log {
    /// Reads the log in `dir` and changes nothing: a torn end and an interrupted truncation are seen as they would be after
    /// a writer had put them in order. No directory is an empty log.
    ///
    /// # Errors
    /// I/O; a log that is damaged in the middle.
    pub fn read(dir: &Path, options: LogOptions) -> Result<Self> {
        Ok(examine(dir, options)?.0)
    }
}

impl Changelog {
    /// Opens the log in `dir` for writing, finishes an interrupted truncation, cuts a torn end, and syncs what is there.
    /// Only the holder of the writer's lock may do so. Nothing is changed unless all of the log is in order or torn.
    ///
    /// # Errors
    /// I/O; a log that is damaged in the middle.
    pub fn open_writer(dir: &Path, options: LogOptions) -> Result<Self> {
        let (mut log, repairs) = examine(dir, options)?;
        if let Some(torn) = &log.torn {
            tracing::warn!(path = %torn.path.display(), offset = torn.offset, bytes = torn.bytes, "cutting the torn end of the changelog");
        }
        if log.segments.is_empty() {
            log.segments.push(make_first_segment(dir)?);
        }
        repairs.iter().try_for_each(Step::run)?;
        for segment in &mut log.segments {
            segment.path = dir.join(segment_name(segment.index));
        }
        let tail = open_tail(&log.segments)?;
        // Bytes that a process left in the page cache are not on disk, however whole they read.
        tail.file.sync_data().map_err(|source| io_error(Doing::Sync, &tail.path, source))?;
        sync_dir(dir)?;
        Self::start(log, tail)
    }
}

fn make_first_segment(dir: &Path) -> Result<Segment> {
    let make = DirBuilder::new().recursive(true).mode(DIR_MODE).create(dir);
    make.map_err(|source| io_error(Doing::Write, dir, source))?;
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        sync_dir(parent)?;
    }
    let first = Segment::empty(1, dir.join(segment_name(1)));
    Step::Create(first.path.clone()).run()?;
    Ok(first)
}

/// The last segment's file, to be written to.
pub(super) fn open_tail(segments: &[Segment]) -> Result<Tail> {
    // UNWRAP: an open log has a segment, and so has one that was cut.
    let path = &segments.last().expect("an open log has a segment").path;
    let file = OpenOptions::new().write(true).open(path);
    Ok(Tail::new(path.clone(), file.map_err(|source| io_error(Doing::Write, path, source))?))
}
