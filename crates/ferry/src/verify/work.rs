//! Pieces of the work, taken by all cores; what they find is told as it is found.

use std::cell::Cell;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use flatkv::{FlatKvError, Lane, PartDifference, RowMend, RowRange, Search, Tally};
use memiavl_iter::{Fault, TreeSnapshot};
use migrate_core::Route;

use super::finding::{Finding, FindingKind, words};
use super::subject::Subject;
use crate::error::Error;

/// Records of a tree, or keys, that one thread takes at once.
const PIECE_RECORDS: u32 = 1 << 18;
/// Findings on their way; a thread that finds more waits, so they take no memory.
const FINDINGS_WAITING: usize = 1024;
/// Keys between two looks at whether to go on.
const LOOK_KEYS: u64 = 1024;
/// Time between two reports of progress.
const REPORT_INTERVAL: Duration = Duration::from_millis(100);

/// What one thread takes at once.
pub(super) enum Piece<'p> {
    /// Rows to add up.
    Rows(RowRange),
    /// Leaves of a snapshot's tree.
    Leaves(String, Arc<TreeSnapshot>, Range<u32>),
    /// Branches of a snapshot's tree.
    Branches(String, Arc<TreeSnapshot>, Range<u32>),
    /// Keys of memiavl by rank, to look for in FlatKV and to compare with the boundary.
    Across(String, Range<u64>),
    /// Rows to search for what makes up a difference.
    Search(&'p Search<'p>, &'p PartDifference, RowRange),
}

/// What all pieces came to.
#[derive(Default)]
pub(super) struct Worked {
    pub(super) tally: Tally,
    /// What the searches found, proven.
    pub(super) mends: Vec<RowMend>,
    /// Whether it was stopped before the end.
    pub(super) is_stopped: bool,
}

/// What is heard of a piece.
pub(super) enum Heard {
    /// Something is wrong.
    Found(Finding),
    /// It was read to its end.
    Done {
        /// Its records.
        records: u64,
        /// What its rows add up to.
        tally: Tally,
    },
}

enum Message {
    Heard(usize, Heard),
    Mends(Vec<RowMend>),
    Failed(Error),
}

struct Shared<'s> {
    subject: &'s Subject,
    /// Each with its number.
    pieces: Vec<(usize, Piece<'s>)>,
    next: AtomicUsize,
    records: &'s AtomicU64,
    is_stopped: AtomicBool,
}

/// Cuts `count` records into ranges.
pub(super) fn cut(count: u32) -> impl Iterator<Item = Range<u32>> {
    (0..count).step_by(PIECE_RECORDS as usize).map(move |start| start..start.saturating_add(PIECE_RECORDS).min(count))
}

