//! Where a key stands among the leaves: a search that reads few of them.
//!
//! Leaves are fixed records, but their keys lie elsewhere, so each probe costs two or three memory accesses at random places;
//! that, and not comparing, is what a lookup takes. So the keys of every 64th leaf are remembered in short, 8 bytes each, as
//! searches come upon them, and these landmarks lead to 64 leaves. Among those the next probe is put where the key would
//! stand if keys were spread evenly, which hashed keys are; where that does not bring the ends together, in the middle.

use std::cmp::Ordering;
use std::sync::OnceLock;
use std::sync::atomic::{self, AtomicU32, AtomicU64};

use crate::error::Error;
use crate::node::LeafId;
use crate::records::Records;
use crate::tree::TreeSnapshot;

/// Leaves from one landmark to the next: an eighth of a byte of memory per leaf.
const STRIDE: u32 = 64;

/// Places that are remembered for who asks again: many times a block's written keys, and half a page of memory.
const RECENT: usize = 1 << 12;

/// The landmarks of an open tree; made when the first key is searched.
#[derive(Debug, Default)]
pub(crate) struct Landmarks(OnceLock<Known>);

#[derive(Debug)]
struct Known {
    /// What the first and the last key, and so all keys, begin with.
    prefix: Box<[u8]>,
    /// The eight bytes behind the prefix, of every 64th leaf's key; 0 where no search has been.
    heads: Box<[AtomicU64]>,
    /// Where keys were found, by what they begin and end with. A hint: whoever follows it compares the key there.
    recent: OnceLock<Box<[AtomicU32]>>,
}

impl<B: AsRef<[u8]>> TreeSnapshot<B> {
    /// The place of the leaf that has `key`, or as an error the place of the first one behind it.
    ///
    /// # Errors
    /// A damaged leaf on the way.
    pub fn search(&self, key: &[u8]) -> Result<Result<u32, u32>, Error> {
        self.start_search(key)?.map_or_else(|outside| Ok(Err(outside)), |search| search.run())
    }

    /// As [`search`](Self::search), for a key that will be searched again soon: where it was found is remembered.
    ///
    /// # Errors
    /// A damaged leaf on the way.
    pub fn search_again(&self, key: &[u8]) -> Result<Result<u32, u32>, Error> {
        self.start_search(key)?.map_or_else(|outside| Ok(Err(outside)), |search| search.run_by_memory())
    }

    /// A search among the leaves, or the place of a key that does not begin as all of them do.
    fn start_search<'a>(&'a self, key: &'a [u8]) -> Result<Result<Search<'a>, u32>, Error> {
        let records = self.records();
        let count = records.leaf_count();
        if count == 0 {
            return Ok(Err(0));
        }
        let known = match self.landmarks.0.get() {
            Some(known) => known,
            None => {
                let made = Known::new(&records)?;
                self.landmarks.0.get_or_init(|| made)
            }
        };
        let Some(rest) = key.strip_prefix(&*known.prefix) else {
            return Ok(Err(if *key < *known.prefix { 0 } else { count }));
        };
        Ok(Ok(Search { records, known, key, head: key_head(rest) }))
    }
}

impl Known {
    fn new(records: &Records<'_>) -> Result<Self, Error> {
        let count = records.leaf_count();
        let (first, last) = (records.key(LeafId(0))?, records.key(LeafId(count.saturating_sub(1)))?);
        let common = first.iter().zip(last).take_while(|(a, b)| a == b).count();
        let heads = (0..count.div_ceil(STRIDE)).map(|_| AtomicU64::new(0)).collect();
        Ok(Self { prefix: first[..common].into(), heads, recent: OnceLock::new() })
    }

    /// The eight bytes of `key` that landmarks are told apart by. Keys of an intact tree begin with the prefix.
    fn head_of(&self, key: &[u8]) -> u64 {
        key_head(key.get(self.prefix.len()..).unwrap_or_default())
    }

    fn landmark(&self, at: u32) -> Option<&AtomicU64> {
        self.heads.get(usize::try_from(at).ok()?)
    }
}

