//! The first limbs of an element: enough to tell elements apart, at a small part of the price of a whole one.
//!
//! Who looks for the row that a state lacks has one element wanted and many rows; 64 bits leave next to none of them.

use crate::kernel::place;
use crate::state::LtHash;

/// The first four limbs of an element or of a state; they add up as whole states do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Probe([u16; 4]);

impl Probe {
    /// The probe of the row `key`, `value`. A row with an empty key or value has no element: its probe is that of no rows.
    pub fn of_row(key: &[u8], value: &[u8]) -> Self {
        if key.is_empty() || value.is_empty() {
            return Self::default();
        }
        let mut hasher = blake3::Hasher::new();
        for part in [key, value] {
            // Longer parts have no rows; whole elements are compared wherever a probe fits.
            hasher.update(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
            hasher.update(part);
        }
        let mut bytes = [0; 8];
        hasher.finalize_xof().fill(&mut bytes);
        Self([0, 2, 4, 6].map(|at| u16::from_le_bytes([bytes[at], bytes[at + 1]])))
    }

    /// This probe and `other` added.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at].wrapping_add(other.0[at])))
    }

    /// This probe less `other`.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at].wrapping_sub(other.0[at])))
    }
}

impl LtHash {
    /// The first limbs of the state.
    pub fn probe(&self) -> Probe {
        Probe(std::array::from_fn(|at| self.limb(place(at))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rows_probe_is_that_of_the_state_of_this_row_alone() {
        for value in [vec![7; 3], vec![9; 500], vec![1; 5000]] {
            let mut state = LtHash::new();
            state.add(b"evm/key", &value);
            assert_eq!(state.probe(), Probe::of_row(b"evm/key", &value));
            state.add(b"other", b"row");
            assert_eq!(state.probe(), Probe::of_row(b"evm/key", &value).plus(Probe::of_row(b"other", b"row")));
            assert_eq!(state.probe().minus(Probe::of_row(b"other", b"row")), Probe::of_row(b"evm/key", &value));
        }
        assert_eq!(Probe::of_row(b"", b"row"), LtHash::new().probe());
    }
}
