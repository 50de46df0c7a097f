//! What moves, in pieces that threads work on side by side: ranges of leaves, such that no two pieces share a row.
//!
//! ```text
//! a module      0 ........................................................ leaves       pieces one behind the other
//! module evm    0 ... code hashes (08) ... nonces (0a) ... leaves
//!                     \______ by address, both ______/                                  an account's row is one piece's
//! ```

use std::ops::Range;

use changeset::Walk;
use flatkv::{CODE_HASH_PREFIX, EVM, NONCE_PREFIX};
use memiavl::View;
use migrate_core::{Mode, Route};

use crate::error::Error;
use crate::import::{Import, MovedModule};

/// Leaves of a piece: enough for a table of a fair size, few enough that no thread is left with a large one at the end.
const PIECE_LEAVES: Range<u64> = 8_192..262_144;
/// Pieces for each thread where there are few leaves.
const PIECES_PER_THREAD: u64 = 16;

/// What an import moves.
pub(super) struct Plan {
    /// Modules with keys to move, in name order.
    pub(super) modules: Vec<MovedModule>,
    pub(super) pieces: Vec<Piece>,
}

/// A part of a module's leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// The leaves with these ranks.
    Leaves { module: String, ranks: Range<u64> },
    /// Code hashes and nonces of the same addresses.
    Accounts { code_hashes: Range<u64>, nonces: Range<u64> },
}

impl Plan {
    /// Keys to move.
    pub(super) fn keys(&self) -> u64 {
        self.modules.iter().map(|module| module.keys).sum()
    }
}

/// Plans the import of what is left of `modules` in memiavl.
pub(super) fn plan(memiavl: &View, import: Import, modules: &[String]) -> Result<Plan, Error> {
    let mut plan = Plan { modules: Vec::new(), pieces: Vec::new() };
    for name in memiavl.modules().map_err(unreadable)? {
        let keys = memiavl.len(&name).map_err(unreadable)?.unwrap_or(0);
        let is_moved = modules.contains(&name) && import.to.route(&name) == Route::New;
        if keys == 0 {
            continue;
        }
        if is_moved {
            plan.modules.push(MovedModule { name, keys });
        } else if import.to == Mode::FlatkvOnly {
            return Err(Error::ImportLeaves { module: name, keys });
        }
    }
    let threads = u64::try_from(import.threads.max(1)).unwrap_or(u64::MAX);
    let leaves = plan.keys() / threads.saturating_mul(PIECES_PER_THREAD);
    let leaves = leaves.clamp(PIECE_LEAVES.start, PIECE_LEAVES.end);
    for module in &plan.modules {
        if module.name == EVM {
            split_evm(memiavl, module.keys, leaves, &mut plan.pieces)?;
        } else {
            split(&module.name, 0..module.keys, leaves, &mut plan.pieces);
        }
    }
    Ok(plan)
}

fn split(module: &str, ranks: Range<u64>, leaves: u64, pieces: &mut Vec<Piece>) {
    let mut start = ranks.start;
    while start < ranks.end {
        let end = ranks.end.min(start.saturating_add(leaves));
        pieces.push(Piece::Leaves { module: module.to_owned(), ranks: start..end });
        start = end;
    }
}

fn split_evm(memiavl: &View, keys: u64, leaves: u64, pieces: &mut Vec<Piece>) -> Result<(), Error> {
    let range = |prefix: u8| Ok::<_, Error>(memiavl.rank(EVM, &[prefix])?..memiavl.rank(EVM, &[prefix + 1])?);
    let (code_hashes, nonces) = (range(CODE_HASH_PREFIX)?, range(NONCE_PREFIX)?);
    split(EVM, 0..code_hashes.start, leaves, pieces);
    split_accounts(memiavl, &code_hashes, &nonces, leaves, pieces)?;
    split(EVM, code_hashes.end..nonces.start, leaves, pieces);
    split(EVM, nonces.end..keys, leaves, pieces);
    Ok(())
}

/// Cuts both ranges at the same addresses: those that cut the longer one evenly.
fn split_accounts(
    memiavl: &View,
    code_hashes: &Range<u64>,
    nonces: &Range<u64>,
    leaves: u64,
    pieces: &mut Vec<Piece>,
) -> Result<(), Error> {
    let length = |range: &Range<u64>| range.end - range.start;
    let longer = if length(nonces) >= length(code_hashes) { nonces } else { code_hashes };
    let (mut start, mut cut) = ((code_hashes.start, nonces.start), longer.start.saturating_add(leaves));
    while cut < longer.end {
        let Some(key) = memiavl.leaves(EVM, cut..cut + 1)?.next().transpose()?.map(|(key, _)| key) else { break };
        let rank = |prefix: u8| memiavl.rank(EVM, &[&[prefix], &key[1..]].concat());
        let end = (rank(CODE_HASH_PREFIX)?, rank(NONCE_PREFIX)?);
        pieces.push(Piece::Accounts { code_hashes: start.0..end.0, nonces: start.1..end.1 });
        (start, cut) = (end, cut.saturating_add(leaves));
    }
    if start != (code_hashes.end, nonces.end) {
        pieces.push(Piece::Accounts { code_hashes: start.0..code_hashes.end, nonces: start.1..nonces.end });
    }
    Ok(())
}

fn unreadable(source: changeset::StoreError) -> Error {
    migrate_core::Error::Old { action: "counting keys", source }.into()
}
