//! The lattice state.
//!
//! ```text
//! state   2048   1024 limbs, u16 little endian each; addition wraps per limb
//! root    32     BLAKE3-256 of the state's 2048 bytes
//! ```
//! Source: spec FORMATS, LtHash.

use core::fmt;

use crate::compress::Input;
use crate::element::element;
use crate::kernel::{Kernel, Sign, place};

/// Limbs of a state.
pub const LIMBS: usize = 1024;
/// Bytes of a state.
pub const STATE_BYTES: usize = 2 * LIMBS;

/// The 32 bytes that stand for a state.
pub type Root = [u8; 32];

/// A lattice state: the sum of its rows' elements.
#[derive(Clone, PartialEq, Eq)]
pub struct LtHash {
    /// In the order of `kernel`, not in the format's.
    limbs: [u16; LIMBS],
}

/// Bytes that are no state, because there are too few or too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StateError {
    /// Bytes found; [`STATE_BYTES`] were expected.
    pub got: usize,
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lattice state has the wrong length: expected={STATE_BYTES} got={}", self.got)
    }
}

impl core::error::Error for StateError {}

impl LtHash {
    /// The state of no rows.
    pub const fn new() -> Self {
        Self { limbs: [0; LIMBS] }
    }

    /// Adds the row `key`, `value`.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        self.combine(key, value, Sign::Plus);
    }

    /// Takes the row `key`, `value` away.
    pub fn subtract(&mut self, key: &[u8], value: &[u8]) {
        self.combine(key, value, Sign::Minus);
    }

    /// Adds all rows of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (limb, other) in self.limbs.iter_mut().zip(&other.limbs) {
            *limb = limb.wrapping_add(*other);
        }
    }

    /// Takes all rows of `other` away.
    pub fn unmerge(&mut self, other: &Self) {
        for (limb, other) in self.limbs.iter_mut().zip(&other.limbs) {
            *limb = limb.wrapping_sub(*other);
        }
    }

    /// The root: BLAKE3-256 of the state's bytes.
    pub fn root(&self) -> Root {
        blake3::hash(&self.to_bytes()).into()
    }

    /// Whether this is the state of no rows.
    pub fn is_empty(&self) -> bool {
        self.limbs.iter().all(|limb| *limb == 0)
    }

    /// The state's bytes.
    pub fn to_bytes(&self) -> [u8; STATE_BYTES] {
        let mut bytes = [0; STATE_BYTES];
        for (at, pair) in bytes.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            *pair = self.limbs[place(at)].to_le_bytes();
        }
        bytes
    }

    /// The state with these bytes; every 2048 bytes are one.
    pub fn from_bytes(bytes: &[u8; STATE_BYTES]) -> Self {
        let mut state = Self::new();
        for (at, pair) in bytes.as_chunks::<2>().0.iter().enumerate() {
            state.limbs[place(at)] = u16::from_le_bytes(*pair);
        }
        state
    }

    /// A limb, counted as `kernel` does.
    pub(crate) fn limb(&self, at: usize) -> u16 {
        self.limbs[at]
    }

    fn combine(&mut self, key: &[u8], value: &[u8], sign: Sign) {
        if let Some(element) = element(key, value) {
            self.combine_root(&element.root(), sign);
        }
    }

    /// Adds the element that is drawn from `root`, or takes it away.
    pub(crate) fn combine_root(&mut self, root: &Input, sign: Sign) {
        Kernel::detect().combine(&mut self.limbs, root, sign);
    }
}

impl Default for LtHash {
    fn default() -> Self {
        Self::new()
    }
}

impl TryFrom<&[u8]> for LtHash {
    type Error = StateError;

    fn try_from(bytes: &[u8]) -> Result<Self, StateError> {
        match <&[u8; STATE_BYTES]>::try_from(bytes) {
            Ok(fixed) => Ok(Self::from_bytes(fixed)),
            Err(_) => Err(StateError { got: bytes.len() }),
        }
    }
}

impl fmt::Debug for LtHash {
    /// The root, since nobody reads 1024 limbs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LtHash(")?;
        for byte in self.root() {
            write!(f, "{byte:02x}")?;
        }
        write!(f, ")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_but_a_states_is_refused() {
        for length in [0, 1, STATE_BYTES - 1, STATE_BYTES + 1] {
            assert_eq!(LtHash::try_from(vec![0; length].as_slice()), Err(StateError { got: length }));
        }
        assert_eq!(LtHash::try_from([0; STATE_BYTES].as_slice()), Ok(LtHash::new()));
    }

    #[test]
    fn a_limb_is_little_endian() {
        let mut bytes = [0; STATE_BYTES];
        bytes[2] = 0x34;
        bytes[3] = 0x12;
        assert_eq!(LtHash::from_bytes(&bytes).limbs[place(1)], 0x1234);
    }

    #[test]
    fn a_row_without_key_or_value_has_no_element() {
        let mut state = LtHash::new();
        state.add(b"", b"value");
        state.add(b"key", b"");
        state.subtract(b"", b"");
        assert!(state.is_empty());
    }
}
