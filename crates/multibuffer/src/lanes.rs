//! What a processor does to vectors of words: the hash functions are written once for any width.
//!
//! A loop over plain arrays is what a compiler may turn into vectors; here each instruction is named, since compilers do not
//! always find the one for a rotation.

/// Words of 32 bits side by side, one of each block, and what is done to them.
pub trait Lanes: Copy {
    /// The words.
    type Words: Copy;

    /// The same word in all lanes.
    fn splat(self, word: u32) -> Self::Words;
    /// 0, 1, 2, … in the lanes.
    fn places(self) -> Self::Words;
    /// The sums of the lanes, modulo 2^32.
    fn add(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// The lanes' bits, one or the other.
    fn xor(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// Turns each word right by 16 bits.
    fn turn_right_16(self, words: Self::Words) -> Self::Words;
    /// Turns each word right by 12 bits.
    fn turn_right_12(self, words: Self::Words) -> Self::Words;
    /// Turns each word right by 8 bits.
    fn turn_right_8(self, words: Self::Words) -> Self::Words;
    /// Turns each word right by 7 bits.
    fn turn_right_7(self, words: Self::Words) -> Self::Words;
}

/// One lane, on any processor.
#[derive(Clone, Copy, Debug)]
pub struct One;

impl Lanes for One {
    type Words = u32;

    #[inline(always)]
    fn splat(self, word: u32) -> u32 {
        word
    }

    #[inline(always)]
    fn places(self) -> u32 {
        0
    }

    #[inline(always)]
    fn add(self, a: u32, b: u32) -> u32 {
        a.wrapping_add(b)
    }

    #[inline(always)]
    fn xor(self, a: u32, b: u32) -> u32 {
        a ^ b
    }

    #[inline(always)]
    fn turn_right_16(self, word: u32) -> u32 {
        word.rotate_right(16)
    }

    #[inline(always)]
    fn turn_right_12(self, word: u32) -> u32 {
        word.rotate_right(12)
    }

    #[inline(always)]
    fn turn_right_8(self, word: u32) -> u32 {
        word.rotate_right(8)
    }

    #[inline(always)]
    fn turn_right_7(self, word: u32) -> u32 {
        word.rotate_right(7)
    }
}
