//! The logical rows of a range: what a reader of both stores sees, as FlatKV would hold it, heights left out.
//!
//! ```text
//! account   balance 32 | nonce u64 big endian | code hash 32, all zero when there is none
//! code      the code, not empty
//! storage   the slot's value, not all zero
//! misc      the value, may be empty
//! ```
//! Source: spec FORMATS, the logical digest. A row whose fields are all zero or empty is none, on either side. Accounts are
//! joined from two ranges of memiavl's keys and one of FlatKV's rows, whose addresses run in one order.

use std::borrow::Cow;
use std::iter::Peekable;

use boundary::Boundary;
use bytes::Bytes;
use changeset::{Pair, PairIter, Scan, ScanOrder, ScanRange, StoreResult};
use flatkv::{AccountRow, CODE_HASH_PREFIX, EVM, Field, Lane, NONCE_PREFIX};

use crate::View;
use crate::error::Error;

/// Takes a lane, a physical key and a logical value.
pub(super) type Visit<'v> = dyn FnMut(Lane, &[u8], &[u8]) -> Result<(), Error> + 'v;

/// A range of a module's keys: `start` inclusive, `end` exclusive, none for no end. An account counts as its nonce's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: Vec<u8>,
    pub(super) end: Option<Vec<u8>>,
}

impl Range {
    /// The keys that begin with `prefix`.
    pub(super) fn of_prefix(prefix: &[u8]) -> Self {
        Self { start: prefix.to_vec(), end: prefix_end(prefix) }
    }

    /// The one key `key`.
    pub(super) fn of_key(key: &[u8]) -> Self {
        Self { start: key.to_vec(), end: Some([key, &[0]].concat()) }
    }

    fn scan(&self) -> ScanRange {
        ScanRange { start: Some(self.start.clone().into()), end: self.end.clone().map(Bytes::from) }
    }

    /// The part of it in which nonces stand; none if there is no such part.
    fn nonces(&self) -> Option<Self> {
        let whole = Self::of_prefix(&[NONCE_PREFIX]);
        let start = self.start.clone().max(whole.start);
        let end = match (&self.end, whole.end) {
            (Some(end), Some(whole)) => Some(end.clone().min(whole)),
            (end, whole) => end.clone().or(whole),
        };
        end.as_ref().is_none_or(|end| start < *end).then_some(Self { start, end })
    }

    /// The code hashes of the addresses whose nonces stand in it.
    fn code_hashes(&self) -> Self {
        let code_hash = |key: &[u8]| match key {
            [NONCE_PREFIX, address @ ..] => [&[CODE_HASH_PREFIX], address].concat(),
            _ => vec![CODE_HASH_PREFIX + 1],
        };
        Self { start: code_hash(&self.start), end: self.end.as_deref().map(code_hash) }
    }
}

/// The smallest key behind all that begin with `prefix`; none if there is none.
pub(super) fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// Hands the logical rows of `module` in `range` to `visit`: accounts in address order, then the others in key order.
pub(super) fn visit_rows(view: &View, module: &str, range: &Range, visit: &mut Visit<'_>) -> Result<(), Error> {
    let cursor = view.cursor_of(module)?;
    if module == EVM
        && let Some(nonces) = range.nonces()
    {
        visit_accounts(view, &cursor, &nonces, visit)?;
    }
    let mut merged = Merged::new(view, module, &cursor, range)?;
    let mut physical = [module.as_bytes(), b"/"].concat();
    let prefix_bytes = physical.len();
    let mut scratch = Vec::new();
    while let Some((key, value)) = merged.next()? {
        let field = field_of(module, &key, &mut scratch);
        if matches!(field, Field::Nonce | Field::CodeHash) {
            continue;
        }
        check_length(module, &key, field, &value)?;
        let is_nothing = match field {
            Field::Storage => value.iter().all(|byte| *byte == 0),
            Field::Code => value.is_empty(),
            _ => false,
        };
        if !is_nothing {
            physical.truncate(prefix_bytes);
            physical.extend_from_slice(&key);
            visit(field.lane(), &physical, &value)?;
        }
    }
    Ok(())
}

fn field_of(module: &str, key: &[u8], scratch: &mut Vec<u8>) -> Field {
    // The one key without a place is the empty one of module evm, which memiavl may hold all the same.
    flatkv::locate(module, key, scratch).unwrap_or(Field::Misc)
}

fn check_length(module: &str, key: &[u8], field: Field, value: &[u8]) -> Result<(), Error> {
    let expected = match field {
        Field::Storage | Field::CodeHash => 32,
        Field::Nonce => 8,
        Field::Code | Field::Misc => return Ok(()),
    };
    if value.len() == expected {
        return Ok(());
    }
    Err(Error::ValueLength { module: module.to_owned(), key: key.to_vec(), expected, got: value.len() })
}

