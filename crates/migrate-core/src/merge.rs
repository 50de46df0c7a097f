//! A scan over both stores: the union of their rows, the new store's row counting where both have one.
//!
//! The boundary has no say in it. With one exception this equals point reads: an account's nonce that is still in
//! memiavl while FlatKV has the account's row already (its code hash moved first) reads its true value and scans as
//! FlatKV shows it, zero. The reference does so, hence every node must; it is gone when the migration ends.

use std::cmp::Ordering;
use std::iter::Peekable;

use changeset::{Pair, PairIter, ScanOrder, StoreError, StoreResult};

use crate::error::Error;

/// The merged pairs. After an error nothing follows.
pub struct MergedScan<'a> {
    old: Option<Peekable<PairIter<'a>>>,
    new: Option<Peekable<PairIter<'a>>>,
    order: ScanOrder,
    failed: bool,
}

impl<'a> MergedScan<'a> {
    /// Merges what each store yields in `order`; a store that is not there yields nothing.
    pub fn new(old: Option<PairIter<'a>>, new: Option<PairIter<'a>>, order: ScanOrder) -> Self {
        Self { old: old.map(Iterator::peekable), new: new.map(Iterator::peekable), order, failed: false }
    }

    fn take_old(&mut self) -> Option<Result<Pair, Error>> {
        next(&mut self.old).map(|pair| pair.map_err(Error::old("scanning")))
    }

    fn take_new(&mut self) -> Option<Result<Pair, Error>> {
        next(&mut self.new).map(|pair| pair.map_err(Error::new("scanning")))
    }

    fn step(&mut self) -> Option<Result<Pair, Error>> {
        let ordering = match (peek_key(&mut self.old), peek_key(&mut self.new)) {
            (None, None) => return None,
            // An error comes first, so that no pair hides it.
            (Some(None), _) | (Some(_), None) => return self.take_old(),
            (None, Some(_)) | (_, Some(None)) => return self.take_new(),
            (Some(Some(old)), Some(Some(new))) => match self.order {
                ScanOrder::Ascending => old.cmp(&new),
                ScanOrder::Descending => new.cmp(&old),
            },
        };
        match ordering {
            Ordering::Less => self.take_old(),
            Ordering::Greater => self.take_new(),
            Ordering::Equal => match self.take_old()? {
                Ok(_) => self.take_new(),
                Err(error) => Some(Err(error)),
            },
        }
    }
}

type Side<'a> = Option<Peekable<PairIter<'a>>>;

fn next(side: &mut Side<'_>) -> Option<StoreResult<Pair>> {
    side.as_mut()?.next()
}

/// The next key of a side: none at its end, none inside for an error. The clone is a reference count.
fn peek_key(side: &mut Side<'_>) -> Option<Option<bytes::Bytes>> {
    let item: &Result<Pair, StoreError> = side.as_mut()?.peek()?;
    Some(item.as_ref().ok().map(|(key, _)| key.clone()))
}

impl Iterator for MergedScan<'_> {
    type Item = Result<Pair, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let item = self.step();
        self.failed = matches!(item, Some(Err(_)));
        item
    }
}
