//! Messages that wait for others of the same length in blocks.

use crate::algorithm::{Algorithm, BLOCK_BYTES, Block, Hash, SIXTEEN};

/// Messages up to so many blocks wait; longer ones are hashed by themselves.
const BLOCKS_MAX: usize = 4;
/// Fewer messages than this are hashed one after the other.
const TOGETHER_MIN: usize = 6;

/// The hashes of many messages, each with a tag to know its hash by.
pub struct Queue<A: Algorithm, T> {
    /// By the messages' number of blocks, from 1 on.
    waiting: [Waiting<T>; BLOCKS_MAX],
    /// None if this processor can hash but one at a time; then none waits.
    together: Option<A::Together>,
}

/// Messages of the same number of blocks, one behind the other.
struct Waiting<T> {
    blocks: Vec<Block>,
    /// The messages' lengths and tags.
    messages: Vec<(usize, T)>,
}

impl<A: Algorithm, T> Default for Queue<A, T> {
    fn default() -> Self {
        let waiting = std::array::from_fn(|_| Waiting { blocks: Vec::new(), messages: Vec::new() });
        Self { waiting, together: A::together() }
    }
}

impl<A: Algorithm, T> Queue<A, T> {
    /// Hashes `parts`, one behind the other, or has them wait. `done` is told the hashes that are known now.
    pub fn push<const N: usize>(&mut self, parts: [&[u8]; N], tag: T, mut done: impl FnMut(T, Hash)) {
        let length = parts.iter().map(|part| part.len()).sum();
        let count = A::blocks(length);
        let waiting = self.together.zip(self.waiting.get_mut(count - 1));
        let Some((together, waiting)) = waiting else {
            return done(tag, A::hash(parts));
        };
        waiting.push::<A, N>(parts, length, count, tag);
        if waiting.messages.len() == SIXTEEN {
            waiting.hash::<A>(together, count, done);
        }
    }

    /// Hashes all that wait.
    pub fn finish(&mut self, mut done: impl FnMut(T, Hash)) {
        let Some(together) = self.together else { return };
        for (waiting, count) in self.waiting.iter_mut().zip(1..) {
            waiting.hash::<A>(together, count, &mut done);
        }
    }
}

impl<T> Waiting<T> {
    fn push<A: Algorithm, const N: usize>(&mut self, parts: [&[u8]; N], length: usize, count: usize, tag: T) {
        if self.blocks.is_empty() {
            self.blocks.resize(count * SIXTEEN, [0; BLOCK_BYTES]);
        }
        let first = count * self.messages.len();
        A::lay_out(parts, length, &mut self.blocks[first..first + count]);
        self.messages.push((length, tag));
    }

    fn hash<A: Algorithm>(&mut self, together: A::Together, count: usize, mut done: impl FnMut(T, Hash)) {
        if self.messages.len() >= TOGETHER_MIN {
            // What stands in the places that are free is of no account, but has a message's length.
            let length = |at: usize| self.messages.get(at).map_or(count * BLOCK_BYTES, |(length, _)| *length);
            let hashes = A::hash_sixteen(together, &self.blocks, count, std::array::from_fn(length));
            self.messages.drain(..).zip(hashes).for_each(|((_, tag), hash)| done(tag, hash));
        } else {
            let laid_out = self.blocks.chunks_exact(count);
            for ((length, tag), message) in self.messages.drain(..).zip(laid_out) {
                done(tag, A::hash_laid_out(message, length));
            }
        }
    }
}
