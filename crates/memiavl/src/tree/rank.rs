//! Where a key stands among the leaves of the snapshot. Leaves are in key order, so once that is known, the way through
//! mapped branches is found by comparing numbers, and no further key is read.

use std::cmp::Ordering;

use memiavl_iter::{LeafId, TreeSnapshot};

use crate::error::Result;
use crate::tree::base::Base;

/// A key's place among the leaves of the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rank {
    /// The leaf that has the key, or the first one behind it.
    index: u32,
    is_present: bool,
}

impl Rank {
    /// The rank of `key` if the leaf behind this rank's key has it.
    pub(crate) fn next(self, base: Base<'_>, key: &[u8]) -> Result<Option<Self>> {
        let snapshot = base.snapshot();
        let index = self.index.saturating_add(self.is_present.into());
        if index >= snapshot.leaf_count() {
            return Ok(None);
        }
        let leaf = snapshot.leaf_id(index)?;
        if snapshot.key(leaf)? != key {
            return Ok(None);
        }
        base.verified_leaf(leaf)?;
        Ok(Some(Self { index, is_present: true }))
    }

    /// Finds `key` among all leaves of the snapshot and checks those that its rank rests on, whatever led there: the one
    /// that has the key, or the two that it lies between.
    pub(crate) fn verified(base: Base<'_>, key: &[u8]) -> Result<Self> {
        let snapshot = base.snapshot();
        let last = snapshot.leaf_count().saturating_sub(1);
        // Whether a key is there is asked before it is written.
        let rank = Self::of(snapshot.search_again(key)?);
        let below = rank.index.checked_sub(1).filter(|_| !rank.is_present);
        let at = Some(rank.index).filter(|at| *at <= last);
        for index in below.into_iter().chain(at) {
            base.verified_leaf(snapshot.leaf_id(index)?)?;
        }
        Ok(rank)
    }

    /// The leaf that has the key, if it is one below the branch at place `branch`.
    pub(crate) fn leaf_below(self, branch: u32, snapshot: &TreeSnapshot) -> Result<Option<LeafId>> {
        let branch = snapshot.branch_id(branch)?;
        let is_below = (branch.first_leaf().index()..=branch.last_leaf().index()).contains(&self.index);
        if self.is_present && is_below { Ok(Some(snapshot.leaf_id(self.index)?)) } else { Ok(None) }
    }

    /// How the key compares with that of `leaf`.
    pub(crate) fn cmp(self, leaf: LeafId) -> Ordering {
        match self.index.cmp(&leaf.index()) {
            Ordering::Equal if !self.is_present => Ordering::Less,
            order => order,
        }
    }

    /// Finds `key` among all leaves of the snapshot.
    pub(crate) fn find(snapshot: &TreeSnapshot, key: &[u8]) -> Result<Self> {
        Ok(Self::of(snapshot.search(key)?))
    }

    fn of(place: std::result::Result<u32, u32>) -> Self {
        match place {
            Ok(index) => Self { index, is_present: true },
            Err(index) => Self { index, is_present: false },
        }
    }
}
