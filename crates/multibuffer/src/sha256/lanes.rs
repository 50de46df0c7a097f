//! Sixteen messages at once with AVX-512: a vector has the same word of each.
//!
//! Source: FIPS 180-4, section 6.2.

use pulp::x86::V4;
use pulp::{NullaryFnOnce, cast, u32x16};

use crate::algorithm::{Block, Hash, SIXTEEN};
use crate::avx512::{Sixteen, columns};
use crate::lanes::Lanes;
use crate::sha256::{INITIAL, bytes};

/// Words of a block.
const WORDS: usize = 16;
/// Rounds of a compression.
const ROUNDS: usize = 64;

/// The word of each round: the first 32 bits of the fractional parts of the cube roots of the first 64 primes.
const K: [u32; ROUNDS] = [
    0x428a_2f98,
    0x7137_4491,
    0xb5c0_fbcf,
    0xe9b5_dba5,
    0x3956_c25b,
    0x59f1_11f1,
    0x923f_82a4,
    0xab1c_5ed5,
    0xd807_aa98,
    0x1283_5b01,
    0x2431_85be,
    0x550c_7dc3,
    0x72be_5d74,
    0x80de_b1fe,
    0x9bdc_06a7,
    0xc19b_f174,
    0xe49b_69c1,
    0xefbe_4786,
    0x0fc1_9dc6,
    0x240c_a1cc,
    0x2de9_2c6f,
    0x4a74_84aa,
    0x5cb0_a9dc,
    0x76f9_88da,
    0x983e_5152,
    0xa831_c66d,
    0xb003_27c8,
    0xbf59_7fc7,
    0xc6e0_0bf3,
    0xd5a7_9147,
    0x06ca_6351,
    0x1429_2967,
    0x27b7_0a85,
    0x2e1b_2138,
    0x4d2c_6dfc,
    0x5338_0d13,
    0x650a_7354,
    0x766a_0abb,
    0x81c2_c92e,
    0x9272_2c85,
    0xa2bf_e8a1,
    0xa81a_664b,
    0xc24b_8b70,
    0xc76c_51a3,
    0xd192_e819,
    0xd699_0624,
    0xf40e_3585,
    0x106a_a070,
    0x19a4_c116,
    0x1e37_6c08,
    0x2748_774c,
    0x34b0_bcb5,
    0x391c_0cb3,
    0x4ed8_aa4a,
    0x5b9c_ca4f,
    0x682e_6ff3,
    0x748f_82ee,
    0x78a5_636f,
    0x84c8_7814,
    0x8cc7_0208,
    0x90be_fffa,
    0xa450_6ceb,
    0xbef9_a3f7,
    0xc671_78f2,
];

/// Sixteen messages of `count` blocks each, one behind the other.
pub(crate) struct Hashing<'a> {
    pub(crate) token: V4,
    pub(crate) blocks: &'a [Block],
    pub(crate) count: usize,
}

impl NullaryFnOnce for Hashing<'_> {
    type Output = [Hash; SIXTEEN];

    #[inline(always)]
    fn call(self) -> [Hash; SIXTEEN] {
        let rounds = Rounds { token: self.token, lanes: Sixteen::new(self.token) };
        let mut state = [rounds.lanes.splat(0); 8];
        for (lanes, word) in state.iter_mut().zip(INITIAL) {
            *lanes = rounds.lanes.splat(word);
        }
        for at in 0..self.count {
            let mut words = columns(self.token, self.blocks.iter().skip(at).step_by(self.count));
            for words in &mut words {
                *words = rounds.big_endian(*words);
            }
            rounds.compress(&mut state, words);
        }
        let state: [[u32; SIXTEEN]; 8] = cast(state);
        std::array::from_fn(|lane| bytes(state.map(|word| word[lane])))
    }
}

#[derive(Clone, Copy)]
struct Rounds {
    token: V4,
    lanes: Sixteen,
}

impl Rounds {
    #[inline(always)]
    fn turn<const BITS: i32>(self, words: u32x16) -> u32x16 {
        cast(self.token.avx512f._mm512_ror_epi32::<BITS>(cast(words)))
    }

    #[inline(always)]
    fn shift<const BITS: u32>(self, words: u32x16) -> u32x16 {
        cast(self.token.avx512f._mm512_srli_epi32::<BITS>(cast(words)))
    }

    /// Any function of three bits: bit `4 a + 2 b + c` of `TABLE`.
    #[inline(always)]
    fn of_three<const TABLE: i32>(self, a: u32x16, b: u32x16, c: u32x16) -> u32x16 {
        cast(self.token.avx512f._mm512_ternarylogic_epi32::<TABLE>(cast(a), cast(b), cast(c)))
    }

