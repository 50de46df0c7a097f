//! Which records of an open tree were compared with their hashes already: a bit each.
//!
//! A migration meets a record many times, on the walk, as a neighbour, and when it goes, and its hash costs more than the
//! rest. What is mapped does not change while it is open, so once is enough. A full check does not ask here.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bits, all clear at first; made when the first is set.
#[derive(Debug)]
pub(crate) struct Checked {
    len: usize,
    words: OnceLock<Box<[AtomicU64]>>,
}

impl Checked {
    /// For `len` records.
    pub(crate) fn new(len: usize) -> Self {
        Self { len, words: OnceLock::new() }
    }

    /// Runs `check` for record `index` unless it has passed before.
    pub(crate) fn once<E>(&self, index: u32, check: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        if !self.has_passed(index) {
            check()?;
            self.pass(index);
        }
        Ok(())
    }

    /// Whether record `index` has passed its check. Bits say nothing of other memory: the mapping was there before any of them.
    pub(crate) fn has_passed(&self, index: u32) -> bool {
        self.word(index).is_some_and(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0)
    }

    /// Record `index` has passed its check.
    pub(crate) fn pass(&self, index: u32) {
        if let Some((word, bit)) = self.word(index) {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// The word with the record's bit; none for a record that is not there, which is checked each time.
    fn word(&self, index: u32) -> Option<(&AtomicU64, u64)> {
        let words = self.words.get_or_init(|| (0..self.len.div_ceil(64)).map(|_| AtomicU64::new(0)).collect());
        // UNWRAP: a 32-bit number.
        let index = usize::try_from(index).expect("a usize of 32 bits or more");
        Some((words.get(index / 64)?, 1 << (index % 64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_passed_is_not_made_again_and_one_that_failed_is() {
        let checked = Checked::new(70);
        let mut made = Vec::new();
        for (index, outcome) in [(69, Ok(())), (69, Err(())), (3, Err(())), (3, Ok(())), (3, Err(())), (4, Ok(()))] {
            let said = checked.once(index, || {
                made.push(index);
                outcome
            });
            assert_eq!(said.is_err(), index == 3 && outcome.is_err() && made.len() == 2, "{index}");
        }
        assert_eq!(made, [69, 3, 3, 4]);
    }

    #[test]
    fn a_record_that_is_not_there_is_always_checked() {
        let checked = Checked::new(1);
        assert_eq!([0, 1].map(|_| checked.once(64, || Err("damaged"))), [Err("damaged"); 2]);
    }
}
