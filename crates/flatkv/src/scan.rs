//! Scans: a module's rows in the byte order of memiavl's keys, as memiavl would hand them out.
//!
//! A lane is one walk over its column family, with the block's pending rows laid over it. Module `evm` is a merge of five
//! walks, since misc rows interleave with the others and an account's row is two keys far apart: its code hash (08) and
//! its nonce (0a).

mod bounds;
mod cursor;
mod lane;
mod merge;

pub(crate) use cursor::{Committed, Cursor};

use changeset::{PairIter, ScanOrder, ScanRange};

use crate::block::Overlay;
use crate::error::Result;
use crate::key::{EVM, Field, check_module};
use crate::scan::bounds::Bounds;
use crate::scan::lane::LaneScan;
use crate::scan::merge::Merge;
use crate::source::Source;

/// What a module's scan walks: evm has five parts, other modules one.
const EVM_PARTS: [Field; 5] = [Field::Storage, Field::Code, Field::CodeHash, Field::Nonce, Field::Misc];

/// The pairs of `module` in `range`, with `overlay` laid over the committed rows.
pub(crate) fn scan<'a>(
    source: &'a Source,
    overlay: Option<&'a Overlay>,
    module: &str,
    range: &ScanRange,
    order: ScanOrder,
) -> Result<PairIter<'a>> {
    if check_module(module).is_err() {
        return Ok(Box::new(std::iter::empty()));
    }
    let parts: &[Field] = if module == EVM { &EVM_PARTS } else { &[Field::Misc] };
    let mut lanes = Vec::with_capacity(parts.len());
    for field in parts {
        if let Some(bounds) = Bounds::of(module, *field, range) {
            let cursor = Cursor::new(source, overlay, field.lane(), &bounds, order);
            lanes.push(LaneScan::new(cursor, *field, module.len() + 1));
        }
    }
    Ok(Box::new(Merge::new(lanes, order)))
}
