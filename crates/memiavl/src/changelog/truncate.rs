//! Cutting the log at either end, in the library's way: one rename is the point behind which the cut has happened, and
//! opening the log finishes the rest.

use std::path::PathBuf;

use crate::changelog::append::Changelog;
use crate::changelog::error::{LogError, Result};
use crate::changelog::list::{END, START, TEMP};
use crate::changelog::log::Log;
use crate::changelog::open::open_tail;
use crate::changelog::segment::{Segment, segment_name};
use crate::changelog::step::Step;

/// Steps on disk, and the log behind them.
pub(super) struct Cut {
    pub(super) steps: Vec<Step>,
    segments: Vec<Segment>,
    first_version: Option<u64>,
}

impl Changelog {
    /// Drops the entries before `version`. The last entry stays in any case: it tells the next version.
    ///
    /// # Errors
    /// I/O. The log is then poisoned, and whether the cut happened is known after reopening.
    pub fn truncate_before(&mut self, version: u64) -> Result<()> {
        let cut = self.log.cut_front(version);
        self.apply(cut)
    }

    /// Drops the entries after `version`, all of them if the first one is later.
    ///
    /// # Errors
    /// I/O. The log is then poisoned, and whether the cut happened is known after reopening.
    pub fn truncate_after(&mut self, version: u64) -> Result<()> {
        let cut = self.log.cut_back(version);
        self.apply(cut)
    }

    fn apply(&mut self, cut: Option<Cut>) -> Result<()> {
        let (log, writer) = self.parts()?;
        let Some(cut) = cut else { return writer.syncer.check() };
        writer.sync(log)?;
        let poison = |error| match error {
            LogError::Io { path, source, .. } => writer.syncer.poison(&path, source),
            other => other,
        };
        cut.steps.iter().try_for_each(Step::run).map_err(poison)?;
        let tail = open_tail(&cut.segments).map_err(poison)?;
        (log.segments, log.first_version, writer.tail) = (cut.segments, cut.first_version, tail);
        writer.syncer.set_synced_version(log.last_version());
        Ok(())
    }
}

impl Log {
    fn name(&self, index: u64, suffix: &str) -> PathBuf {
        self.dir.join(segment_name(index) + suffix)
    }

    fn sync_dir(&self) -> Step {
        Step::SyncDir(self.dir.clone())
    }

    /// What drops the entries before `version`; none if there is nothing to drop.
    pub(super) fn cut_front(&self, version: u64) -> Option<Cut> {
        let versions = self.versions()?;
        let version = version.min(*versions.end());
        let (at, place) = self.locate(version)?;
        let cut = &self.segments[at];
        if (at, place) == (0, 0) {
            return None;
        }
        let index = cut.index + place as u64;
        let (start, _) = cut.entry_range(place)?;
        let start_name = self.name(index, START);
        let mut steps = if place == 0 {
            vec![Step::Rename { from: cut.path.clone(), to: start_name.clone() }]
        } else {
            let temp = self.name(index, &(START.to_owned() + TEMP));
            vec![
                Step::Copy { from: cut.path.clone(), start, end: cut.end, to: temp.clone() },
                Step::Rename { from: temp, to: start_name.clone() },
            ]
        };
        // The rename above, once it is on disk, is the point behind which the front is gone.
        steps.push(self.sync_dir());
        let gone = if place == 0 { at } else { at + 1 };
        steps.extend(self.segments[..gone].iter().map(|segment| Step::Remove(segment.path.clone())));
        let path = self.name(index, "");
        steps.push(Step::Rename { from: start_name, to: path.clone() });
        steps.push(self.sync_dir());
        let kept = &cut.offsets[place..];
        // UNWRAP: `start` is one of the segment's offsets, and they rise.
        let first = u32::try_from(start).expect("an offset");
        let offsets = kept.iter().map(|offset| offset - first).collect();
        let mut segments = vec![Segment { index, path, offsets, end: cut.end - start }];
        segments.extend_from_slice(&self.segments[at + 1..]);
        Some(Cut { steps, segments, first_version: Some(version) })
    }

    /// What drops the entries after `version`; none if there is nothing to drop.
    pub(super) fn cut_back(&self, version: u64) -> Option<Cut> {
        let versions = self.versions()?;
        if version >= *versions.end() {
            return None;
        }
        if version < *versions.start() {
            return Some(self.cut_all());
        }
        let (at, place) = self.locate(version)?;
        let cut = &self.segments[at];
        let (_, end) = cut.entry_range(place)?;
        let mut steps = Vec::new();
        if at + 1 == self.segments.len() {
            steps.push(Step::Cut { path: cut.path.clone(), length: end });
        } else {
            let end_name = self.name(cut.index, END);
            steps.push(Step::Rename { from: cut.path.clone(), to: end_name.clone() });
            // The rename above, once it is on disk, is the point behind which later segments are gone.
            steps.push(self.sync_dir());
            steps.extend(self.segments[at + 1..].iter().rev().map(|segment| Step::Remove(segment.path.clone())));
            steps.push(self.sync_dir());
            steps.push(Step::Cut { path: end_name.clone(), length: end });
            steps.push(Step::Rename { from: end_name, to: cut.path.clone() });
            steps.push(self.sync_dir());
        }
        let mut segments = self.segments[..=at].to_vec();
        if let Some(last) = segments.last_mut() {
            last.offsets.truncate(place + 1);
            last.end = end;
        }
        Some(Cut { steps, segments, first_version: self.first_version })
    }

    /// What drops all entries. Indices begin anew: the library takes no empty log that would begin elsewhere.
    fn cut_all(&self) -> Cut {
        let (path, end_name) = (self.name(1, ""), self.name(1, END));
        let mut steps = vec![Step::Create(end_name.clone()), self.sync_dir()];
        let others = self.segments.iter().rev().filter(|segment| segment.path != path);
        steps.extend(others.map(|segment| Step::Remove(segment.path.clone())));
        steps.push(Step::Rename { from: end_name, to: path.clone() });
        steps.push(self.sync_dir());
        Cut { steps, segments: vec![Segment::empty(1, path)], first_version: None }
    }
}
