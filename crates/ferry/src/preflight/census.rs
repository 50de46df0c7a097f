//! Counting everything that is left in memiavl: a walk over all leaves, on all cores, each leaf checked against its hash.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use memiavl::View;

use super::shape::{Shape, judge};
use crate::error::Error;
use crate::import::ImportProgress;

/// Leaves of a piece of work.
const PIECE_LEAVES: u64 = 65_536;
/// Leaves between two looks at whether to go on.
const LOOK_LEAVES: u64 = 1024;
/// Time between two reports of progress.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);

/// What stands in a module, or in a part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Keys.
    pub keys: u64,
    /// Their bytes.
    pub key_bytes: u64,
    /// The bytes of their values.
    pub value_bytes: u64,
    /// The bytes of the rows that they become, before compression; at most, where two keys share an account's row.
    pub row_bytes: u64,
    /// Keys that leave no row behind, or add nothing to an account's: zero slots, empty code, zero fields.
    pub zero_keys: u64,
    /// Keys of unusual shapes: how many, and the first one.
    pub shapes: BTreeMap<Shape, (u64, Vec<u8>)>,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.keys += other.keys;
        self.key_bytes += other.key_bytes;
        self.value_bytes += other.value_bytes;
        self.row_bytes += other.row_bytes;
        self.zero_keys += other.zero_keys;
        for (shape, (keys, first)) in other.shapes {
            let (sum, least) = self.shapes.entry(shape).or_insert_with(|| (0, first.clone()));
            *sum += keys;
            if first < *least {
                *least = first;
            }
        }
    }

    fn pair(&mut self, module: &str, key: &[u8], value: &[u8], physical: &mut Vec<u8>) {
        let fate = judge(module, key, value, physical);
        self.keys += 1;
        self.key_bytes += key.len() as u64;
        self.value_bytes += value.len() as u64;
        self.row_bytes += fate.row_bytes;
        self.zero_keys += u64::from(fate.is_zero);
        if let Some(shape) = fate.shape {
            self.shapes.entry(shape).or_insert_with(|| (0, key.to_vec())).0 += 1;
        }
    }
}

/// What the threads share.
struct Shared<'s> {
    memiavl: &'s View,
    pieces: Vec<(&'s str, Range<u64>)>,
    next: AtomicUsize,
    keys: AtomicU64,
    is_stopped: AtomicBool,
}

/// Counts `modules` (name and keys) of memiavl; in their order.
///
/// # Errors
/// A damaged leaf, I/O, a stop.
pub(super) fn count(
    memiavl: &View,
    modules: &[(String, u64)],
    threads: usize,
    progress: &mut dyn FnMut(ImportProgress) -> ControlFlow<()>,
) -> Result<Vec<Count>, Error> {
    let mut pieces = Vec::new();
    for (name, keys) in modules {
        let starts = (0..*keys).step_by(PIECE_LEAVES as usize);
        pieces.extend(starts.map(|start| (name.as_str(), start..keys.min(&(start + PIECE_LEAVES)).to_owned())));
    }
    let keys_total = modules.iter().map(|(_, keys)| keys).sum();
    let (next, keys, is_stopped) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let shared = Shared { memiavl, pieces, next, keys, is_stopped };
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    thread::scope(|scope| {
        let (sender, results) = channel();
        let shared = &shared;
        let senders = (0..threads.clamp(1, shared.pieces.len().max(1))).map(|_| sender.clone()).collect::<Vec<_>>();
        let spawn = |sender| scope.spawn(move || shared.work(&sender));
        let workers: Vec<_> = senders.into_iter().map(spawn).collect();
        drop(sender);
        let mut outcome = Ok(());
        loop {
            match results.recv_timeout(REPORT_INTERVAL) {
                Ok((name, Ok(count))) => counts.entry(name).or_default().add(count),
                Ok((_, Err(error))) => {
                    shared.is_stopped.store(true, Ordering::Relaxed);
                    outcome = outcome.and(Err(error));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = ImportProgress { keys: shared.keys.load(Ordering::Relaxed), keys_total };
            if outcome.is_ok() && progress(now).is_break() {
                shared.is_stopped.store(true, Ordering::Relaxed);
                outcome = Err(migrate_core::Error::Cancelled.into());
            }
        }
        let panicked = workers.into_iter().filter_map(|worker| worker.join().err()).count();
        outcome?;
        if panicked > 0 { Err(Error::CountPanicked) } else { Ok(()) }
    })?;
    Ok(modules.iter().map(|(name, _)| counts.remove(name.as_str()).unwrap_or_default()).collect())
}

impl<'s> Shared<'s> {
    fn work(&self, results: &Sender<(&'s str, Result<Count, Error>)>) {
        while let Some((module, ranks)) = self.pieces.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let result = self.piece(module, ranks.clone());
            let is_over = result.is_err();
            // Whoever listens waits until all senders are gone.
            if results.send((*module, result)).is_err() || is_over || self.is_stopped.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    fn piece(&self, module: &str, ranks: Range<u64>) -> Result<Count, Error> {
        let (mut count, mut physical) = (Count::default(), Vec::new());
        for leaf in self.memiavl.leaves(module, ranks)? {
            let (key, value) = leaf?;
            count.pair(module, &key, &value, &mut physical);
            if count.keys.is_multiple_of(LOOK_LEAVES) {
                self.keys.fetch_add(LOOK_LEAVES, Ordering::Relaxed);
                if self.is_stopped.load(Ordering::Relaxed) {
                    return Ok(count);
                }
            }
        }
        self.keys.fetch_add(count.keys % LOOK_LEAVES, Ordering::Relaxed);
        Ok(count)
    }
}
