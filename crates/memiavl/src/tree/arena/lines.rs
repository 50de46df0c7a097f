//! Lines of 64 bytes, in chunks that never move.
//!
//! A line is eight words, each read and written as one: so a reader may go through lines while others are written, and no
//! line is ever borrowed. What a line means, and that nobody changes one that others read, is for those above.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use memiavl_iter::MappedWords;

/// Words of a line: a cache line of memory.
pub(crate) const WORDS: usize = 8;
/// Bytes of a line.
pub(crate) const LINE_BYTES: u64 = (WORDS * size_of::<u64>()) as u64;

/// Lines of a chunk, 2 MiB: a large page.
const CHUNK_LINES: usize = 1 << CHUNK_BITS;
const CHUNK_BITS: u32 = 15;
/// Chunks of a group, and groups: together as many lines as a place can number.
const GROUP_CHUNKS: usize = 1 << GROUP_BITS;
const GROUP_BITS: u32 = 7;
const GROUPS: usize = 1 << (u32::BITS - GROUP_BITS - CHUNK_BITS);

/// Where a line lies. The first one is never given, so that 0 can say that there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(u32);

/// Chunks are mapped, so that they begin with a cache line, and the system has them back when a tree goes: what an allocator
/// kept of them was as much as all changed nodes at their most.
type Group = Box<[OnceLock<MappedWords>; GROUP_CHUNKS]>;

/// All lines of a tree.
pub(crate) struct Lines(Box<[OnceLock<Group>; GROUPS]>);

impl Place {
    /// The place with this number; none for 0.
    pub(crate) fn numbered(number: u32) -> Option<Self> {
        (number > 0).then_some(Self(number))
    }

    /// The place's number, above 0.
    pub(crate) fn number(self) -> u32 {
        self.0
    }
}

impl Lines {
    pub(super) fn new() -> Self {
        Self(boxed(OnceLock::new))
    }

    /// Makes the line at `place`, and those of its chunk.
    pub(super) fn make(&self, place: Place) {
        let (group, chunk, _) = split(place);
        let words = || MappedWords::zeroed(CHUNK_LINES * WORDS);
        // Of its first chunk a tree takes the pages that it needs: there are many trees with few changes.
        let is_first = (group, chunk) == (0, 0);
        let make = || if is_first { words() } else { words().in_large_pages() };
        self.0[group].get_or_init(|| boxed(OnceLock::new))[chunk].get_or_init(make);
    }

    /// A word of a line. Those that were written before it are read as they were written, or newer.
    #[inline]
    pub(crate) fn word(&self, place: Place, word: usize) -> u64 {
        self.line(place)[word].load(Ordering::Acquire)
    }

    /// Writes a word of a line, behind those that were written before.
    #[inline]
    pub(crate) fn set_word(&self, place: Place, word: usize, value: u64) {
        self.line(place)[word].store(value, Ordering::Release);
    }

    /// `COUNT` words of a line, from `first` on.
    #[inline]
    pub(crate) fn words<const COUNT: usize>(&self, place: Place, first: usize) -> [u64; COUNT] {
        let line = self.line(place);
        std::array::from_fn(|at| line[first + at].load(Ordering::Acquire))
    }

    /// Writes words of a line, from `first` on.
    #[inline]
    pub(crate) fn set_words<const COUNT: usize>(&self, place: Place, first: usize, words: [u64; COUNT]) {
        let line = self.line(place);
        for (at, word) in words.into_iter().enumerate() {
            line[first + at].store(word, Ordering::Release);
        }
    }

    #[inline]
    fn line(&self, place: Place) -> &[AtomicU64; WORDS] {
        let (group, chunk, line) = split(place);
        let chunk = self.0[group].get().and_then(|group| group[chunk].get());
        // UNWRAP: a place is given out once its line is made, and no line is unmade.
        &chunk.expect("a line that was made").words().as_chunks().0[line]
    }
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}

/// Group, chunk and line of a place.
#[inline]
fn split(place: Place) -> (usize, usize, usize) {
    let place = place.0 as usize;
    (place >> (CHUNK_BITS + GROUP_BITS), (place >> CHUNK_BITS) % GROUP_CHUNKS, place % CHUNK_LINES)
}

fn boxed<T, const COUNT: usize>(make: impl Fn() -> T) -> Box<[T; COUNT]> {
    let all: Box<[T]> = (0..COUNT).map(|_| make()).collect();
    // UNWRAP: as many as were made.
    all.try_into().unwrap_or_else(|_| unreachable!("as many as were made"))
}