    #[inline(always)]
    fn xor(self, a: u32x16, b: u32x16, c: u32x16) -> u32x16 {
        self.of_three::<0b1001_0110>(a, b, c)
    }

    /// Words of big-endian bytes.
    #[inline(always)]
    fn big_endian(self, words: u32x16) -> u32x16 {
        const ORDER: [u8; 64] = reversed_words();
        cast(self.token.avx512bw._mm512_shuffle_epi8(cast(words), cast(ORDER)))
    }

    #[inline(always)]
    fn compress(self, state: &mut [u32x16; 8], mut w: [u32x16; WORDS]) {
        let before = *state;
        for (round, k) in K.as_chunks::<WORDS>().0.iter().enumerate() {
            if round > 0 {
                self.extend(&mut w);
            }
            self.rounds(state, &w, k);
        }
        for (word, before) in state.iter_mut().zip(before) {
            *word = self.lanes.add(*word, before);
        }
    }

    /// The next sixteen words of the schedule. Written out, as the rounds are: a loop would keep the words in memory.
    #[inline(always)]
    fn extend(self, w: &mut [u32x16; WORDS]) {
        self.extend_one::<0>(w);
        self.extend_one::<1>(w);
        self.extend_one::<2>(w);
        self.extend_one::<3>(w);
        self.extend_one::<4>(w);
        self.extend_one::<5>(w);
        self.extend_one::<6>(w);
        self.extend_one::<7>(w);
        self.extend_one::<8>(w);
        self.extend_one::<9>(w);
        self.extend_one::<10>(w);
        self.extend_one::<11>(w);
        self.extend_one::<12>(w);
        self.extend_one::<13>(w);
        self.extend_one::<14>(w);
        self.extend_one::<15>(w);
    }

    #[inline(always)]
    fn extend_one<const AT: usize>(self, w: &mut [u32x16; WORDS]) {
        let (fifteen, two) = (w[(AT + 1) % WORDS], w[(AT + 14) % WORDS]);
        let low = self.xor(self.turn::<7>(fifteen), self.turn::<18>(fifteen), self.shift::<3>(fifteen));
        let high = self.xor(self.turn::<17>(two), self.turn::<19>(two), self.shift::<10>(two));
        w[AT] = self.lanes.add(self.lanes.add(w[AT], low), self.lanes.add(w[(AT + 9) % WORDS], high));
    }

    #[inline(always)]
    fn rounds(self, state: &mut [u32x16; 8], w: &[u32x16; WORDS], k: &[u32; WORDS]) {
        self.round::<0>(state, w, k);
        self.round::<1>(state, w, k);
        self.round::<2>(state, w, k);
        self.round::<3>(state, w, k);
        self.round::<4>(state, w, k);
        self.round::<5>(state, w, k);
        self.round::<6>(state, w, k);
        self.round::<7>(state, w, k);
        self.round::<8>(state, w, k);
        self.round::<9>(state, w, k);
        self.round::<10>(state, w, k);
        self.round::<11>(state, w, k);
        self.round::<12>(state, w, k);
        self.round::<13>(state, w, k);
        self.round::<14>(state, w, k);
        self.round::<15>(state, w, k);
    }

    #[inline(always)]
    fn round<const AT: usize>(self, state: &mut [u32x16; 8], w: &[u32x16; WORDS], k: &[u32; WORDS]) {
        // Not the state turns from round to round, but the names of its words.
        let name = |word: usize| (word + 8 - AT % 8) % 8;
        let [a, b, c] = [state[name(0)], state[name(1)], state[name(2)]];
        let [e, f, g] = [state[name(4)], state[name(5)], state[name(6)]];
        let given = self.lanes.add(state[name(7)], self.lanes.add(w[AT], self.lanes.splat(k[AT])));
        let chosen = self.of_three::<0b1100_1010>(e, f, g);
        let high = self.xor(self.turn::<6>(e), self.turn::<11>(e), self.turn::<25>(e));
        let first = self.lanes.add(given, self.lanes.add(chosen, high));
        let most = self.of_three::<0b1110_1000>(a, b, c);
        let low = self.xor(self.turn::<2>(a), self.turn::<13>(a), self.turn::<22>(a));
        state[name(3)] = self.lanes.add(state[name(3)], first);
        state[name(7)] = self.lanes.add(first, self.lanes.add(low, most));
    }
}

/// The order of bytes that turns every word round; the instruction counts within quarters of 16 bytes.
const fn reversed_words() -> [u8; 64] {
    let mut order = [0; 64];
    let mut at = 0;
    while at < 64 {
        #[expect(clippy::cast_possible_truncation, reason = "below 16")]
        let from = ((at % 16) ^ 3) as u8;
        order[at] = from;
        at += 1;
    }
    order
}
