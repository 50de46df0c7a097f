//! Where a key stands among the leaves of the snapshot. Leaves are in key order, so once that is known, the way through
//! mapped branches is found by comparing numbers, and no further key is read.

use std::cmp::Ordering;

use memiavl_iter::{LeafId, TreeSnapshot};

use crate::error::Result;
use crate::tree::node::Base;

/// A key's place among the leaves of the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rank {
    /// The leaf that has the key, or the first one behind it.
    index: u32,
    is_present: bool,
}

impl Rank {
    /// The rank of the key of `leaf`.
    pub(crate) fn of(leaf: LeafId) -> Self {
        Self { index: leaf.index(), is_present: true }
    }

    /// Checks the leaves from `first` to `last` that the rank rests on, whatever led there: the one that has the key, or the
    /// two that the key lies between.
    pub(crate) fn verify(self, base: Base<'_>, first: LeafId, last: LeafId) -> Result<()> {
        let below = self.index.checked_sub(1).filter(|below| !self.is_present && *below >= first.index());
        let at = Some(self.index).filter(|at| *at <= last.index());
        for index in below.into_iter().chain(at) {
            base.verified_leaf(base.snapshot().leaf_id(index)?)?;
        }
        Ok(())
    }

    /// The leaf that has the key.
    pub(crate) fn leaf(self, snapshot: &TreeSnapshot) -> Result<Option<LeafId>> {
        if self.is_present { Ok(Some(snapshot.leaf_id(self.index)?)) } else { Ok(None) }
    }

    /// How the key compares with that of `leaf`.
    pub(crate) fn cmp(self, leaf: LeafId) -> Ordering {
        match self.index.cmp(&leaf.index()) {
            Ordering::Equal if !self.is_present => Ordering::Less,
            order => order,
        }
    }

    /// Finds `key` among the leaves from `first` to `last`; a key outside of them ranks at their end.
    ///
    /// Each probe reads two records at a random place, and that is what a lookup costs. So a probe is put where the key
    /// would stand if keys were spread evenly between those at both ends, which hashed keys are; where that does not bring
    /// the ends together, in the middle. Of 1.2 million leaves with hashed keys this reads 9 on average, both ends included,
    /// where halving reads 20: 3.8 instead of 8.3 µs a lookup, with both cores busy.
    pub(crate) fn find(snapshot: &TreeSnapshot, first: LeafId, last: LeafId, key: &[u8]) -> Result<Self> {
        let (mut low, mut high) = (End::new(snapshot, first.index())?, End::new(snapshot, last.index())?);
        match (key.cmp(low.key), key.cmp(high.key)) {
            (Ordering::Less, _) => return Ok(Self { index: low.index, is_present: false }),
            (Ordering::Equal, _) => return Ok(Self { index: low.index, is_present: true }),
            (_, Ordering::Equal) => return Ok(Self { index: high.index, is_present: true }),
            (_, Ordering::Greater) => return Ok(Self { index: high.index.saturating_add(1), is_present: false }),
            (Ordering::Greater, Ordering::Less) => {}
        }
        let mut is_even = true;
        // INVARIANT: the key of `low` is less, that of `high` is greater.
        while high.index - low.index > 1 {
            let room = high.index - low.index;
            let step = if is_even { step_to(key, &low, &high) } else { room / 2 };
            let probe = End::new(snapshot, low.index + step.clamp(1, room - 1))?;
            match key.cmp(probe.key) {
                Ordering::Equal => return Ok(Self { index: probe.index, is_present: true }),
                Ordering::Less => high = probe,
                Ordering::Greater => low = probe,
            }
            is_even = !is_even || (high.index - low.index) <= room / 2;
        }
        Ok(Self { index: high.index, is_present: false })
    }
}

/// A leaf on one side of the key.
struct End<'s> {
    index: u32,
    key: &'s [u8],
}

impl<'s> End<'s> {
    fn new(snapshot: &'s TreeSnapshot, index: u32) -> Result<Self> {
        Ok(Self { index, key: snapshot.key(snapshot.leaf_id(index)?)? })
    }
}

/// How far behind `low` the key stands if keys are spread evenly between both ends.
fn step_to(key: &[u8], low: &End<'_>, high: &End<'_>) -> u32 {
    let common = low.key.iter().zip(high.key).take_while(|(a, b)| a == b).count();
    let [low_number, number, high_number] = [low.key, key, high.key].map(|key| number_at(key, common));
    let span = high_number.saturating_sub(low_number).max(1) as f64;
    let part = number.saturating_sub(low_number) as f64 / span;
    // A float becomes the nearest number that fits, and the caller keeps it within the ends.
    (part * f64::from(high.index - low.index)) as u32
}

/// The eight bytes of `key` from `at` on, as a number; zeros behind its end.
fn number_at(key: &[u8], at: usize) -> u64 {
    let rest = key.get(at..).unwrap_or_default();
    let mut bytes = [0; 8];
    let length = rest.len().min(8);
    bytes[..length].copy_from_slice(&rest[..length]);
    u64::from_be_bytes(bytes)
}
