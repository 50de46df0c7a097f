//! The rows that make up a difference, out of those that something else proposes: the old store's history, a record.
//!
//! What is proposed is no more than a guess. That it is right is proven by the kept state: what is put in and taken out must
//! lead from what the rows add up to to what the store keeps, in all 2048 bytes.

use lthash::Probe;

use crate::audit::search::RowMend;
use crate::audit::tally::PartDifference;
use crate::error::{FlatKvError, Result};
use crate::key::Field;
use crate::row::{Op, check, next_row};

/// Proposals of which every choice is tried: a million choices take a few milliseconds.
const ALL_CHOICES_MAX: usize = 20;
/// Proposals of which every pair is tried, to take or to leave: some ten million pairs.
const PAIRS_MAX: usize = 4096;

/// The row that `value` of `field`, which the old store had, makes of `before` when a block at `height` moves it; none where
/// it leaves no row.
///
/// # Errors
/// A value of a length that cannot move, a row before that is no row.
pub fn row_after_move(field: Field, before: Option<&[u8]>, value: &[u8], height: u64) -> Result<Option<Vec<u8>>> {
    let refused =
        |expected| FlatKvError::ValueLength { module: String::new(), key: Vec::new(), expected, got: value.len() };
    check(field, value).map_err(refused)?;
    let mut row = Vec::new();
    let lives = next_row(field, before, Op::Set(value), height, &mut row)
        .map_err(|source| FlatKvError::Row { key: Vec::new(), source })?;
    Ok(lives.then_some(row))
}

impl PartDifference {
    /// Those of `proposed` that make up this difference: all of them, all but one or two, one or two, or, where they are few,
    /// any. None if no such choice does. They must be of this lane and module.
    pub fn fit(&self, proposed: &[RowMend]) -> Option<Vec<RowMend>> {
        let changes: Vec<Probe> = proposed.iter().map(change).collect();
        let target = self.state().probe();
        let all = changes.iter().fold(Probe::default(), |sum, change| sum.plus(*change));
        let proves = |chosen: Vec<usize>| {
            let mends: Vec<_> = chosen.into_iter().map(|at| proposed[at].clone()).collect();
            self.is_mended_by(&mends).then_some(mends)
        };
        let whole = || (0..proposed.len()).collect::<Vec<_>>();
        let without = |left: &[usize]| whole().into_iter().filter(|at| !left.contains(at)).collect::<Vec<_>>();
        if all == target
            && let Some(found) = proves(whole())
        {
            return Some(found);
        }
        for (few, is_taken) in [(target, true), (all.minus(target), false)] {
            for chosen in few_that_make(&changes, few) {
                let chosen = if is_taken { chosen } else { without(&chosen) };
                if let Some(found) = proves(chosen) {
                    return Some(found);
                }
            }
        }
        let chosen = any_that_make(&changes, target)?;
        proves(chosen)
    }
}

/// What a mend does to the first limbs of a state.
fn change(mend: &RowMend) -> Probe {
    let element = |row: &Option<Vec<u8>>| row.as_ref().map_or(Probe::default(), |row| Probe::of_row(&mend.key, row));
    element(&mend.after).minus(element(&mend.before))
}

/// Every one and every two of `changes` that make `target`.
fn few_that_make(changes: &[Probe], target: Probe) -> Vec<Vec<usize>> {
    let mut found = Vec::new();
    for (first, change) in changes.iter().enumerate() {
        if *change == target {
            found.push(vec![first]);
        }
        if changes.len() > PAIRS_MAX {
            continue;
        }
        let wanted = target.minus(*change);
        let second = changes[first + 1..].iter().enumerate().filter(|(_, second)| **second == wanted);
        found.extend(second.map(|(second, _)| vec![first, first + 1 + second]));
    }
    found
}

/// Any of `changes` that make `target`, where they are few: choices in an order in which neighbours differ in one place.
fn any_that_make(changes: &[Probe], target: Probe) -> Option<Vec<usize>> {
    if changes.len() > ALL_CHOICES_MAX {
        return None;
    }
    let (mut sum, mut chosen) = (Probe::default(), 0_u32);
    for step in 1..1_u32 << changes.len() {
        let at = step.trailing_zeros();
        chosen ^= 1 << at;
        let change = changes[at as usize];
        sum = if chosen & (1 << at) == 0 { sum.minus(change) } else { sum.plus(change) };
        if sum == target {
            return Some((0..changes.len()).filter(|place| chosen & (1 << place) != 0).collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::Lane;
    use crate::lattice::{Entry, Totals};
    use crate::verify::PartReport;

    fn mend(number: u8, before: Option<u8>, after: Option<u8>) -> RowMend {
        let row = |byte: u8| vec![byte; 41];
        RowMend { lane: Lane::Storage, key: vec![b'k', number], before: before.map(row), after: after.map(row) }
    }

    /// The difference that exactly `mends` make up.
    fn difference(mends: &[RowMend]) -> PartDifference {
        let mut entry = Entry { totals: Totals { rows: 100, bytes: 10_000 }, ..Entry::default() };
        let computed = entry.totals;
        mends.iter().for_each(|mend| mend.apply(&mut entry));
        let report = PartReport {
            lane: Lane::Storage,
            module: "evm".to_owned(),
            stored: ([0; 32], entry.totals),
            computed: ([0; 32], computed),
        };
        PartDifference::new(report, entry.hash)
    }

    fn proposed(count: u8) -> Vec<RowMend> {
        (0..count).map(|number| mend(number, (number % 3 == 0).then_some(7), Some(number + 9))).collect()
    }

    #[test]
    fn the_rows_that_make_up_a_difference_are_chosen_from_those_proposed() {
        let all = proposed(12);
        for chosen in [
            &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11][..],
            &[3],
            &[2, 9],
            &[0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11],
            &[1, 4, 6, 8],
        ] {
            let mends: Vec<_> = chosen.iter().map(|at| all[*at].clone()).collect();
            assert_eq!(difference(&mends).fit(&all), Some(mends), "{chosen:?}");
        }
    }

    #[test]
    fn what_nothing_proposed_makes_up_fits_nothing() {
        let all = proposed(12);
        assert_eq!(difference(&[mend(40, None, Some(1))]).fit(&all), None);
        assert_eq!(difference(&all[..3]).fit(&[]), None);
    }

    #[test]
    fn of_many_all_but_two_are_still_found() {
        let all = proposed(200);
        let left_out = |at: &usize| [7, 150].contains(at);
        let chosen = all.iter().enumerate().filter(|(at, _)| !left_out(at));
        let mends: Vec<_> = chosen.map(|(_, mend)| mend.clone()).collect();
        assert_eq!(difference(&mends).fit(&all), Some(mends));
    }

    #[test]
    fn a_moved_pair_makes_the_row_that_its_block_writes() {
        let slot = row_after_move(Field::Storage, None, &[5; 32], 9).expect("moves").expect("a row");
        assert_eq!(slot, crate::row::StorageRow { height: 9, value: [5; 32] }.encode());
        assert_eq!(row_after_move(Field::Storage, None, &[0; 32], 9).expect("moves"), None);
        let nonce = row_after_move(Field::Nonce, None, &7_u64.to_be_bytes(), 9).expect("moves").expect("a row");
        let both = row_after_move(Field::CodeHash, Some(&nonce), &[4; 32], 9).expect("moves").expect("a row");
        let expected = crate::row::AccountRow { height: 9, nonce: 7, code_hash: [4; 32], ..Default::default() };
        assert_eq!(both, expected.encode());
        assert!(row_after_move(Field::Nonce, None, &[1], 9).is_err());
    }
}