/// Joins an account's code hash and nonce, each from the side where it counts, with its row in FlatKV.
fn visit_accounts(view: &View, cursor: &Boundary, nonces: &Range, visit: &mut Visit<'_>) -> Result<(), Error> {
    let of_old = |range: &Range, field| view.old().map(|old| Leaves::new(old, range, field)).transpose();
    let mut old_nonces = of_old(nonces, Field::Nonce)?;
    let mut old_code_hashes = of_old(&nonces.code_hashes(), Field::CodeHash)?;
    let rows = view.new_store().map(|new| new.accounts(&nonces.start, nonces.end.as_deref()));
    let mut rows = rows.into_iter().flatten().peekable();
    loop {
        let nonce_head = old_nonces.as_mut().map(Leaves::head).transpose()?.flatten();
        let code_hash_head = old_code_hashes.as_mut().map(Leaves::head).transpose()?.flatten();
        if rows.peek().is_some_and(Result::is_err) {
            rows.next().transpose()?;
        }
        let row_head = rows.peek().and_then(|row| row.as_ref().ok()).map(|(key, _)| key[1..].to_vec());
        let heads = [nonce_head, code_hash_head, row_head];
        let Some(address) = heads.iter().flatten().min().cloned() else { return Ok(()) };
        let row = match &heads[2] {
            Some(head) if *head == address => rows.next().transpose()?.map(|(_, row)| row).unwrap_or_default(),
            _ => AccountRow::default(),
        };
        let take = |leaves: &mut Option<Leaves<'_>>, at: usize| match leaves {
            Some(leaves) if heads[at].as_ref() == Some(&address) => leaves.take(),
            _ => Ok(None),
        };
        let (nonce, code_hash) = (take(&mut old_nonces, 0)?, take(&mut old_code_hashes, 1)?);
        let counts = |prefix: u8| !cursor.is_migrated(EVM, &[&[prefix], address.as_slice()].concat());
        let nonce = nonce.filter(|_| counts(NONCE_PREFIX));
        let code_hash = code_hash.filter(|_| counts(CODE_HASH_PREFIX));
        let nonce = nonce.map_or(row.nonce.to_be_bytes().to_vec(), |value| value.to_vec());
        let code_hash = code_hash.map_or(row.code_hash.to_vec(), |value| value.to_vec());
        let value = [&row.balance[..], &nonce, &code_hash].concat();
        if value.iter().any(|byte| *byte != 0) {
            visit(Lane::Account, &[b"evm/".as_slice(), &[NONCE_PREFIX], &address].concat(), &value)?;
        }
    }
}

/// memiavl's leaves of one field of accounts, by address.
struct Leaves<'a> {
    pairs: Peekable<PairIter<'a>>,
    field: Field,
    scratch: Vec<u8>,
}

impl<'a> Leaves<'a> {
    fn new(old: &'a memiavl::View, range: &Range, field: Field) -> Result<Self, Error> {
        let pairs = old.scan(EVM, &range.scan(), ScanOrder::Ascending).map_err(old_error)?;
        Ok(Self { pairs: pairs.peekable(), field, scratch: Vec::new() })
    }

    /// The address of the next leaf; leaves whose keys have another length are none of an account.
    fn head(&mut self) -> Result<Option<Vec<u8>>, Error> {
        loop {
            match self.pairs.peek() {
                None => return Ok(None),
                Some(Ok((key, _))) if field_of(EVM, key, &mut self.scratch) == self.field => {
                    return Ok(Some(key[1..].to_vec()));
                }
                Some(_) => self.pairs.next().transpose().map_err(old_error)?,
            };
        }
    }

    fn take(&mut self) -> Result<Option<Bytes>, Error> {
        let Some((key, value)) = self.pairs.next().transpose().map_err(old_error)? else { return Ok(None) };
        check_length(EVM, &key, self.field, &value)?;
        Ok(Some(value))
    }
}

/// The pairs of both stores in key order, each from the side where it counts.
struct Merged<'a> {
    module: &'a str,
    cursor: &'a Boundary,
    old: Option<Peekable<PairIter<'a>>>,
    new: Option<Peekable<PairIter<'a>>>,
}

impl<'a> Merged<'a> {
    fn new(view: &'a View, module: &'a str, cursor: &'a Boundary, range: &Range) -> Result<Self, Error> {
        let (range, order) = (range.scan(), ScanOrder::Ascending);
        let old = view.old().map(|old| old.scan(module, &range, order)).transpose().map_err(old_error)?;
        let new = view.new_store().map(|new| new.scan(module, &range, order)).transpose().map_err(new_error)?;
        Ok(Self { module, cursor, old: old.map(Iterator::peekable), new: new.map(Iterator::peekable) })
    }

    fn next(&mut self) -> Result<Option<Pair>, Error> {
        loop {
            let (old, new) = (head(&mut self.old), head(&mut self.new));
            let takes_old = match (&old, &new) {
                (None, None) => return Ok(None),
                (Some(old), Some(new)) => old <= new,
                (old, _) => old.is_some(),
            };
            if !takes_old {
                return take(&mut self.new).map_err(new_error);
            }
            let Some((key, value)) = take(&mut self.old).map_err(old_error)? else { continue };
            // What has moved is read in FlatKV alone: a leaf that is still there is nobody's.
            if self.cursor.is_migrated(self.module, &key) {
                continue;
            }
            if new.is_some_and(|new| new == key) {
                take(&mut self.new).map_err(new_error)?;
            }
            return Ok(Some((key, value)));
        }
    }
}

/// The next key of a side. An error stands before all keys, so that it is taken next.
fn head(side: &mut Option<Peekable<PairIter<'_>>>) -> Option<Bytes> {
    match side.as_mut()?.peek()? {
        Ok((key, _)) => Some(key.clone()),
        Err(_) => Some(Bytes::new()),
    }
}

fn take(side: &mut Option<Peekable<PairIter<'_>>>) -> StoreResult<Option<Pair>> {
    side.as_mut().and_then(Iterator::next).transpose()
}

/// The first key of `module` in `range` that either store holds, whichever counts.
pub(super) fn first_key(view: &View, module: &str, range: &Range) -> Result<Option<Bytes>, Error> {
    let all = Cow::Borrowed(&Boundary::NotStarted);
    let mut merged = Merged::new(view, module, &all, range)?;
    Ok(merged.next()?.map(|(key, _)| key))
}

fn old_error(source: changeset::StoreError) -> Error {
    migrate_core::Error::Old { action: "scanning", source }.into()
}

fn new_error(source: changeset::StoreError) -> Error {
    migrate_core::Error::New { action: "scanning", source }.into()
}
