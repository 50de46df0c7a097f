//! Dropping snapshots that nothing needs any more.

use std::path::Path;

use memiavl_iter::list_snapshots;

use crate::error::Result;
use crate::snapshot::disk::{remove_dir, sync_dir};

/// Which snapshots stay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keep {
    /// The current one; later ones, of which there should be none, are left alone.
    pub(crate) current: u64,
    /// So many older ones.
    pub(crate) recent: usize,
    /// And as many of those before as it takes to rebuild every version from here on, now and as this rises.
    pub(crate) retain_from: u64,
}

/// Removes all others. Returns the oldest that is left.
pub(crate) fn prune_snapshots(dir: &Path, keep: Keep) -> Result<u64> {
    let snapshots = list_snapshots(dir)?;
    let older: Vec<_> = snapshots.iter().filter(|(version, _)| *version < keep.current).collect();
    let versions: Vec<u64> = older.iter().map(|(version, _)| *version).collect();
    let mut oldest = keep.current;
    for ((version, path), is_kept) in older.into_iter().zip(kept(&versions, keep)) {
        if is_kept {
            oldest = oldest.min(*version);
        } else {
            remove_dir(path)?;
            tracing::info!(version, "old snapshot removed");
        }
    }
    sync_dir(dir)?;
    Ok(oldest)
}

/// Which of `older`, which ascend, stay. The newest that is not later than `retain_from` is what all is rebuilt from; behind
/// it one per half of what is retained is enough for its place to be taken in time.
fn kept(older: &[u64], keep: Keep) -> Vec<bool> {
    let base = match keep.current <= keep.retain_from {
        true => older.len(),
        false => older.iter().rposition(|version| *version <= keep.retain_from).unwrap_or(0),
    };
    let first_recent = older.len().saturating_sub(keep.recent);
    let step = keep.current.saturating_sub(keep.retain_from) / 2;
    let mut last = None;
    let stays = |(place, version): (usize, &u64)| {
        let is_needed = place >= base && last.is_none_or(|last| version - last >= step);
        let stays = place >= first_recent || is_needed;
        last = if stays { Some(*version) } else { last };
        stays
    };
    older.iter().enumerate().map(stays).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_snapshots_stay_and_each_retained_version_has_one_before_it() {
        for (every, retained, recent) in
            [(1_u64, 10, 1), (7, 100, 0), (60, 1_000, 1), (400, 1_000, 2), (5_000, 1_000, 1)]
        {
            let mut snapshots: Vec<u64> = Vec::new();
            for current in (every..200 * every).step_by(usize::try_from(every).expect("small")) {
                let retain_from = current.saturating_sub(retained);
                let newest: Vec<u64> = snapshots.iter().rev().take(recent).copied().collect();
                let stay = kept(&snapshots, Keep { current, recent, retain_from });
                let mut stay = stay.into_iter();
                snapshots.retain(|_| stay.next().expect("one of each"));
                snapshots.push(current);
                assert!(snapshots.len() <= 5 + recent, "every={every} retained={retained}: {snapshots:?}");
                let from = snapshots[0];
                assert!(from <= retain_from.max(every), "every={every}: version {retain_from} has only {snapshots:?}");
                let late = retain_from.saturating_sub(from);
                let late_max = retained / 2 + (recent as u64 + 2) * every;
                assert!(late <= late_max, "every={every}: the log is kept from {from}, needed from {retain_from}");
                assert!(newest.iter().all(|version| snapshots.contains(version)), "every={every}: {snapshots:?}");
            }
        }
    }

    #[test]
    fn nothing_older_stays_that_nothing_needs() {
        let keep = |current, recent, retain_from| Keep { current, recent, retain_from };
        assert_eq!(kept(&[10, 20, 30], keep(40, 0, u64::MAX)), [false, false, false]);
        assert_eq!(kept(&[10, 20, 30], keep(40, 1, 40)), [false, false, true]);
        assert_eq!(kept(&[10, 20, 30], keep(40, 0, 25)), [false, true, true]);
        assert_eq!(kept(&[10, 11, 12, 30], keep(40, 0, 10)), [true, false, false, true]);
        assert_eq!(kept(&[10, 20], keep(40, 0, 5)), [true, false], "none is early enough, so the earliest stays");
    }
}
