//! Pseudo-random bytes at any index, the same on every machine. Not for secrets.

/// A stream of pseudo-random words that begins at (seed, domain, index, salt): SplitMix64, whose state is that hash.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mix(u64);

impl Mix {
    pub(super) fn at(seed: u64, domain: u64, index: u64, salt: u64) -> Self {
        let mut state = 0_u64;
        for word in [seed, domain, index, salt] {
            state = finalized(state ^ word).wrapping_add(GOLDEN_GAMMA);
        }
        Self(state)
    }

    pub(super) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN_GAMMA);
        finalized(self.0)
    }

    /// A number below `bound`. The bias is `bound` in 2^64.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.word() % bound }
    }

    pub(super) fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.word().to_be_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

fn finalized(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// A number that looks random and grows with `index`, one of `count`.
pub(super) fn ordered(seed: u64, domain: u64, index: u64, count: u64) -> u64 {
    let stride = u64::MAX / count.max(1);
    index * stride + Mix::at(seed, domain, index, 0).below(stride)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordered_numbers_grow_and_span_the_range() {
        for count in [1, 2, 7, 1000] {
            let numbers: Vec<_> = (0..count).map(|index| ordered(5, 1, index, count)).collect();
            assert!(numbers.is_sorted_by(|a, b| a < b), "count={count}");
        }
        assert!(ordered(5, 1, 999, 1000) > u64::MAX / 1000 * 999);
    }

    #[test]
    fn each_part_of_the_place_changes_the_stream() {
        let first = |seed, domain, index, salt| Mix::at(seed, domain, index, salt).word();
        let base = first(1, 2, 3, 4);
        assert!(
            [first(0, 2, 3, 4), first(1, 0, 3, 4), first(1, 2, 0, 4), first(1, 2, 3, 0)].iter().all(|w| *w != base)
        );
        assert_eq!(first(1, 2, 3, 4), base);
    }
}
