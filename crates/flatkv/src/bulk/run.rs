//! A run: pairs of one module in key order, as one thread writes them.

use std::sync::Arc;

use crate::bulk::lane::{LaneRun, LoadedLane};
use crate::bulk::load::BulkLoad;
use crate::error::{FlatKvError, Result};
use crate::key::{EVM, Field, KeyError, NONCE_PREFIX, SEPARATOR, field};
use crate::lane::{Lane, PerLane};
use crate::row::{check, moved_account, moved_row};

/// Pairs of one module in key order, becoming rows.
pub struct Run<'l> {
    load: &'l BulkLoad,
    module: Arc<str>,
    is_evm: bool,
    lanes: PerLane<Option<LaneRun<'l>>>,
    /// The physical key being written; its beginning stays.
    key: Vec<u8>,
    prefix: usize,
    /// The row being written.
    row: Vec<u8>,
}

/// What a run leaves, for [`BulkLoad::finish`].
pub struct Loaded {
    pub(super) lanes: Vec<LoadedLane>,
}

impl<'l> Run<'l> {
    pub(super) fn new(load: &'l BulkLoad, module: &str) -> Self {
        let mut key = module.as_bytes().to_vec();
        key.push(SEPARATOR);
        let prefix = key.len();
        let is_evm = module == EVM;
        Self { load, module: module.into(), is_evm, lanes: PerLane::default(), key, prefix, row: Vec::new() }
    }

    /// Writes the pair, whose key sorts behind those before it. Keys of an account's fields go to one row by their
    /// addresses, so a run has nonces or code hashes, or each account's both by [`put_account`](Self::put_account).
    ///
    /// # Errors
    /// A key that no row can have, a value of a wrong length, a row that is there and damaged, keys out of order, I/O.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let field = self.checked(key, value)?;
        match field {
            Field::Nonce | Field::CodeHash => self.account(key, &[(field, value)]),
            Field::Storage | Field::Code | Field::Misc => {
                self.locate(key);
                let is_live = moved_row(field, value, self.load.height, &mut self.row);
                let lane = lane_run(&mut self.lanes, self.load, field.lane(), &self.module);
                lane.put(&self.key, is_live.then_some(self.row.as_slice()))
            }
        }
    }

    /// Writes the row of an account that has both a code hash and a nonce; the address sorts behind those before it.
    ///
    /// # Errors
    /// As [`put`](Self::put); keys that are not an account's.
    pub fn put_account(&mut self, code_hash: (&[u8], &[u8]), nonce: (&[u8], &[u8])) -> Result<()> {
        let fields = [self.checked(code_hash.0, code_hash.1)?, self.checked(nonce.0, nonce.1)?];
        if fields != [Field::CodeHash, Field::Nonce] || code_hash.0[1..] != nonce.0[1..] {
            return Err(KeyError::Physical { lane: Lane::Account, key: code_hash.0.to_vec() }.into());
        }
        self.account(nonce.0, &[(fields[0], code_hash.1), (fields[1], nonce.1)])
    }

    /// Ends the run; its tables are whole.
    ///
    /// # Errors
    /// I/O.
    pub fn finish(self) -> Result<Loaded> {
        let lanes = self.lanes.into_values().flatten().map(LaneRun::finish);
        Ok(Loaded { lanes: lanes.collect::<Result<_>>()? })
    }

    /// What the key names, if the value fits that.
    fn checked(&self, key: &[u8], value: &[u8]) -> Result<Field> {
        let field = field(self.is_evm, key)?;
        check(field, value).map_err(|expected| FlatKvError::ValueLength {
            module: self.module.to_string(),
            key: key.to_vec(),
            expected,
            got: value.len(),
        })?;
        Ok(field)
    }

    fn account(&mut self, key: &[u8], fields: &[(Field, &[u8])]) -> Result<()> {
        self.locate(key);
        self.key[self.prefix] = NONCE_PREFIX;
        let lane = lane_run(&mut self.lanes, self.load, Lane::Account, &self.module);
        let row = moved_account(lane.present(&self.key)?, fields, self.load.height)
            .map_err(|source| FlatKvError::Row { key: self.key.clone(), source })?;
        if row.is_empty() {
            return lane.put(&self.key, None);
        }
        row.encode_to(&mut self.row);
        lane.put(&self.key, Some(&self.row))
    }

    fn locate(&mut self, key: &[u8]) {
        self.key.truncate(self.prefix);
        self.key.extend_from_slice(key);
    }
}

fn lane_run<'r, 'l>(
    lanes: &'r mut PerLane<Option<LaneRun<'l>>>,
    load: &'l BulkLoad,
    lane: Lane,
    module: &Arc<str>,
) -> &'r mut LaneRun<'l> {
    lanes[lane].get_or_insert_with(|| LaneRun::new(load, lane, module))
}
