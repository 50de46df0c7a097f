//! Hashes of many short messages at once: a processor's wide vectors hold the same word of sixteen messages, or of eight, so
//! that as many hashes take little longer than a few do one after the other.
//!
//! **It is not** a hash function for streams: a message is given whole.
//!
//! Good starting points:
//! - [`Queue`]: messages wait in it until there are enough of a length; of [`Sha256`] or of [`Blake3`].
//! - [`Algorithm::hash`]: one message, now.
//! - [`Lanes`]: what a processor does to a vector, for who has another use of BLAKE3's [`compress`](blake3::compress).
//!
//! Invariants: a hash is that of the function, whatever the processor has; each message that was pushed has its hash told
//! once, at the latest by [`finish`](Queue::finish).
//!
//! ```
//! use multibuffer::{Algorithm, Queue, Sha256};
//!
//! let (mut queue, mut hashes) = (Queue::<Sha256, usize>::default(), vec![[0; 32]; 40]);
//! for at in 0..40_u8 {
//!     queue.push([&[at]], usize::from(at), |at, hash| hashes[at] = hash);
//! }
//! queue.finish(|at, hash| hashes[at] = hash);
//! assert_eq!(hashes[7], Sha256::hash([&[7]]));
//! ```

mod algorithm;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub mod blake3;
mod lanes;
mod queue;
mod sha256;

pub use algorithm::{Algorithm, BLOCK_BYTES, Block, Hash, SIXTEEN, Wide, WideOrHalf};
#[cfg(target_arch = "x86_64")]
pub use avx2::Eight;
#[cfg(target_arch = "x86_64")]
pub use avx512::Sixteen;
pub use blake3::Blake3;
pub use lanes::{Lanes, One};
pub use queue::Queue;
pub use sha256::Sha256;
