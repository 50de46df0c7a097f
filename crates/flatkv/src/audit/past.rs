//! What a store keeps of its earlier blocks, record by record: undo records, the journal, the blocks' own records.
//!
//! The last block depends on none of it. What is damaged bounds how far back a rollback can lead.

use std::collections::HashMap;
use std::ops::ControlFlow;

use changeset::ScanOrder;
use rocksdb::ReadOptions;

use crate::audit::search::RowMend;
use crate::audit::tally::Tally;
use crate::error::{FlatKvError, Result};
use crate::journal;
use crate::lane::Lane;
use crate::lattice::Totals;
use crate::meta::{self, StoredBlock};
use crate::options::Family;
use crate::scan::Committed;
use crate::undo;
use crate::view::View;

/// A record of an earlier block that does not decode, or is missing between others.
#[derive(Debug)]
pub struct PastFault {
    /// The lowest block that can be gone back to once the record is given up.
    pub lowest: u64,
    /// What is wrong.
    pub error: FlatKvError,
}

impl View {
    /// Everything that is wrong with what is kept of the blocks before the last one. `look` is called for each record, and
    /// stops the work by breaking; the answer is then none.
    ///
    /// # Errors
    /// I/O and corruption that RocksDB notices.
    pub fn past_faults(&self, look: &mut dyn FnMut() -> ControlFlow<()>) -> Result<Option<Vec<PastFault>>> {
        let Some(span) = self.span() else { return Ok(Some(Vec::new())) };
        let mut faults = Vec::new();
        // An undo record leads back to the block before its own; to stay at a block, its own record and line are read.
        type Read = fn(&[u8]) -> Result<()>;
        let undo: Read = |bytes| undo::decode(bytes).map(|_| ());
        let line: Read = |bytes| journal::decode(bytes).map(|_| ());
        let block: Read = |bytes| StoredBlock::decode(bytes).map(|_| ());
        let blocks = meta::block_key(0).len() - 8;
        for (family, record, prefix, read, past_it) in [
            (Family::Undo, "undo", 0, undo, 0),
            (Family::Journal, "journal", 0, line, 1),
            (Family::Meta, "block", blocks, block, 1),
        ] {
            let mut options = ReadOptions::default();
            if prefix > 0 {
                options.set_iterate_range(meta::block_key(0)..meta::block_key(u64::MAX));
            }
            let mut records = Committed::new(self.source(), family, options, ScanOrder::Ascending);
            let mut before: Option<u64> = None;
            while records.advance()? {
                let Some((key, value)) = records.item() else { break };
                let height = key.get(prefix..).and_then(|height| Some(u64::from_be_bytes(height.try_into().ok()?)));
                let Some(height) = height.filter(|height| *height <= span.last) else { continue };
                if look().is_break() {
                    return Ok(None);
                }
                if let Some(missing) = before.map(|before| before + 1).filter(|next| *next < height) {
                    let error = FlatKvError::Missing { record, height: missing };
                    faults.push(PastFault { lowest: height - 1 + past_it, error });
                }
                before = Some(height);
                // The last block's line and record are no past: what is wrong with them is told elsewhere.
                if let Err(error) = read(value)
                    && (family == Family::Undo || height < span.last)
                {
                    faults.push(PastFault { lowest: height + past_it, error });
                }
            }
        }
        Ok(Some(faults))
    }
}

/// Rows as they would be, by lane and physical key.
type Undone = HashMap<(Lane, Vec<u8>), Option<Vec<u8>>>;

impl View {
    /// The newest earlier block at which rows and kept states agree, once the blocks behind it are undone: a rollback to it
    /// brings back what is wrong now. `tally` is what all rows add up to. None if no undo record that is kept leads to one.
    /// `look` is called for each block, and stops the work by breaking; the answer is then none.
    ///
    /// # Errors
    /// I/O and corruption that RocksDB notices.
    pub fn sound_below(&self, tally: &Tally, look: &mut dyn FnMut() -> ControlFlow<()>) -> Result<Option<u64>> {
        let Some(span) = self.span() else { return Ok(None) };
        let (mut rows, mut states, mut undone) = (tally.clone(), self.lattices().clone(), Undone::new());
        for height in (span.first + 1..=span.last).rev() {
            let record = self.source().get(Family::Undo, &height.to_be_bytes(), |record| Ok(record.to_vec()))?;
            let record = record.as_deref().map(undo::decode);
            let (Some(Ok(record)), true) = (record, look().is_continue()) else { return Ok(None) };
            for row in record.rows {
                let place = (row.lane, row.key.to_vec());
                let before = match undone.get(&place) {
                    Some(row) => row.clone(),
                    None => self.stored_row(row.lane, row.key)?,
                };
                let after = row.row.map(<[u8]>::to_vec);
                if before != after {
                    rows.mend(&[RowMend { lane: row.lane, key: place.1.clone(), before, after: after.clone() }]);
                }
                undone.insert(place, after);
            }
            for (part, entry) in record.entries {
                match entry {
                    Some(entry) => states.insert(part, entry),
                    None => states.remove(&part),
                }
            }
            let computed = rows.lattices();
            let live = states.iter().filter(|(_, entry)| entry.totals != Totals::default() || !entry.hash.is_empty());
            if live.eq(computed.iter()) {
                return Ok(Some(height - 1));
            }
        }
        Ok(None)
    }
}
