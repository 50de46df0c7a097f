//! Accounts as they are stored, in address order: for whoever joins them with memiavl's leaves, of which an account has two.

use changeset::ScanOrder;
use rocksdb::ReadOptions;

use crate::error::{FlatKvError, Result};
use crate::key::{EVM, SEPARATOR};
use crate::lane::Lane;
use crate::options::Family;
use crate::row::AccountRow;
use crate::scan::Committed;
use crate::view::View;

/// The accounts of a view. An error ends the iteration.
pub struct Accounts<'a> {
    rows: Committed<'a>,
    is_over: bool,
}

impl View {
    /// The accounts whose nonce's key lies in `start..end`, with that key; `end` is none for no end.
    pub fn accounts(&self, start: &[u8], end: Option<&[u8]>) -> Accounts<'_> {
        let physical = |key: &[u8]| [EVM.as_bytes(), &[SEPARATOR], key].concat();
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        options.set_iterate_lower_bound(physical(start));
        if let Some(end) = end {
            options.set_iterate_upper_bound(physical(end));
        }
        let rows = Committed::new(self.source(), Family::Rows(Lane::Account), options, ScanOrder::Ascending);
        Accounts { rows, is_over: false }
    }
}

impl Accounts<'_> {
    fn advance(&mut self) -> Result<Option<(Vec<u8>, AccountRow)>> {
        if !self.rows.advance()? {
            return Ok(None);
        }
        let Some((physical, row)) = self.rows.item() else { return Ok(None) };
        let row = AccountRow::decode(row).map_err(|source| FlatKvError::Row { key: physical.to_vec(), source })?;
        let (_, key) = crate::key::split(Lane::Account, physical)?;
        Ok(Some((key.to_vec(), row)))
    }
}

impl Iterator for Accounts<'_> {
    type Item = Result<(Vec<u8>, AccountRow)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let account = self.advance();
        self.is_over = !matches!(account, Ok(Some(_)));
        account.transpose()
    }
}
