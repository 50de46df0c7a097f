//! Lists of a home's keys, close together in memory.

use anyhow::{Result, ensure};
use bytes::Bytes;
use ferry::{Node, ScanOrder, ScanRange};
use rand::Rng;

/// Keys with the lengths of their values.
pub(crate) struct KeyList {
    keys: Vec<u8>,
    /// Where each key ends, and how long its value is.
    entries: Vec<(u32, u32)>,
}

impl KeyList {
    /// Every `step`-th key of a module that begins with `prefix`.
    ///
    /// # Errors
    /// None at all, I/O.
    pub(crate) fn read(node: &Node, module: &str, prefix: &[u8], step: usize) -> Result<Self> {
        let view = node.view()?;
        let range = ScanRange { start: Some(Bytes::copy_from_slice(prefix)), end: None };
        let mut list = Self { keys: Vec::new(), entries: Vec::new() };
        for (at, pair) in view.scan(module, &range, ScanOrder::Ascending)?.enumerate() {
            let (key, value) = pair?;
            if !key.starts_with(prefix) {
                break;
            }
            if at % step == 0 {
                list.push(&key, value.len())?;
            }
        }
        ensure!(list.len() > 0, "the home has no such keys: module={module} prefix={prefix:02x?}");
        list.keys.shrink_to_fit();
        list.entries.shrink_to_fit();
        Ok(list)
    }

    fn push(&mut self, key: &[u8], value_bytes: usize) -> Result<()> {
        self.keys.extend_from_slice(key);
        self.entries.push((u32::try_from(self.keys.len())?, u32::try_from(value_bytes)?));
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// A key and the length of its value.
    pub(crate) fn at(&self, at: usize) -> (&[u8], usize) {
        let begin = if at == 0 { 0 } else { self.entries[at - 1].0 as usize };
        let (end, value_bytes) = self.entries[at];
        (&self.keys[begin..end as usize], value_bytes as usize)
    }

    /// The same keys in an order that `random` says.
    pub(crate) fn shuffled(&self, random: &mut impl Rng) -> Result<Self> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, random.random_range(0..=last));
        }
        let keys = Vec::with_capacity(self.keys.len());
        let mut shuffled = Self { keys, entries: Vec::with_capacity(self.len()) };
        for (key, value_bytes) in order.into_iter().map(|at| self.at(at)) {
            shuffled.push(key, value_bytes)?;
        }
        Ok(shuffled)
    }

    /// Memory that the list takes.
    pub(crate) fn bytes(&self) -> u64 {
        (self.keys.capacity() + self.entries.capacity() * size_of::<(u32, u32)>()) as u64
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn keys_come_back_as_they_were_put_and_shuffled_ones_are_the_same() {
        let mut list = KeyList { keys: Vec::new(), entries: Vec::new() };
        let all: Vec<Vec<u8>> = (0..100_u8).map(|number| vec![number; usize::from(number % 7) + 1]).collect();
        all.iter().for_each(|key| list.push(key, key.len() * 2).expect("short keys"));
        let shuffled = list.shuffled(&mut ChaCha8Rng::seed_from_u64(1)).expect("short keys");
        let keys = |list: &KeyList| -> Vec<Vec<u8>> { (0..list.len()).map(|at| list.at(at).0.to_vec()).collect() };
        assert_eq!(keys(&list), all);
        assert_ne!(keys(&shuffled), all);
        let mut sorted = keys(&shuffled);
        sorted.sort();
        assert_eq!(sorted, all);
        assert!((0..100).all(|at| shuffled.at(at).1 == 2 * shuffled.at(at).0.len()));
    }
}
