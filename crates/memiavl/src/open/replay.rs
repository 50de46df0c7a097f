//! Replaying the log. The next entries are read and decoded while the trees take the present ones, and each tree takes those
//! of several blocks at once: what becomes of a tree depends on no other one.

use std::sync::mpsc::{channel, sync_channel};
use std::{iter, mem, thread};

use bytes::Bytes;
use changeset::{AppHash, ChangelogEntry, SealedEntry};

use crate::changelog::Log;
use crate::error::{Error, Result};
use crate::multitree::Forest;

/// Entries are taken together up to so many bytes, and one more: three such pieces are in memory. A piece is then some
/// thirty milliseconds' work, against which starting a thread is nothing.
const PIECE_BYTES: u64 = 1 << 20;
/// Small entries take more memory than their bytes.
const PIECE_ENTRIES: usize = 256;

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
    let mut bytes = 0;
    while *next <= until && bytes < PIECE_BYTES && piece.entries.len() < PIECE_ENTRIES {
        match log.opened_in_place(*next) {
            Ok(Some((SealedEntry { entry, app_hash }, length))) => {
                piece.entries.push(with_own_sets(entry));
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

/// The entry with keys and values of its own where the tree keeps them. A leaf that held a slice of the entry would hold all
/// of it, and that of a key which leaves is needed but once.
fn with_own_sets(mut entry: ChangelogEntry) -> ChangelogEntry {
    let pairs = entry.changesets.iter_mut().flat_map(|set| &mut set.changeset.pairs);
    for pair in pairs.filter(|pair| !pair.delete) {
        pair.key = Bytes::copy_from_slice(&pair.key);
        pair.value = Bytes::copy_from_slice(&pair.value);
    }
    entry
}
