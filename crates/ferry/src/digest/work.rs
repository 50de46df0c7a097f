//! All cores over a module's rows: ranges are cut by key prefixes, so that every node cuts alike whatever it holds.
//!
//! ```text
//! range   the first `depth` bytes of a key; a key that is shorter is a range of its own
//! piece   a range, or a part of it by some more bytes, where there are few ranges: what one thread takes at once
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use flatkv::{CODE_HASH_PREFIX, EVM, Lane, NONCE_PREFIX};

use super::rows::{Range, first_key, prefix_end, visit_rows};
use crate::View;
use crate::error::Error;

/// Rows between two looks at whether to go on.
const LOOK_ROWS: u64 = 1024;
/// Time between two reports of progress.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);
/// Pieces for each thread that are enough for none to be left with a large one at the end.
const PIECES_PER_THREAD: usize = 8;
/// More bytes than these are not looked at in order to find pieces: what is left together then is one thread's.
const PIECE_BYTES_MAX: usize = 24;

/// What is added up over rows.
pub(super) trait Tally: Default + Send {
    fn row(&mut self, lane: Lane, physical: &[u8], value: &[u8]);
    fn merge(&mut self, other: Self);
}

/// What the threads of one module share.
struct Shared<'s> {
    view: &'s View,
    module: &'s str,
    pieces: Vec<Piece>,
    next: AtomicUsize,
    rows: &'s AtomicU64,
    is_stopped: AtomicBool,
}

/// What one thread takes at once.
struct Piece {
    /// The range that it is a part of.
    range: Vec<u8>,
    keys: Range,
}

/// How a module is to be read.
#[derive(Clone, Copy)]
pub(super) struct Cut<'c> {
    /// Only keys that begin with this.
    pub(super) prefix: &'c [u8],
    /// Bytes of a range's name.
    pub(super) depth: usize,
    pub(super) threads: usize,
}

/// Adds up the rows of `module` per range. `look` is called now and then with nothing, and stops the work by breaking;
/// `rows` counts.
pub(super) fn tally<T: Tally>(
    view: &View,
    module: &str,
    cut: Cut<'_>,
    rows: &AtomicU64,
    look: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<BTreeMap<Vec<u8>, T>, Error> {
    let pieces = pieces(view, module, cut)?;
    let threads = cut.threads.clamp(1, pieces.len().max(1));
    let shared = Shared { view, module, pieces, next: AtomicUsize::new(0), rows, is_stopped: AtomicBool::new(false) };
    thread::scope(|scope| {
        let (sender, results) = channel::<Result<(usize, T), Error>>();
        let shared = &shared;
        let workers: Vec<_> =
            (0..threads).map(|_| sender.clone()).map(|sender| scope.spawn(move || shared.work(&sender))).collect();
        drop(sender);
        let (mut sums, mut outcome) = (BTreeMap::<Vec<u8>, T>::new(), Ok(()));
        loop {
            match results.recv_timeout(REPORT_INTERVAL) {
                Ok(Ok((piece, sum))) => sums.entry(shared.pieces[piece].range.clone()).or_default().merge(sum),
                Ok(Err(error)) => {
                    shared.is_stopped.store(true, Ordering::Relaxed);
                    outcome = outcome.and(Err(error));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if outcome.is_ok() && look().is_break() {
                shared.is_stopped.store(true, Ordering::Relaxed);
                outcome = Err(migrate_core::Error::Cancelled.into());
            }
        }
        let panicked = workers.into_iter().filter_map(|worker| worker.join().err()).count();
        outcome?;
        if panicked > 0 { Err(Error::ReaderPanicked) } else { Ok(sums) }
    })
}

impl Shared<'_> {
    fn work<T: Tally>(&self, results: &Sender<Result<(usize, T), Error>>) {
        loop {
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(piece) = self.pieces.get(at) else { return };
            let sum = self.sum(piece);
            let is_over = sum.is_err();
            // Whoever listens waits until all senders are gone.
            if results.send(sum.map(|sum| (at, sum))).is_err() || is_over {
                return;
            }
        }
    }

    fn sum<T: Tally>(&self, piece: &Piece) -> Result<T, Error> {
        let (mut sum, mut unsaid) = (T::default(), 0);
        visit_rows(self.view, self.module, &piece.keys, &mut |lane, physical, value| {
            sum.row(lane, physical, value);
            unsaid += 1;
            if unsaid == LOOK_ROWS {
                self.rows.fetch_add(unsaid, Ordering::Relaxed);
                unsaid = 0;
                if self.is_stopped.load(Ordering::Relaxed) {
                    return Err(migrate_core::Error::Cancelled.into());
                }
            }
            Ok(())
        })?;
        self.rows.fetch_add(unsaid, Ordering::Relaxed);
        Ok(sum)
    }
}

/// Cuts a module into its ranges, and those into parts as long as there are too few for the threads.
fn pieces(view: &View, module: &str, cut: Cut<'_>) -> Result<Vec<Piece>, Error> {
    let mut depth = cut.depth.max(cut.prefix.len() + 1);
    let deepest = depth + PIECE_BYTES_MAX;
    let mut names = prefixes(view, module, cut.prefix, depth)?;
    while !names.is_empty() && names.len() < PIECES_PER_THREAD * cut.threads && depth < deepest && cut.threads > 1 {
        depth += 1;
        names = prefixes(view, module, cut.prefix, depth)?;
    }
    let piece = |name: Vec<u8>| {
        let keys = if name.len() < depth { Range::of_key(&name) } else { Range::of_prefix(&name) };
        Piece { range: name[..name.len().min(cut.depth)].to_vec(), keys }
    };
    Ok(names.into_iter().map(piece).collect())
}

/// The first `depth` bytes of the keys that begin with `prefix`, each once. A code hash counts as its account's nonce.
fn prefixes(view: &View, module: &str, prefix: &[u8], depth: usize) -> Result<BTreeSet<Vec<u8>>, Error> {
    let mut found = BTreeSet::new();
    collect(view, module, prefix, depth, &mut |name| {
        found.insert(name.to_vec());
        if let (EVM, [CODE_HASH_PREFIX, address @ ..]) = (module, name) {
            found.insert([&[NONCE_PREFIX], address].concat());
        }
    })?;
    if let (EVM, [NONCE_PREFIX, address @ ..]) = (module, prefix) {
        let code_hashes = [&[CODE_HASH_PREFIX], address].concat();
        collect(view, module, &code_hashes, depth, &mut |name| {
            found.insert([&[NONCE_PREFIX], &name[1..]].concat());
        })?;
    }
    Ok(found)
}

fn collect(view: &View, module: &str, prefix: &[u8], depth: usize, found: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
    let mut rest = Range::of_prefix(prefix);
    while let Some(key) = first_key(view, module, &rest)? {
        let name = &key[..key.len().min(depth)];
        found(name);
        rest.start = match key.len() < depth {
            true => [&key, &[0][..]].concat(),
            false => match prefix_end(name) {
                Some(next) => next,
                None => return Ok(()),
            },
        };
        if rest.end.as_ref().is_some_and(|end| rest.start >= *end) {
            return Ok(());
        }
    }
    Ok(())
}
