//! A walk over one lane's physical keys: the committed rows, with pending ones laid over them.

use std::collections::btree_map;
use std::iter::Rev;
use std::ops::Bound;

use changeset::ScanOrder;
use rocksdb::{DBRawIterator, ReadOptions};

use crate::block::{Overlay, Pending};
use crate::error::Result;
use crate::key::Key;
use crate::lane::Lane;
use crate::options::Family;
use crate::scan::bounds::Bounds;
use crate::source::{Database, Source};

/// A walk over committed rows. It lends the row that it stands on and allocates nothing.
pub(crate) struct Committed<'a> {
    rows: DBRawIterator<'a>,
    database: &'a Database,
    order: ScanOrder,
    is_started: bool,
}

impl<'a> Committed<'a> {
    /// A walk over a column family with the bounds that `options` carry.
    pub(crate) fn new(source: &'a Source, family: Family, options: ReadOptions, order: ScanOrder) -> Self {
        Self { rows: source.iterator(family, options), database: source.database(), order, is_started: false }
    }

    /// Moves to the next row; false behind the last one. RocksDB reports an error as an iterator that is not valid, so its
    /// status is asked before the end is believed.
    pub(crate) fn advance(&mut self) -> Result<bool> {
        match (self.is_started, self.order) {
            (false, ScanOrder::Ascending) => self.rows.seek_to_first(),
            (false, ScanOrder::Descending) => self.rows.seek_to_last(),
            (true, ScanOrder::Ascending) => self.rows.next(),
            (true, ScanOrder::Descending) => self.rows.prev(),
        }
        self.is_started = true;
        if self.rows.valid() {
            return Ok(true);
        }
        self.rows.status().map_err(|error| self.database.error("iterate", error))?;
        Ok(false)
    }

    /// The key and row that the walk stands on; none before the first and behind the last.
    pub(crate) fn item(&self) -> Option<(&[u8], &[u8])> {
        self.rows.item()
    }
}

/// Pending rows in a range, in either order.
enum PendingRows<'a> {
    Ascending(btree_map::Range<'a, Key, Pending>),
    Descending(Rev<btree_map::Range<'a, Key, Pending>>),
}

impl<'a> Iterator for PendingRows<'a> {
    type Item = (&'a Key, &'a Pending);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Ascending(rows) => rows.next(),
            Self::Descending(rows) => rows.next(),
        }
    }
}

/// Which row a cursor stands on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Before,
    Committed,
    Pending,
    /// On a pending row that stands for the committed one of the same key.
    Both,
}

/// A walk over a lane as the block in work sees it.
pub(crate) struct Cursor<'a> {
    committed: Committed<'a>,
    pending: Option<PendingRows<'a>>,
    head: Option<(&'a Key, &'a Pending)>,
    order: ScanOrder,
    standing: Standing,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(
        source: &'a Source,
        overlay: Option<&'a Overlay>,
        lane: Lane,
        bounds: &Bounds,
        order: ScanOrder,
    ) -> Self {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(bounds.start.as_slice());
        options.set_iterate_upper_bound(bounds.end.as_slice());
        let pending = overlay.map(|overlay| {
            let range = (Bound::Included(bounds.start.as_slice()), Bound::Excluded(bounds.end.as_slice()));
            let rows = overlay[lane].range::<[u8], _>(range);
            match order {
                ScanOrder::Ascending => PendingRows::Ascending(rows),
                ScanOrder::Descending => PendingRows::Descending(rows.rev()),
            }
        });
        let committed = Committed::new(source, Family::Rows(lane), options, order);
        Self { committed, pending, head: None, order, standing: Standing::Before }
    }

    /// Moves to the next live row; false behind the last one.
    pub(crate) fn advance(&mut self) -> Result<bool> {
        loop {
            let standing = self.standing;
            if matches!(standing, Standing::Before | Standing::Committed | Standing::Both) {
                self.committed.advance()?;
            }
            if matches!(standing, Standing::Before | Standing::Pending | Standing::Both) {
                self.head = self.pending.as_mut().and_then(Iterator::next);
            }
            self.standing = match (self.committed.item(), self.head) {
                (None, None) => return Ok(false),
                (Some(_), None) => Standing::Committed,
                (None, Some(_)) => Standing::Pending,
                (Some((committed, _)), Some((pending, _))) => {
                    let ordering = match self.order {
                        ScanOrder::Ascending => committed.cmp(pending),
                        ScanOrder::Descending => committed.cmp(pending).reverse(),
                    };
                    match ordering {
                        std::cmp::Ordering::Less => Standing::Committed,
                        std::cmp::Ordering::Equal => Standing::Both,
                        std::cmp::Ordering::Greater => Standing::Pending,
                    }
                }
            };
            if self.item().is_some() {
                return Ok(true);
            }
        }
    }

    /// The row that the walk stands on; none on a pending delete.
    pub(crate) fn item(&self) -> Option<(&[u8], &[u8])> {
        match self.standing {
            Standing::Before => None,
            Standing::Committed => self.committed.item(),
            Standing::Pending | Standing::Both => {
                self.head.and_then(|(key, pending)| Some((key.as_ref(), pending.now.as_deref()?)))
            }
        }
    }
}
