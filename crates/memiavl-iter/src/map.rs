//! A file mapped into memory, read only; and memory that is mapped for itself.
#![expect(unsafe_code, reason = "what is mapped is the one thing in the workspace that takes unsafe operations")]

use std::alloc::{Layout, handle_alloc_error};
use std::fs::File;
use std::path::Path;
use std::slice;
use std::sync::atomic::AtomicU64;

use crate::error::Error;

/// A file's bytes, mapped read only. An empty file is an empty slice.
#[derive(Debug)]
pub struct Mmap(memmap2::Mmap);

/// How a mapped file is about to be read: a hint to the system, never a change of what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// The system's own reading ahead.
    Normal,
    /// Here and there: no reading ahead.
    Random,
    /// From front to back: reading far ahead.
    Sequential,
    /// All of it, soon.
    WillNeed,
}

impl Mmap {
    /// Maps the file at `path`.
    ///
    /// # Errors
    /// A file that cannot be opened or mapped.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
        // SAFETY: the mapping is read only, and its bytes are only handed out as `&[u8]`, for which they must not change.
        // A snapshot's files never do: every program writes them under a temporary name, renames the finished directory,
        // and later only unlinks it, which leaves mapped pages alone. Someone with the right to truncate a file of the
        // directory by hand could still end the process by a signal; a copy would cost the memory the mapping saves.
        let map = unsafe { memmap2::Mmap::map(&file) };
        map.map(Self).map_err(|source| Error::Io { path: path.to_owned(), source })
    }

    /// Hints at how the file is about to be read. A system that does not take the hint is none the worse.
    pub fn advise(&self, access: Access) {
        let advice = match access {
            Access::Normal => memmap2::Advice::Normal,
            Access::Random => memmap2::Advice::Random,
            Access::Sequential => memmap2::Advice::Sequential,
            Access::WillNeed => memmap2::Advice::WillNeed,
        };
        if !self.0.is_empty() {
            // A hint: a failure changes speed, not results.
            self.0.advise(advice).ok();
        }
    }
}

impl AsRef<[u8]> for Mmap {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Words of memory in a mapping of its own, 0 at first. The system has them back as soon as they are dropped; an allocator
/// keeps what it is given back for whoever asks next, and often too much of it.
#[derive(Debug)]
pub struct MappedWords(memmap2::MmapMut);

impl MappedWords {
    /// `count` words that are 0. No memory is taken before it is written to.
    ///
    /// A system that has no memory left ends the process, as it does when a vector grows.
    pub fn zeroed(count: usize) -> Self {
        let layout = Layout::array::<AtomicU64>(count);
        // UNWRAP: who asks for more words than there are bytes of addresses has a mistake in a constant.
        let layout = layout.expect("a size that can be");
        Self(memmap2::MmapMut::map_anon(layout.size()).unwrap_or_else(|_| handle_alloc_error(layout)))
    }

    /// Asks for them in pages as large as the system has: 2 MiB on Linux, for words that are read here and there.
    pub fn in_large_pages(self) -> Self {
        #[cfg(target_os = "linux")]
        // A hint: a failure changes speed, not results.
        self.0.advise(memmap2::Advice::HugePage).ok();
        self
    }

    /// The words.
    #[inline]
    pub fn words(&self) -> &[AtomicU64] {
        let (first, count) = (self.0.as_ptr().cast::<AtomicU64>(), self.0.len() / size_of::<AtomicU64>());
        // SAFETY: the mapping is a page's multiple, so its first byte has the alignment of a word; it is as long as this says,
        // lives as long as `self`, can be written, and any bytes in it are a word. It is private to this process, and nothing
        // but this hands it out, so it is never seen as anything but atomics.
        unsafe { slice::from_raw_parts(first, count) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn words_are_zero_at_first_and_then_what_was_written() {
        for words in [MappedWords::zeroed(1000), MappedWords::zeroed(1000).in_large_pages()] {
            let all = words.words();
            assert_eq!(all.len(), 1000);
            assert!(all.iter().all(|word| word.load(Ordering::Relaxed) == 0));
            assert_eq!(all.as_ptr().align_offset(64), 0, "begins with a cache line");
            all.iter().zip(1..).for_each(|(word, value)| word.store(value, Ordering::Relaxed));
            assert!(words.words().iter().zip(1..).all(|(word, value)| word.load(Ordering::Relaxed) == value));
        }
    }
}
