//! The journal of a home: a line per block, as long as a rollback may need its block; and where two journals part ways.

use std::cmp::Ordering;
use std::path::Path;

use changeset::JournalLine;

use crate::error::Error;
use crate::home::Home;
use crate::inspect::found_flatkv;

/// The journal of a home, read beside a running node too.
pub struct HomeJournal(flatkv::View);

impl HomeJournal {
    /// Opens the journal of the home at `root`; none if FlatKV, which keeps it, does not exist yet.
    ///
    /// # Errors
    /// No node there, directories of another program, damage.
    pub fn open(root: &Path) -> Result<Option<Self>, Error> {
        let home = Home::locate(root);
        home.check_present()?;
        Ok(found_flatkv(&home)?.map(Self))
    }

    /// The heights of FlatKV's first and last block; the journal holds the last ones of these.
    pub fn span(&self) -> Option<(u64, u64)> {
        self.0.first_version().zip(self.0.version())
    }

    /// The lines of the blocks from `first` on, oldest first. An error ends them.
    pub fn lines(&self, first: u64) -> impl Iterator<Item = Result<JournalLine, Error>> {
        self.0.journal_from(first).map(|line| Ok(line?))
    }
}

/// What a comparison of two journals found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JournalComparison {
    /// Blocks that both journals have a line of, up to the first that differs.
    pub compared_blocks: u64,
    /// The first and the last of them.
    pub compared_heights: Option<(u64, u64)>,
    /// The lines of the first block in which they differ; none if there is no such block.
    pub divergence: Option<(JournalLine, JournalLine)>,
}

/// Compares two journals, each oldest first, at the heights that both have, up to the first difference.
///
/// What this machine's clock says does not count, nor does what lines of older versions do not have.
///
/// # Errors
/// Those of the lines.
pub fn compare_journals<E>(
    first: impl IntoIterator<Item = Result<JournalLine, E>>,
    second: impl IntoIterator<Item = Result<JournalLine, E>>,
) -> Result<JournalComparison, E> {
    let (mut firsts, mut seconds) = (first.into_iter(), second.into_iter());
    let mut comparison = JournalComparison::default();
    let (mut a, mut b) = (firsts.next().transpose()?, seconds.next().transpose()?);
    while let (Some(first), Some(second)) = (&a, &b) {
        match first.height.cmp(&second.height) {
            Ordering::Less => a = firsts.next().transpose()?,
            Ordering::Greater => b = seconds.next().transpose()?,
            Ordering::Equal => {
                let height = first.height;
                comparison.compared_blocks += 1;
                let from = comparison.compared_heights.map_or(height, |(from, _)| from);
                comparison.compared_heights = Some((from, height));
                if !agree(first, second) {
                    comparison.divergence = a.zip(b);
                    return Ok(comparison);
                }
                (a, b) = (firsts.next().transpose()?, seconds.next().transpose()?);
            }
        }
    }
    Ok(comparison)
}

fn agree(first: &JournalLine, second: &JournalLine) -> bool {
    let is_older = first.left.is_empty() || second.left.is_empty();
    let comparable = |line: &JournalLine| {
        let mut line = line.without_time();
        if is_older {
            (line.boundary_from, line.left, line.entered) = Default::default();
        }
        line
    };
    comparable(first) == comparable(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(height: u64, app_hash: u8) -> JournalLine {
        let app_hash = vec![app_hash; 32].into();
        JournalLine {
            height,
            app_hash,
            left: vec![1; 32].into(),
            entered: vec![1; 32].into(),
            ..JournalLine::default()
        }
    }

    fn compare(first: &[JournalLine], second: &[JournalLine]) -> JournalComparison {
        let lines = |lines: &[JournalLine]| lines.iter().cloned().map(Ok::<_, Error>).collect::<Vec<_>>();
        compare_journals(lines(first), lines(second)).expect("no line fails")
    }

    #[test]
    fn the_first_different_block_is_found_where_both_have_lines() {
        let first = [line(3, 1), line(4, 2), line(5, 3), line(6, 4)];
        let second = [line(4, 2), line(5, 9), line(6, 9)];
        let comparison = compare(&first, &second);
        assert_eq!((comparison.compared_blocks, comparison.compared_heights), (2, Some((4, 5))));
        assert_eq!(comparison.divergence, Some((first[2].clone(), second[1].clone())));
    }

    #[test]
    fn time_and_what_an_older_line_lacks_do_not_count() {
        let later = [JournalLine { unix_ms: 7, work_us: 8, ..line(3, 1) }];
        assert_eq!(compare(&[line(3, 1)], &later).divergence, None);
        let older = JournalLine { left: Default::default(), entered: Default::default(), ..line(3, 1) };
        assert_eq!(compare(&[older], &later).divergence, None);
        let lost = JournalLine { entered: vec![2; 32].into(), ..line(3, 1) };
        assert!(compare(&[line(3, 1)], &[lost]).divergence.is_some());
    }

    #[test]
    fn journals_without_a_common_height_have_nothing_to_compare() {
        assert_eq!(compare(&[line(3, 1)], &[line(4, 2)]), JournalComparison::default());
    }
}
