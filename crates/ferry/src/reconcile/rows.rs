//! Which rows make up the differences between FlatKV's rows and what it keeps of them.

use flatkv::{PartDifference, RowMend, split};

use super::anchor::Records;
use super::anchor::readable;
use super::candidates::{FromHistory, of_records, of_twice};
use super::trail::{MovedBy, Trail};
use crate::error::Error;

/// Rows that may be other than they are, each beside what it may be instead.
pub(crate) struct Proposed {
    /// From what moved: to be taken all together, as far as they are of a part.
    pub(crate) rows: Vec<RowMend>,
    /// Why memiavl's history proposes none, where it does not.
    pub(crate) without_history: Option<String>,
}

impl Proposed {
    /// Everything that records and memiavl's history propose.
    pub(crate) fn gather(
        records: &Records<'_>,
        twice: &[(String, Vec<u8>)],
        residue: &[(String, Vec<u8>)],
    ) -> Result<Self, Error> {
        let none = |why: &str| Self { rows: Vec::new(), without_history: Some(why.to_owned()) };
        let Some(flatkv) = records.flatkv else { return Ok(none("there is no FlatKV")) };
        let anchor = records.anchor()?;
        let mut without_history = None;
        let mut rows = of_twice(flatkv, twice)?;
        let mut last_moving = None;
        match &anchor {
            Some(anchor) if anchor.memiavl.is_some() => {
                let trail = Trail { records, anchor, residue };
                let (snapshots, _) = trail.sound_snapshots()?;
                let mut history = FromHistory::new(flatkv);
                let mut visit = |step: &super::trail::Step<'_>| {
                    let line = readable(flatkv.journal(step.height).map_err(Into::into))?.flatten();
                    let moves = line.as_ref().is_none_or(|line| MovedBy::line(line).is_some());
                    if moves && step.entry.changesets.iter().any(|set| set.pairs().iter().any(|pair| pair.delete)) {
                        last_moving = Some(step.entry.clone());
                    }
                    history.visit(step)
                };
                let mut walked = Err("no snapshot of memiavl is sound".to_owned());
                for (_, path) in &snapshots {
                    walked = trail.walk(path, &snapshots, &mut visit)?.map(|_| ());
                    if walked.is_ok() {
                        break;
                    }
                }
                match (walked, history.into_rows()) {
                    (Ok(()), Some(found)) => rows.extend(found),
                    (Ok(()), None) => without_history = Some("too many rows differ from what moved".to_owned()),
                    (Err(why), _) => without_history = Some(why),
                }
            }
            Some(_) => without_history = Some("memiavl is retired, and its history with it".to_owned()),
            None => without_history = Some("nothing tells the last block's app hash".to_owned()),
        }
        rows.extend(of_records(flatkv, last_moving.as_ref())?);
        Ok(Self { rows, without_history })
    }

    /// Those of one lane and module, one proposal a row but for the migration's records.
    pub(crate) fn of_part(&self, difference: &PartDifference) -> Vec<RowMend> {
        let part = (difference.report.lane, difference.report.module.as_str());
        let is_of = |mend: &&RowMend| {
            mend.lane == part.0 && split(mend.lane, &mend.key).is_ok_and(|(module, _)| module == part.1)
        };
        self.rows.iter().filter(is_of).cloned().collect()
    }

    /// Why nothing is proven of a difference.
    pub(crate) fn why_not(&self, difference: &PartDifference) -> String {
        let (kept, counted) = (difference.report.stored.1.rows, difference.report.computed.1.rows);
        let sought = match kept.cmp(&counted) {
            std::cmp::Ordering::Greater => "rows are missing",
            std::cmp::Ordering::Less => "rows are too many",
            std::cmp::Ordering::Equal => "rows are other than they must be",
        };
        let history = match &self.without_history {
            Some(why) => format!("memiavl's history does not help: {why}"),
            None => "no block that memiavl's history and the undo records reach wrote them last".to_owned(),
        };
        format!("{sought}, and no single flipped bit makes it up; {history}")
    }
}
