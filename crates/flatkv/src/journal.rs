//! The journal: a line per block, as long as a rollback may need its block.
//!
//! ```text
//! u64 big endian height -> JournalLine (protobuf)
//! ```

use changeset::{JournalLine, ScanOrder};
use prost::Message;
use rocksdb::ReadOptions;

use crate::error::{FlatKvError, Result};
use crate::options::Family;
use crate::scan::Committed;
use crate::view::View;

/// The lines of a journal, oldest first. An error ends the iteration.
pub struct Journal<'a> {
    lines: Committed<'a>,
    is_over: bool,
}

impl View {
    /// The line of block `height`; none if it is not kept.
    ///
    /// # Errors
    /// I/O and corruption.
    pub fn journal(&self, height: u64) -> Result<Option<JournalLine>> {
        self.source().get(Family::Journal, &height.to_be_bytes(), decode)
    }

    /// The lines of the blocks from `first` on.
    pub fn journal_from(&self, first: u64) -> Journal<'_> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(first.to_be_bytes());
        let lines = Committed::new(self.source(), Family::Journal, options, ScanOrder::Ascending);
        Journal { lines, is_over: false }
    }
}

pub(crate) fn decode(line: &[u8]) -> Result<JournalLine> {
    JournalLine::decode(line).map_err(|_| FlatKvError::Record { record: "journal", at: 0 })
}

impl Iterator for Journal<'_> {
    type Item = Result<JournalLine>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let line = self.lines.advance().and_then(|_| self.lines.item().map(|(_, line)| decode(line)).transpose());
        self.is_over = !matches!(line, Ok(Some(_)));
        line.transpose()
    }
}
