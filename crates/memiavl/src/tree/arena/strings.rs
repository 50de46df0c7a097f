//! Keys and values in lines of their own.
//!
//! ```text
//! word 0-6   bytes of the string: its length as a varint, then the string itself
//! word 7     the place of the next line, 0 in the last one (low half); the epoch that wrote the line (high half)
//! ```
//! So a key of up to 55 bytes takes one line; the EVM's have 53 at most.

use crate::tree::arena::lines::{Lines, Place, WORDS};

/// Words of a line that hold the string.
const TEXT_WORDS: usize = WORDS - 1;
/// The word that leads on.
const NEXT: usize = WORDS - 1;
/// Bytes of a string in one line.
pub(super) const TEXT_BYTES: usize = TEXT_WORDS * size_of::<u64>();

impl Lines {
    /// Hands the string at `place` to `read`.
    pub(crate) fn read_string<T>(&self, place: Place, read: impl FnOnce(&[u8]) -> T) -> T {
        let first = self.text(place);
        let (length, head) = length(&first);
        if let Some(string) = first.get(head..head + length) {
            return read(string);
        }
        let mut string = Vec::with_capacity(length + TEXT_BYTES);
        string.extend_from_slice(&first[head..]);
        let mut line = place;
        while string.len() < length
            && let Some((next, _)) = self.next(line)
        {
            string.extend_from_slice(&self.text(next));
            line = next;
        }
        read(&string[..length])
    }

    /// The lines of the string at `place`, with the epochs that wrote them.
    pub(super) fn string_lines(&self, place: Place) -> impl Iterator<Item = (Place, u32)> {
        let mut ahead = Some(place);
        std::iter::from_fn(move || {
            let place = ahead?;
            let [next, born] = halves(self.word(place, NEXT));
            ahead = Place::numbered(next);
            Some((place, born))
        })
    }

    /// Writes a line of a string.
    pub(super) fn set_string_line(&self, place: Place, text: &[u8; TEXT_BYTES], next: Option<Place>, born: u32) {
        let words: [u64; TEXT_WORDS] = std::array::from_fn(|at| {
            let mut word = [0; size_of::<u64>()];
            word.copy_from_slice(&text[at * size_of::<u64>()..(at + 1) * size_of::<u64>()]);
            u64::from_le_bytes(word)
        });
        self.set_words(place, 0, words);
        self.set_word(place, NEXT, joined([next.map_or(0, Place::number), born]));
    }

    fn text(&self, place: Place) -> [u8; TEXT_BYTES] {
        let mut text = [0; TEXT_BYTES];
        let words: [u64; TEXT_WORDS] = self.words(place, 0);
        for (bytes, word) in text.chunks_exact_mut(size_of::<u64>()).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        text
    }

    fn next(&self, place: Place) -> Option<(Place, u32)> {
        let [next, born] = halves(self.word(place, NEXT));
        Some((Place::numbered(next)?, born))
    }
}

/// How many lines a string of `length` bytes takes.
pub(crate) fn lines_of(length: usize) -> usize {
    (prost::encoding::encoded_len_varint(length as u64) + length).div_ceil(TEXT_BYTES)
}

/// A word as its low and its high half.
#[inline]
pub(crate) fn halves(word: u64) -> [u32; 2] {
    [word as u32, (word >> u32::BITS) as u32]
}

/// The word of a low and a high half.
#[inline]
pub(crate) fn joined([low, high]: [u32; 2]) -> u64 {
    u64::from(low) | u64::from(high) << u32::BITS
}

/// A string's length, and where it begins.
fn length(text: &[u8; TEXT_BYTES]) -> (usize, usize) {
    let mut rest = &text[..];
    // UNWRAP: it was written by the same varint's other half.
    let length = prost::encoding::decode_varint(&mut rest).expect("a length that was written");
    (usize::try_from(length).expect("a length in memory"), TEXT_BYTES - rest.len())
}