/// Works all pieces. `heard` hears of everything that is wrong, and of each piece that is done, by its number; `progress` of
/// the records read so far.
pub(super) fn work(
    subject: &Subject,
    pieces: Vec<(usize, Piece<'_>)>,
    threads: usize,
    records: &AtomicU64,
    heard: &mut dyn FnMut(usize, &Heard) -> Result<(), Error>,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Worked, Error> {
    let shared = Shared { subject, pieces, next: AtomicUsize::new(0), records, is_stopped: AtomicBool::new(false) };
    thread::scope(|scope| {
        let (sender, messages) = sync_channel(FINDINGS_WAITING);
        let shared = &shared;
        let workers: Vec<_> = (0..threads.clamp(1, shared.pieces.len().max(1)))
            .map(|_| sender.clone())
            .map(|sender| scope.spawn(move || shared.work(&sender)))
            .collect();
        drop(sender);
        let (mut worked, mut outcome) = (Worked::default(), Ok(()));
        loop {
            let heard = match messages.recv_timeout(REPORT_INTERVAL) {
                Ok(Message::Heard(number, message)) => {
                    let heard = heard(number, &message);
                    if let Heard::Done { tally, .. } = message {
                        worked.tally.merge(tally);
                    }
                    heard
                }
                Ok(Message::Mends(mends)) => {
                    worked.mends.extend(mends);
                    Ok(())
                }
                Ok(Message::Failed(error)) => Err(error),
                Err(RecvTimeoutError::Timeout) => Ok(()),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let is_over = heard.is_err();
            outcome = outcome.and(heard);
            if is_over || progress(records.load(Ordering::Relaxed)).is_break() {
                shared.is_stopped.store(true, Ordering::Relaxed);
                worked.is_stopped = true;
            }
        }
        let panicked = workers.into_iter().filter_map(|worker| worker.join().err()).count();
        outcome?;
        if panicked > 0 { Err(Error::ReaderPanicked) } else { Ok(worked) }
    })
}

impl Shared<'_> {
    fn work(&self, messages: &SyncSender<Message>) {
        while let Some((number, piece)) = self.pieces.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let turn = Turn { shared: self, number: *number, messages, records: Cell::new(0) };
            let is_told = match turn.piece(piece) {
                Err(error) => messages.send(Message::Failed(error)),
                // One that was stopped before its end is not done.
                Ok(_) if self.is_stopped.load(Ordering::Relaxed) => return,
                Ok(tally) => {
                    let done = Heard::Done { records: turn.records.get(), tally: tally.unwrap_or_default() };
                    messages.send(Message::Heard(*number, done))
                }
            };
            // Whoever listens does so until all senders are gone.
            if is_told.is_err() || self.is_stopped.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

/// One piece in the hands of a thread.
struct Turn<'t> {
    shared: &'t Shared<'t>,
    number: usize,
    messages: &'t SyncSender<Message>,
    records: Cell<u64>,
}

impl Turn<'_> {
    fn look(&self, records: u64) -> ControlFlow<()> {
        self.records.set(self.records.get() + records);
        self.shared.records.fetch_add(records, Ordering::Relaxed);
        if self.shared.is_stopped.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// A listener that is gone has an error already, and ends everything.
    fn tell(&self, finding: Finding) {
        self.messages.send(Message::Heard(self.number, Heard::Found(finding))).unwrap_or_default();
    }

    /// Works it; what its rows add up to, if it has rows.
    fn piece(&self, piece: &Piece<'_>) -> Result<Option<Tally>, Error> {
        let of_fault = |kind, module: &str, fault: Fault| {
            let key = fault.keys.first().cloned();
            let last = fault.keys.get(1).map(|last| format!(" last_key={}", Hex(last))).unwrap_or_default();
            self.tell(Finding::of_module(kind, module, key, words(&fault.error) + &last));
        };
        let look = &mut |records| self.look(records);
        match piece {
            Piece::Rows(range) => return self.rows(range),
            Piece::Leaves(module, tree, range) => {
                let found = &mut |fault| of_fault(FindingKind::LeafDamaged, module, fault);
                tree.audit_leaves(range.clone(), look, found);
            }
            Piece::Branches(module, tree, range) => {
                let found = &mut |fault| of_fault(FindingKind::BranchDamaged, module, fault);
                tree.audit_branches(range.clone(), look, found);
            }
            Piece::Across(module, ranks) => self.across(module, ranks.clone())?,
            Piece::Search(search, difference, range) => self.search(search, difference, range)?,
        }
        Ok(None)
    }

    fn rows(&self, range: &RowRange) -> Result<Option<Tally>, Error> {
        let Some(flatkv) = &self.shared.subject.flatkv else { return Ok(None) };
        let mut damaged = |error: FlatKvError| {
            let physical = match &error {
                FlatKvError::Row { key, .. } | FlatKvError::RowAhead { key, .. } => key.clone(),
                FlatKvError::Key(flatkv::KeyError::Physical { key, .. }) => key.clone(),
                _ => Vec::new(),
            };
            self.tell(Finding::of_row(FindingKind::RowDamaged, range.lane, &physical, words(&error)));
        };
        match flatkv.tally(range, &mut |rows| self.look(rows), &mut damaged) {
            Err(error) if error.kind() == changeset::StoreErrorKind::Corruption => {
                let key = range.start.clone().unwrap_or_default();
                self.tell(Finding::of_row(FindingKind::Unreadable, range.lane, &key, words(&error)));
                Ok(None)
            }
            tally => Ok(tally?),
        }
    }

    /// Complete and union: a leaf that has moved, a leaf that FlatKV has too.
    fn across(&self, module: &str, ranks: Range<u64>) -> Result<(), Error> {
        let subject = self.shared.subject;
        let (Some(memiavl), Some(mode)) = (&subject.memiavl, subject.mode) else { return Ok(()) };
        let has_moved = |key: &[u8]| match mode.route(module) {
            _ if !subject.modules.iter().any(|known| known == module) => false,
            Route::Old => false,
            Route::Moving => subject.boundary.is_migrated(module, key),
            Route::New => true,
        };
        let mut presence = subject.flatkv.as_ref().map(|flatkv| flatkv.presence(module));
        let (mut rank, mut unsaid) = (ranks.start, 0);
        while rank < ranks.end {
            // The leaves' own check tells what is wrong with one that cannot be read; the walk goes on behind it.
            for leaf in memiavl.plain_leaves(module, rank..ranks.end)? {
                rank += 1;
                unsaid += 1;
                if unsaid == LOOK_KEYS {
                    if self.look(unsaid).is_break() {
                        return Ok(());
                    }
                    unsaid = 0;
                }
                let Ok((key, _)) = leaf else { break };
                let is_residue = subject.flatkv.is_some() && has_moved(&key);
                let is_twice = presence.as_mut().map(|presence| presence.has(&key)).transpose()?.unwrap_or(false);
                if is_residue {
                    let detail = format!("the key has moved and is still in memiavl: in_flatkv={is_twice}");
                    self.tell(Finding::of_module(FindingKind::Residue, module, Some(key.to_vec()), detail));
                } else if is_twice {
                    let detail = "the key is in memiavl and in FlatKV";
                    self.tell(Finding::of_module(FindingKind::Twice, module, Some(key.to_vec()), detail));
                }
            }
        }
        // The last piece of the work may have been stopped; nothing follows here that would have to know.
        let (ControlFlow::Continue(()) | ControlFlow::Break(())) = self.look(unsaid);
        Ok(())
    }

    fn search(&self, search: &Search<'_>, difference: &PartDifference, range: &RowRange) -> Result<(), Error> {
        let Some(flatkv) = &self.shared.subject.flatkv else { return Ok(()) };
        let Some(mends) = flatkv.search(search, range, &mut |_| self.look(0))? else { return Ok(()) };
        for finding in of_search(difference.report.lane, &mends) {
            self.tell(finding);
        }
        // As in `tell`.
        self.messages.send(Message::Mends(mends)).unwrap_or_default();
        Ok(())
    }
}

/// What the search's finds say.
fn of_search(lane: Lane, mends: &[RowMend]) -> Vec<Finding> {
    let of = |mend: &RowMend| match mend {
        RowMend { key, before: Some(before), after: Some(after), .. } => {
            let detail = format!("one bit was flipped: expected={} got={}", Hex(after), Hex(before));
            Finding::of_row(FindingKind::RowFlipped, lane, key, detail)
        }
        RowMend { key, before: Some(before), after: None, .. } if mends.len() == 1 => {
            let detail = format!("the kept state has no such row: got={}", Hex(before));
            Finding::of_row(FindingKind::RowExtra, lane, key, detail)
        }
        RowMend { key, before, .. } => {
            let detail = match before {
                Some(_) => "the row belongs to a key that differs in one bit",
                None => "the row lies at a key that differs in one bit",
            };
            Finding::of_row(FindingKind::RowFlipped, lane, key, detail)
        }
    };
    mends.iter().map(of).collect()
}

/// What rows that were proposed and proven say.
pub(super) fn of_proposed(mends: &[RowMend]) -> Vec<Finding> {
    let of = |mend: &RowMend| {
        let (kind, detail) = match (&mend.before, &mend.after) {
            (None, Some(after)) => (FindingKind::RowMissing, format!("expected={}", Hex(after))),
            (Some(before), Some(after)) => {
                (FindingKind::RowChanged, format!("expected={} got={}", Hex(after), Hex(before)))
            }
            (before, None) => {
                let before = before.as_deref().unwrap_or_default();
                (FindingKind::RowExtra, format!("the kept state has no such row: got={}", Hex(before)))
            }
        };
        Finding::of_row(kind, mend.lane, &mend.key, detail)
    };
    mends.iter().map(of).collect()
}

struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
