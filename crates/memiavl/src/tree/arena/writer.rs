//! Writing lines for one change: where fresh ones come from, and what becomes of those that the tree has no more.

use std::mem;

use crate::error::Result;
use crate::tree::arena::epoch::{Changes, Epoch};
use crate::tree::arena::lines::{Lines, Place};
use crate::tree::arena::strings::{TEXT_BYTES, lines_of};

/// Writes lines of an open epoch.
pub(crate) struct Writer<'e> {
    epoch: &'e Epoch,
    lot: Vec<Place>,
    changes: Changes,
    /// How many more lines the tree has than before.
    grown: i64,
}

impl<'e> Writer<'e> {
    /// For lines of `epoch`, which must be open.
    pub(crate) fn new(epoch: &'e Epoch) -> Self {
        Self { epoch, lot: Vec::new(), changes: epoch.spares(), grown: 0 }
    }

    /// The lines of all epochs.
    pub(crate) fn lines(&self) -> &'e Lines {
        self.epoch.lines()
    }

    /// The epoch.
    pub(crate) fn epoch(&self) -> &'e Epoch {
        self.epoch
    }

    /// How many more lines the tree has than before.
    pub(crate) fn grown(&self) -> i64 {
        self.grown
    }

    /// Counts what another writer has done.
    pub(crate) fn count(&mut self, grown: i64) {
        self.grown += grown;
    }

    /// A line for the tree. Nobody else has it.
    pub(crate) fn line(&mut self) -> Result<Place> {
        let place = match self.changes.spare() {
            Some(place) => place,
            None => self.new_line()?,
        };
        self.grown += 1;
        Ok(place)
    }

    fn new_line(&mut self) -> Result<Place> {
        if self.lot.is_empty() {
            self.epoch.take_lot(&mut self.lot)?;
        }
        // UNWRAP: a lot has lines.
        let place = self.lot.pop().expect("a lot has lines");
        self.changes.bear(place);
        Ok(place)
    }

    /// The tree has the line at `place` no more, which was written in epoch `born`.
    pub(crate) fn leave(&mut self, place: Place, born: u32) {
        self.changes.leave(place, born, self.epoch.number());
        self.grown -= 1;
    }

    /// A string in lines of its own.
    pub(crate) fn string(&mut self, string: &[u8]) -> Result<Place> {
        let mut text = Vec::with_capacity(lines_of(string.len()) * TEXT_BYTES);
        prost::encoding::encode_varint(string.len() as u64, &mut text);
        text.extend_from_slice(string);
        text.resize(text.len().next_multiple_of(TEXT_BYTES), 0);
        let (chunks, _) = text.as_chunks();
        // From the end, as each line leads to the one behind it.
        let mut next = None;
        for chunk in chunks.iter().rev() {
            let place = self.line()?;
            self.lines().set_string_line(place, chunk, next, self.epoch.number());
            next = Some(place);
        }
        // UNWRAP: its length alone takes a line.
        Ok(next.expect("a string has a line"))
    }

    /// The tree has the string at `place` no more.
    pub(crate) fn leave_string(&mut self, place: Place) {
        for (place, born) in self.epoch.lines().string_lines(place) {
            self.leave(place, born);
        }
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        self.epoch.give_back(&mut self.lot);
        self.epoch.add(mem::take(&mut self.changes));
    }
}
