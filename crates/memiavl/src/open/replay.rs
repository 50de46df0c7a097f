//! Replaying the log. The next entries are read and decoded while the trees take the present ones, and each tree takes those
//! of several blocks at once: what becomes of a tree depends on no other one.

use std::sync::mpsc::{channel, sync_channel};
use std::{iter, mem, thread};

use changeset::{AppHash, ChangelogEntry, SealedEntry};

use crate::changelog::Log;
use crate::error::{Error, Result};
use crate::multitree::Forest;

/// Entries are taken together up to so many bytes, and one more: three such pieces are in memory.
/// The more, the fewer walks down the trees: of 9 MiB in all, pieces of 8, 4, 2 and 1 MiB took 260, 270, 290 and 300 ms.
const PIECE_BYTES: u64 = 8 << 20;
/// Small entries and changes take more memory than their bytes: a change some seventy.
const PIECE_ENTRIES: usize = 256;
const PIECE_PAIRS: usize = 1 << 17;

/// Entries that follow one another.
struct Piece {
    entries: Vec<ChangelogEntry>,
    /// What the seal of the last one holds.
    sealed: Option<AppHash>,
    /// Why there is no entry behind them.
    error: Option<Error>,
}

/// Replays the entries behind `forest`'s version up to that of `until`, and returns the app hash that the last one's seal
/// holds; none if it has none, or there is none. Between two pieces `may_go_on` is asked.
pub(crate) fn replay(
    log: &Log,
    forest: &mut Forest,
    until: u64,
    may_go_on: impl Fn() -> Result<()>,
) -> Result<Option<AppHash>> {
    let (mut sealed, mut next) = (None, forest.next_version());
    if u64::from(forest.version()) >= until {
        return Ok(sealed);
    }
    let mut take = |forest: &mut Forest, piece: &Piece| -> Result<()> {
        forest.replay_all(&piece.entries)?;
        sealed = piece.sealed;
        Ok(())
    };
    let go_on = |piece: Piece| piece.error.map_or(Ok(()), Err).and_then(|()| may_go_on());
    let first = read(log, &mut next, until);
    if next > until {
        take(forest, &first)?;
        go_on(first)?;
        return Ok(sealed);
    }
    thread::scope(|scope| {
        let (pieces, inbox) = sync_channel(1);
        let (spent, spent_inbox) = channel();
        scope.spawn(move || {
            let mut is_whole = true;
            while is_whole && next <= until {
                // Freeing them takes a tenth of what the trees take.
                spent_inbox.try_iter().for_each(drop::<Vec<ChangelogEntry>>);
                let piece = read(log, &mut next, until);
                is_whole = piece.error.is_none();
                if pieces.send(piece).is_err() {
                    // An error is why nobody listens.
                    return;
                }
            }
        });
        iter::once(first).chain(inbox).try_for_each(|mut piece| {
            take(forest, &piece)?;
            // Who does not listen any more has read all there is.
            drop(spent.send(mem::take(&mut piece.entries)));
            go_on(piece)
        })
    })?;
    Ok(sealed)
}

/// Reads entries from version `next` on.
fn read(log: &Log, next: &mut u64, until: u64) -> Piece {
    let mut piece = Piece { entries: Vec::new(), sealed: None, error: None };
    let (mut bytes, mut pairs) = (0, 0);
    while *next <= until && bytes < PIECE_BYTES && pairs < PIECE_PAIRS && piece.entries.len() < PIECE_ENTRIES {
        match log.opened_in_place(*next) {
            Ok(Some((SealedEntry { entry, app_hash }, length))) => {
                pairs += entry.changesets.iter().map(|set| set.pairs().len()).sum::<usize>();
                piece.entries.push(entry);
                piece.sealed = app_hash;
                bytes += length;
            }
            Ok(None) => piece.error = Some(Error::LogGap { path: log.dir().to_owned(), version: *next }),
            Err(error) => piece.error = Some(error.into()),
        }
        if piece.error.is_some() {
            return piece;
        }
        *next += 1;
    }
    piece
}
