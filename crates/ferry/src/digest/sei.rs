//! The reference's logical digest of module `evm`, which its operators compare nodes with.
//!
//! ```text
//! entry    SHA-256 of u32 big endian length | physical key | u32 big endian length | logical value
//! bucket   the XOR of its entries: account, code, storage, misc
//! final    SHA-256 of the four XORs, one after the other in that order
//! ```
//! Source: spec FORMATS, the reference's logical digest. It tells honest nodes apart and no more: an XOR of hashes can be
//! forged.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use changeset::Hash;
use flatkv::{EVM, Lane};
use sha2::{Digest as _, Sha256};

use super::work::{Cut, Tally, tally};
use super::{DigestProgress, rows_total};
use crate::View;
use crate::error::Error;

/// The rows of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeiBucket {
    /// How many.
    pub rows: u64,
    /// The XOR of their entries.
    pub digest: Hash,
}

/// The reference's digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeiDigest {
    /// The height of the view.
    pub height: u64,
    /// Per lane, in the order of [`Lane::ALL`].
    pub buckets: [SeiBucket; 4],
    /// Over the four of them.
    pub whole: Hash,
}

/// The reference's digest of what a view's readers see of module `evm`. `progress` is called now and then and stops the work
/// by breaking.
///
/// # Errors
/// Values that could not become rows, damage, I/O, a stop.
pub fn sei_digest(
    view: &View,
    threads: usize,
    progress: &mut dyn FnMut(DigestProgress) -> ControlFlow<()>,
) -> Result<SeiDigest, Error> {
    let rows_total = rows_total(view, &[EVM.to_owned()])?;
    let read = AtomicU64::new(0);
    let mut look = || progress(DigestProgress { rows: read.load(Ordering::Relaxed), rows_total });
    let cut = Cut { prefix: &[], depth: 0, threads };
    let sums = tally::<Buckets>(view, EVM, cut, &read, &mut look)?;
    let buckets = sums.into_values().next().unwrap_or_default().0;
    let mut whole = Sha256::new();
    buckets.iter().for_each(|bucket| whole.update(bucket.digest));
    Ok(SeiDigest { height: view.height(), buckets, whole: whole.finalize().into() })
}

#[derive(Default)]
struct Buckets([SeiBucket; 4]);

impl SeiBucket {
    fn xor(&mut self, rows: u64, digest: &Hash) {
        self.rows += rows;
        self.digest.iter_mut().zip(digest).for_each(|(byte, other)| *byte ^= other);
    }
}

impl Tally for Buckets {
    fn row(&mut self, lane: Lane, physical: &[u8], value: &[u8]) {
        let mut entry = Sha256::new();
        for part in [physical, value] {
            // No store holds a key or a value of 4 GiB.
            entry.update(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            entry.update(part);
        }
        self.0[usize::from(lane.number())].xor(1, &entry.finalize().into());
    }

    fn merge(&mut self, other: Self) {
        for (bucket, other) in self.0.iter_mut().zip(other.0) {
            bucket.xor(other.rows, &other.digest);
        }
    }
}
