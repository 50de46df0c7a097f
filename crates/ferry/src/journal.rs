//! The journal of a home: a line per block, as long as a rollback may need its block; and where two journals part ways.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::path::Path;

use changeset::JournalLine;

use crate::error::Error;
use crate::home::Home;
use crate::inspect::found_flatkv;

/// What a pace is an average over, as a running node's rate is.
const PACE_WINDOW_MS: u64 = 60_000;

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

/// How fast the last blocks moved keys, by this machine's clock at the time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JournalPace {
    /// Keys a second, over the minute before the last block.
    pub keys_per_second: f64,
    /// When the last block was committed, in milliseconds since 1970.
    pub last_unix_ms: u64,
}

/// The pace of the last of these lines, oldest first; none if fewer than two of them have a time.
///
/// # Errors
/// Those of the lines.
pub fn journal_pace<E>(lines: impl IntoIterator<Item = Result<JournalLine, E>>) -> Result<Option<JournalPace>, E> {
    let mut window: VecDeque<(u64, u64)> = VecDeque::new();
    for line in lines {
        let JournalLine { unix_ms, keys, .. } = line?;
        // A line of an older version has no time, and a clock that was set back makes the ones before it worthless.
        if unix_ms == 0 || window.back().is_some_and(|(last, _)| *last > unix_ms) {
            window.clear();
        }
        if unix_ms > 0 {
            window.push_back((unix_ms, keys));
        }
        // Two always stay: blocks may be further apart than the window is wide.
        while window.len() > 2 && unix_ms - window[0].0 > PACE_WINDOW_MS {
            window.pop_front();
        }
    }
    let (Some((first, _)), Some((last, _))) = (window.front(), window.back()) else { return Ok(None) };
    if first == last {
        return Ok(None);
    }
    // What the first block moved was done when the window begins.
    let keys: u64 = window.iter().skip(1).map(|(_, keys)| keys).sum();
    Ok(Some(JournalPace { keys_per_second: keys as f64 * 1e3 / (last - first) as f64, last_unix_ms: *last }))
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
    fn the_pace_is_that_of_the_last_minute_of_blocks() {
        let at = |unix_ms, keys| JournalLine { unix_ms, keys, ..JournalLine::default() };
        let pace = |lines: &[JournalLine]| {
            let lines = lines.iter().cloned().map(Ok::<_, Error>);
            journal_pace(lines).expect("no line fails").map(|pace| (pace.keys_per_second, pace.last_unix_ms))
        };
        assert_eq!(pace(&[]), None);
        assert_eq!(pace(&[at(5_000, 10)]), None, "one block has no pace");
        assert_eq!(pace(&[at(5_000, 10), at(7_000, 30)]), Some((15.0, 7_000)));
        let long = [at(1, 1_000_000), at(100_000, 50), at(130_000, 300), at(160_000, 300)];
        assert_eq!(pace(&long), Some((10.0, 160_000)), "what is older than a minute does not count");
        assert_eq!(pace(&[at(1, 7), at(200_001, 400)]), Some((2.0, 200_001)), "blocks far apart have one, too");
        let without = [at(1_000, 5), at(0, 5), at(3_000, 5), at(4_000, 8)];
        assert_eq!(pace(&without), Some((8.0, 4_000)));
        assert_eq!(pace(&[at(9_000, 5), at(1_000, 5), at(2_000, 4)]), Some((4.0, 2_000)), "a clock that was set back");
        assert_eq!(pace(&[at(9_000, 5), at(9_000, 5)]), None, "no time passed");
    }

    #[test]
    fn journals_without_a_common_height_have_nothing_to_compare() {
        assert_eq!(compare(&[line(3, 1)], &[line(4, 2)]), JournalComparison::default());
    }
}
