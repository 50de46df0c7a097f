//! The homomorphic hash of FlatKV's rows: 1024 limbs of 16 bits, to which a row adds its element and from which it takes
//! it away again.
//!
//! **It is not** a store and not a set: it cannot say which rows it holds, and a row added twice counts twice.
//!
//! Good starting points:
//! - [`LtHash`]: the state; [`LtHash::add`] and [`LtHash::subtract`] a row, [`LtHash::merge`] whole states.
//! - [`RowSum`]: the sum of many rows, in less time.
//! - [`LtHash::root`]: the 32 bytes that stand for the state.
//! - [`STATE_BYTES`]: the size of a stored state.
//!
//! Invariants: the state depends on the rows alone, not on their order; `subtract` undoes `add` exactly; a row with an empty
//! key or an empty value has no element; no row costs an allocation by itself.
//!
//! ```
//! use lthash::LtHash;
//!
//! let mut state = LtHash::new();
//! state.add(b"evm/a", b"1");
//! state.add(b"evm/b", b"2");
//! state.subtract(b"evm/a", b"1");
//!
//! let mut other = LtHash::new();
//! other.add(b"evm/b", b"2");
//! assert_eq!(state.root(), other.root());
//! ```

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod compress;
mod element;
mod kernel;
#[cfg(target_arch = "x86_64")]
mod lanes;
mod probe;
mod state;
mod sum;

pub use probe::Probe;
pub use state::{LIMBS, LtHash, Root, STATE_BYTES, StateError};
pub use sum::RowSum;
