//! The segments of a log's directory, and what an interrupted truncation left there.
//!
//! ```text
//! <20 digits>              a segment
//! <20 digits>.START        the front was cut: all segments that sort before it go, and it takes its own name
//! <20 digits>.END          the back was cut: all segments that sort behind it go, and it takes its own name
//! <20 digits>.START.TEMP   garbage of a truncation that did not happen; .END.TEMP the same
//! ```

use std::io;
use std::path::{Path, PathBuf};

use crate::changelog::error::{LogError, Result};
use crate::changelog::segment::{NAME_DIGITS, segment_name};
use crate::changelog::step::{Step, io_error};
use crate::error::Doing;

/// The suffix of a cut front.
pub(super) const START: &str = ".START";
/// The suffix of a cut back.
pub(super) const END: &str = ".END";
/// The suffix of a file that is still being written.
pub(super) const TEMP: &str = ".TEMP";

/// A segment's file, under the name that it has now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SegmentFile {
    pub(super) index: u64,
    pub(super) path: PathBuf,
}

/// What a directory holds: the segments in order as if every interrupted truncation were finished, and what finishes them.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) segments: Vec<SegmentFile>,
    pub(super) repairs: Vec<Step>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Segment,
    Start,
    End,
    Garbage,
}

/// Lists the log in `dir`. A directory that is not there holds no segment.
pub(super) fn list(dir: &Path) -> Result<Listing> {
    let mut names = Vec::new();
    let entries = match dir.read_dir() {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Listing::default()),
        Err(source) => return Err(io_error(Doing::List, dir, source)),
    };
    for entry in entries {
        let entry = entry.map_err(|source| io_error(Doing::List, dir, source))?;
        let is_dir = entry.file_type().map_err(|source| io_error(Doing::List, dir, source))?.is_dir();
        if let Ok(name) = entry.file_name().into_string()
            && !is_dir
        {
            names.push(name);
        }
    }
    // The library goes by the order of the names, and so must who finishes what it left.
    names.sort();
    resolve(dir, &names)
}

fn parse(name: &str) -> Option<(u64, Role)> {
    let (digits, suffix) = name.split_at_checked(NAME_DIGITS)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let index = digits.parse().ok().filter(|index| *index > 0)?;
    let role = match suffix {
        "" => Role::Segment,
        START => Role::Start,
        END => Role::End,
        _ if suffix.strip_suffix(TEMP).is_some_and(|cut| cut == START || cut == END) => Role::Garbage,
        _ => return None,
    };
    Some((index, role))
}

fn resolve(dir: &Path, names: &[String]) -> Result<Listing> {
    let mut repairs = Vec::new();
    let mut found = Vec::new();
    for name in names {
        match parse(name) {
            None => {}
            Some((_, Role::Garbage)) => repairs.push(Step::Remove(dir.join(name))),
            Some((index, role)) => found.push((SegmentFile { index, path: dir.join(name) }, role)),
        }
    }
    let start = found.iter().rposition(|(_, role)| *role == Role::Start);
    let end = found.iter().position(|(_, role)| *role == Role::End);
    let mut segments: Vec<SegmentFile> = found.into_iter().map(|(file, _)| file).collect();
    match (start, end) {
        (None, None) => {}
        (Some(start), Some(end)) => {
            let [start, end] = [start, end].map(|at| segments[at].path.clone());
            return Err(LogError::TwoTruncations { start, end });
        }
        (Some(start), None) => {
            repairs.extend(segments.drain(..start).map(|file| Step::Remove(file.path)));
            repairs.push(take_own_name(dir, &segments[0]));
        }
        (None, Some(end)) => {
            repairs.extend(segments.drain(end + 1..).rev().map(|file| Step::Remove(file.path)));
            let cut = segments[end].clone();
            repairs.push(take_own_name(dir, &cut));
            // The segment that was cut stands before its cut form, which replaces it.
            if end > 0 && segments[end - 1].index == cut.index {
                segments.remove(end - 1);
            }
        }
    }
    if !repairs.is_empty() {
        repairs.push(Step::SyncDir(dir.to_owned()));
    }
    Ok(Listing { segments, repairs })
}

fn take_own_name(dir: &Path, file: &SegmentFile) -> Step {
    Step::Rename { from: file.path.clone(), to: dir.join(segment_name(file.index)) }
}
