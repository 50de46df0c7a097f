//! Moving the pieces: threads take one after the other, and the first failure or a stop ends them all.

use std::cmp::Ordering;
use std::mem;
use std::ops::ControlFlow;
use std::sync::atomic::{self, AtomicBool, AtomicU64, AtomicUsize};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use flatkv::{BulkLoad, EVM, Loaded, Run};
use memiavl::{LeafPair, View};
use migrate_core::CancelToken;

use crate::error::Error;
use crate::import::plan::{Piece, Plan};
use crate::import::{ImportProgress, Moved};

/// Leaves between two looks at whether to go on.
const LOOK_LEAVES: u64 = 1024;
/// Time between two reports of progress.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);
/// An account's key: a first byte and the address.
const ACCOUNT_KEY_BYTES: usize = 21;

/// What the pieces' threads share.
struct Shared<'s> {
    memiavl: &'s View,
    load: &'s BulkLoad,
    pieces: &'s [Piece],
    next: AtomicUsize,
    keys: AtomicU64,
    key_bytes: AtomicU64,
    value_bytes: AtomicU64,
    is_stopped: AtomicBool,
}

/// Moves all pieces of `plan`; what their runs left, and how much was moved.
pub(super) fn work(
    memiavl: &View,
    load: &BulkLoad,
    plan: &Plan,
    threads: usize,
    cancel: &CancelToken,
    progress: &mut dyn FnMut(ImportProgress) -> ControlFlow<()>,
) -> Result<(Vec<Loaded>, Moved), Error> {
    let shared = Shared {
        memiavl,
        load,
        pieces: &plan.pieces,
        next: AtomicUsize::new(0),
        keys: AtomicU64::new(0),
        key_bytes: AtomicU64::new(0),
        value_bytes: AtomicU64::new(0),
        is_stopped: AtomicBool::new(false),
    };
    let keys_total = plan.keys();
    thread::scope(|scope| {
        let (sender, results) = channel();
        let (shared, sender_of) = (&shared, || sender.clone());
        let workers: Vec<_> = (0..threads.clamp(1, plan.pieces.len().max(1)))
            .map(|_| sender_of())
            .map(|sender| scope.spawn(move || shared.work(&sender)))
            .collect();
        drop(sender);
        let mut loaded = Vec::new();
        let mut outcome = Ok(());
        loop {
            match results.recv_timeout(REPORT_INTERVAL) {
                Ok(Ok(runs)) => loaded.extend::<Vec<Loaded>>(runs),
                Ok(Err(error)) => {
                    shared.stop();
                    outcome = outcome.and(Err(error));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = ImportProgress { keys: shared.moved().keys, keys_total };
            if outcome.is_ok() && (cancel.is_cancelled() || progress(now).is_break()) {
                shared.stop();
                outcome = Err(migrate_core::Error::Cancelled.into());
            }
        }
        let panicked = workers.into_iter().filter_map(|worker| worker.join().err()).count();
        outcome?;
        if panicked > 0 { Err(Error::ImportPanicked) } else { Ok((loaded, shared.moved())) }
    })
}

impl Shared<'_> {
    fn moved(&self) -> Moved {
        let [keys, key_bytes, value_bytes] =
            [&self.keys, &self.key_bytes, &self.value_bytes].map(|count| count.load(atomic::Ordering::Relaxed));
        Moved { keys, key_bytes, value_bytes }
    }

    fn stop(&self) {
        self.is_stopped.store(true, atomic::Ordering::Relaxed);
    }

    fn work(&self, results: &Sender<Result<Vec<Loaded>, Error>>) {
        while let Some(piece) = self.pieces.get(self.next.fetch_add(1, atomic::Ordering::Relaxed)) {
            let result = match piece {
                Piece::Leaves { module, ranks } => self.leaves(module, ranks.clone()),
                Piece::Accounts { code_hashes, nonces } => self.accounts(code_hashes.clone(), nonces.clone()),
            };
            let is_over = result.is_err();
            // Whoever listens waits until all senders are gone.
            if results.send(result).is_err() || is_over || self.is_stopped.load(atomic::Ordering::Relaxed) {
                return;
            }
        }
    }

    fn leaves(&self, module: &str, ranks: std::ops::Range<u64>) -> Result<Vec<Loaded>, Error> {
        let mut run = self.load.run(module)?;
        let mut meter = Meter::new(self);
        for leaf in self.memiavl.leaves(module, ranks)? {
            let (key, value) = leaf?;
            run.put(&key, &value)?;
            if meter.count(&key, &value).is_break() {
                return Ok(Vec::new());
            }
        }
        Ok(vec![run.finish()?])
    }

    /// Merges code hashes and nonces by address. What is no account's key by its length is a row of its own.
    fn accounts(&self, code_hashes: std::ops::Range<u64>, nonces: std::ops::Range<u64>) -> Result<Vec<Loaded>, Error> {
        let mut leaves = [self.memiavl.leaves(EVM, code_hashes)?, self.memiavl.leaves(EVM, nonces)?];
        let mut heads = [leaves[0].next().transpose()?, leaves[1].next().transpose()?];
        // Keys without an account's length keep their order among those of their first byte alone.
        let mut others = [self.load.run(EVM)?, self.load.run(EVM)?];
        let mut accounts = self.load.run(EVM)?;
        let mut meter = Meter::new(self);
        loop {
            let (code_hash, nonce) = match [&heads[0], &heads[1]].map(|head| head.as_ref().map(borrowed)) {
                [Some(code_hash), Some(nonce)] => match code_hash.0[1..].cmp(&nonce.0[1..]) {
                    Ordering::Less => (Some(code_hash), None),
                    Ordering::Equal => (Some(code_hash), Some(nonce)),
                    Ordering::Greater => (None, Some(nonce)),
                },
                [None, None] => break,
                [code_hash, nonce] => (code_hash, nonce),
            };
            put(&mut accounts, &mut others, code_hash, nonce)?;
            let is_taken = [code_hash, nonce].map(|leaf| leaf.is_some());
            for (side, _) in is_taken.into_iter().enumerate().filter(|(_, is_taken)| *is_taken) {
                let taken = mem::replace(&mut heads[side], leaves[side].next().transpose()?);
                if taken.is_some_and(|(key, value)| meter.count(&key, &value).is_break()) {
                    return Ok(Vec::new());
                }
            }
        }
        let [first, second] = others;
        Ok(vec![accounts.finish()?, first.finish()?, second.finish()?])
    }
}

type Leaf<'l> = (&'l [u8], &'l [u8]);

fn borrowed<'l>((key, value): &'l LeafPair<'_>) -> Leaf<'l> {
    (key, value)
}

/// Writes what stands under one address, or under what is none.
fn put(
    accounts: &mut Run<'_>,
    others: &mut [Run<'_>; 2],
    code_hash: Option<Leaf<'_>>,
    nonce: Option<Leaf<'_>>,
) -> Result<(), Error> {
    let is_account = |leaf: &Option<Leaf<'_>>| leaf.is_none_or(|(key, _)| key.len() == ACCOUNT_KEY_BYTES);
    match (code_hash, nonce) {
        _ if !is_account(&code_hash) || !is_account(&nonce) => {
            for (run, (key, value)) in
                others.iter_mut().zip([code_hash, nonce]).filter_map(|(run, leaf)| Some((run, leaf?)))
            {
                run.put(key, value)?;
            }
        }
        (Some(code_hash), Some(nonce)) => accounts.put_account(code_hash, nonce)?,
        (Some((key, value)), None) | (None, Some((key, value))) => accounts.put(key, value)?,
        (None, None) => {}
    }
    Ok(())
}

/// Counts leaves of a piece, and tells the others now and then.
struct Meter<'s> {
    shared: &'s Shared<'s>,
    moved: Moved,
}

impl<'s> Meter<'s> {
    fn new(shared: &'s Shared<'s>) -> Self {
        Self { shared, moved: Moved::default() }
    }

    fn count(&mut self, key: &[u8], value: &[u8]) -> ControlFlow<()> {
        self.moved.keys += 1;
        self.moved.key_bytes += key.len() as u64;
        self.moved.value_bytes += value.len() as u64;
        if self.moved.keys < LOOK_LEAVES {
            return ControlFlow::Continue(());
        }
        self.tell();
        match self.shared.is_stopped.load(atomic::Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn tell(&mut self) {
        let Moved { keys, key_bytes, value_bytes } = std::mem::take(&mut self.moved);
        self.shared.keys.fetch_add(keys, atomic::Ordering::Relaxed);
        self.shared.key_bytes.fetch_add(key_bytes, atomic::Ordering::Relaxed);
        self.shared.value_bytes.fetch_add(value_bytes, atomic::Ordering::Relaxed);
    }
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        self.tell();
    }
}
