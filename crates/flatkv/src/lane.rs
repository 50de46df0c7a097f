//! The four lanes that rows lie in, one column family each.

use std::fmt;
use std::ops::{Index, IndexMut};

/// A lane: rows of one shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Balance, nonce and code hash of an address.
    Account,
    /// Contract code.
    Code,
    /// Contract storage slots.
    Storage,
    /// Everything else, of every module.
    Misc,
}

impl Lane {
    /// All lanes, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Account, Self::Code, Self::Storage, Self::Misc];

    /// The lane's name, which is its column family's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Code => "code",
            Self::Storage => "storage",
            Self::Misc => "misc",
        }
    }

    /// The lane's number in stored records.
    pub fn number(self) -> u8 {
        match self {
            Self::Account => 0,
            Self::Code => 1,
            Self::Storage => 2,
            Self::Misc => 3,
        }
    }

    /// The lane with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.number() == number)
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One `T` per lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PerLane<T>([T; 4]);

impl<T> PerLane<T> {
    /// What `make` gives for each lane.
    pub(crate) fn from_fn(make: impl FnMut(Lane) -> T) -> Self {
        Self(Lane::ALL.map(make))
    }

    /// The `T` of each lane, in the order of [`Lane::ALL`].
    pub(crate) fn into_values(self) -> impl Iterator<Item = T> {
        self.0.into_iter()
    }

    /// The lanes with their `T`, in the order of [`Lane::ALL`].
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Lane, &T)> {
        Lane::ALL.into_iter().zip(&self.0)
    }
}

impl<T> Index<Lane> for PerLane<T> {
    type Output = T;

    fn index(&self, lane: Lane) -> &T {
        &self.0[usize::from(lane.number())]
    }
}

impl<T> IndexMut<Lane> for PerLane<T> {
    fn index_mut(&mut self, lane: Lane) -> &mut T {
        &mut self.0[usize::from(lane.number())]
    }
}
