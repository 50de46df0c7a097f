//! Whether a key that the old store has is here too, for keys that come in order.

use rocksdb::{DBRawIterator, ReadOptions};

use crate::error::Result;
use crate::key::{Field, locate};
use crate::options::Family;
use crate::row::AccountRow;
use crate::view::View;

/// Rows stepped over before the walk seeks: a seek costs as much as some dozen steps.
const STEPS_MAX: usize = 16;

/// A forward-only look at one module's rows.
pub struct Presence<'v> {
    view: &'v View,
    module: String,
    /// A walk for each field: a code hash and a nonce lie in one lane, in two passes.
    walks: Vec<(Field, DBRawIterator<'v>)>,
    physical: Vec<u8>,
}

impl View {
    /// Begins a look at the rows of `module`.
    pub fn presence(&self, module: &str) -> Presence<'_> {
        Presence { view: self, module: module.to_owned(), walks: Vec::new(), physical: Vec::new() }
    }
}

impl Presence<'_> {
    /// Whether this store has the module's `key`, which sorts behind those asked for before. Of an account only the field
    /// that the key names counts, and only if it is not zero: its row may stand here for the other one's sake.
    ///
    /// # Errors
    /// I/O and corruption that RocksDB notices. A row that is damaged is told by who reads the rows.
    pub fn has(&mut self, key: &[u8]) -> Result<bool> {
        let Ok(field) = locate(&self.module, key, &mut self.physical) else { return Ok(false) };
        let at = match self.walks.iter().position(|(known, _)| *known == field) {
            Some(at) => at,
            None => {
                let mut options = ReadOptions::default();
                options.fill_cache(false);
                let mut walk = self.view.source().iterator(Family::Rows(field.lane()), options);
                walk.seek(&self.physical);
                self.walks.push((field, walk));
                self.walks.len() - 1
            }
        };
        let walk = &mut self.walks[at].1;
        let wanted = self.physical.as_slice();
        let mut steps = 0;
        while walk.key().is_some_and(|found| found < wanted) {
            steps += 1;
            if steps > STEPS_MAX { walk.seek(wanted) } else { walk.next() }
        }
        let database = self.view.source().database();
        walk.status().map_err(|error| database.error("iterate", error))?;
        let Some((_, row)) = walk.item().filter(|(found, _)| *found == wanted) else { return Ok(false) };
        Ok(match (field, AccountRow::decode(row)) {
            (Field::Nonce, Ok(account)) => account.nonce != 0,
            (Field::CodeHash, Ok(account)) => account.code_hash != [0; 32],
            (Field::Nonce | Field::CodeHash, Err(_)) => false,
            _ => true,
        })
    }
}
