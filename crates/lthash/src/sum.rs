//! A sum of many rows: what stands before each row's last block is compressed for many rows at once.

use multibuffer::Queue;
use multibuffer::blake3::ChunkFront;

use crate::element::{Element, Last, element};
use crate::kernel::Sign;
use crate::state::LtHash;

/// A sum of rows, as [`LtHash::add`] and [`LtHash::subtract`] make it one by one, in less time.
#[derive(Default)]
pub struct RowSum {
    state: LtHash,
    waiting: Queue<ChunkFront, (Last, Sign)>,
}

impl RowSum {
    /// Adds the row `key`, `value`.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        self.combine(key, value, Sign::Plus);
    }

    /// Takes the row `key`, `value` away.
    pub fn subtract(&mut self, key: &[u8], value: &[u8]) {
        self.combine(key, value, Sign::Minus);
    }

    /// The sum.
    pub fn finish(self) -> LtHash {
        let Self { mut state, mut waiting } = self;
        waiting.finish(|(last, sign): (Last, _), chaining| state.combine_root(&last.after(&chaining), sign));
        state
    }

    fn combine(&mut self, key: &[u8], value: &[u8], sign: Sign) {
        let Self { state, waiting } = self;
        match element(key, value) {
            None => {}
            Some(Element::Root(root)) => state.combine_root(&root, sign),
            Some(Element::Chunk(chunk)) => match chunk.halves() {
                ([], last) => state.combine_root(&last.root(&[]), sign),
                (front, last) => waiting.push([front], (last, sign), |(last, sign), chaining| {
                    state.combine_root(&last.after(&chaining), sign);
                }),
            },
        }
    }
}