/// The first eight bytes of a key as a number, zeros behind the end: it never falls as keys rise, and tells most of them apart.
pub fn key_head(key: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let length = key.len().min(8);
    bytes[..length].copy_from_slice(&key[..length]);
    u64::from_be_bytes(bytes)
}

/// A leaf on one side of the key.
#[derive(Clone, Copy)]
struct End {
    index: u32,
    head: u64,
}

struct Search<'a> {
    records: Records<'a>,
    known: &'a Known,
    key: &'a [u8],
    head: u64,
}

impl Search<'_> {
    fn run_by_memory(&self) -> Result<Result<u32, u32>, Error> {
        let recent = self.known.recent.get_or_init(|| (0..RECENT).map(|_| AtomicU32::new(u32::MAX)).collect());
        let last = self.key.last_chunk().map_or(0, |last| u64::from_be_bytes(*last));
        let mixed = (self.head ^ last.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let Some(slot) = usize::try_from(mixed >> 52).ok().and_then(|at| recent.get(at)) else { return self.run() };
        let hint = slot.load(atomic::Ordering::Relaxed);
        if hint < self.records.leaf_count() && self.records.key(LeafId(hint))? == self.key {
            return Ok(Ok(hint));
        }
        let found = self.run()?;
        if let Ok(index) = found {
            slot.store(index, atomic::Ordering::Relaxed);
        }
        Ok(found)
    }

    fn run(&self) -> Result<Result<u32, u32>, Error> {
        let count = self.records.leaf_count();
        let (mut low, mut high) = (None, End { index: count, head: u64::MAX });
        // Landmarks below `first` are not behind the key, those from `end` on are.
        let (mut first, mut end) = (0, count.div_ceil(STRIDE));
        while first < end {
            let middle = first + (end - first) / 2;
            let (order, landmark) = self.meet(middle)?;
            match order {
                Ordering::Less => (end, high) = (middle, landmark),
                Ordering::Equal => return Ok(Ok(landmark.index)),
                Ordering::Greater => (first, low) = (middle + 1, Some(landmark)),
            }
        }
        match low {
            None => Ok(Err(0)),
            Some(low) => self.between(low, high),
        }
    }

    /// How the key compares with that of landmark `at`.
    fn meet(&self, at: u32) -> Result<(Ordering, End), Error> {
        let index = at.saturating_mul(STRIDE);
        let landmark = self.known.landmark(at);
        let head = landmark.map_or(0, |landmark| landmark.load(atomic::Ordering::Relaxed));
        if head != 0 && head != self.head {
            return Ok((self.head.cmp(&head), End { index, head }));
        }
        let key = self.records.key(LeafId(index))?;
        let head = self.known.head_of(key);
        if let Some(landmark) = landmark {
            // What is mapped does not change: whoever comes here finds the same.
            landmark.store(head, atomic::Ordering::Relaxed);
        }
        Ok((self.key.cmp(key), End { index, head }))
    }

    /// The key's place between two leaves: the key of `low` is less, that of `high` is greater or there is no such leaf.
    fn between(&self, mut low: End, mut high: End) -> Result<Result<u32, u32>, Error> {
        let mut is_even = true;
        while high.index - low.index > 1 {
            let room = high.index - low.index;
            let step = if is_even { self.step(low, high) } else { room / 2 };
            let index = low.index + step.clamp(1, room - 1);
            let key = self.records.key(LeafId(index))?;
            let probe = End { index, head: self.known.head_of(key) };
            match self.key.cmp(key) {
                Ordering::Equal => return Ok(Ok(index)),
                Ordering::Less => high = probe,
                Ordering::Greater => low = probe,
            }
            is_even = !is_even || high.index - low.index <= room / 2;
        }
        Ok(Err(high.index))
    }

    /// How far behind `low` the key stands if keys are spread evenly up to `high`.
    fn step(&self, low: End, high: End) -> u32 {
        let span = high.head.saturating_sub(low.head).max(1) as f64;
        let part = self.head.saturating_sub(low.head) as f64 / span;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the nearest that fits will do")]
        let step = (part * f64::from(high.index - low.index)) as u32;
        step
    }
}
