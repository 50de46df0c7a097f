//! The next batch: which keys move, and where the cursor stands then.

use std::ops::ControlFlow;

use boundary::Boundary;
use bytes::Bytes;
use changeset::Walk;

use crate::cancel::CancelToken;
use crate::error::Error;

/// How much one block moves. Every node of a chain must have the same limits: they change the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimit {
    /// Keys; 0 pauses the migration.
    pub keys: u64,
    /// Bytes of keys and values: the pair that reaches them is the batch's last. None for no limit.
    pub bytes: Option<u64>,
}

impl BatchLimit {
    /// A limit in keys alone.
    pub const fn keys(keys: u64) -> Self {
        Self { keys, bytes: None }
    }

    /// Whether the migration moves nothing.
    pub const fn is_paused(&self) -> bool {
        self.keys == 0
    }
}

/// Keys that move in one block.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Module, key, value, in the order of the walk.
    pub(crate) pairs: Vec<(usize, Bytes, Bytes)>,
    pub(crate) key_bytes: u64,
    pub(crate) value_bytes: u64,
    /// Where the cursor stands after the batch.
    pub(crate) boundary: Boundary,
}

/// A batch while it is being taken: keys and values one behind the other in one buffer, which all of them share later. Two
/// allocations for each pair, and two more once they are cloned, would cost more than the walk.
#[derive(Default)]
struct Taken {
    bytes: Vec<u8>,
    /// Module, and the lengths of key and value.
    pairs: Vec<(usize, usize, usize)>,
    key_bytes: u64,
    value_bytes: u64,
}

impl Taken {
    fn is_full(&self, limit: BatchLimit) -> bool {
        // A byte limit always lets one pair through: an empty batch would read as the end of the migration.
        let heavy = limit.bytes.is_some_and(|bytes| self.key_bytes.saturating_add(self.value_bytes) >= bytes);
        self.pairs.len() as u64 >= limit.keys || (heavy && !self.pairs.is_empty())
    }

    fn push(&mut self, module: usize, key: &[u8], value: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        self.pairs.push((module, key.len(), value.len()));
        self.key_bytes += key.len() as u64;
        self.value_bytes += value.len() as u64;
    }

    fn into_batch(self) -> Batch {
        let mut bytes = Bytes::from(self.bytes);
        let pairs = self.pairs.into_iter().map(|(module, key, value)| {
            let key = bytes.split_to(key);
            (module, key, bytes.split_to(value))
        });
        let pairs = pairs.collect();
        Batch { pairs, key_bytes: self.key_bytes, value_bytes: self.value_bytes, boundary: Boundary::default() }
    }
}

/// Takes the next batch: the trees in name order, keys in byte order, strictly after `boundary`, until it is full.
///
/// Complete if the last tree was passed or the batch came out empty; a tree that the batch drained counts as passed.
pub(crate) fn next_batch(
    old: &impl Walk,
    modules: &[String],
    boundary: &Boundary,
    limit: BatchLimit,
    cancel: &CancelToken,
) -> Result<Batch, Error> {
    let mut taken = Taken::default();
    let (first, mut after) = match boundary {
        Boundary::NotStarted => (0, None),
        Boundary::Complete => (modules.len(), None),
        Boundary::InProgress { module, key } => {
            let first = modules.partition_point(|name| name.as_bytes() < module.as_slice());
            let inside = modules.get(first).is_some_and(|name| name.as_bytes() == module.as_slice());
            (first, inside.then_some(key.as_slice()))
        }
    };
    let mut passed = first;
    while passed < modules.len() && !taken.is_full(limit) {
        if !drain(old, modules, passed, after.take(), limit, cancel, &mut taken)? {
            break;
        }
        passed += 1;
    }
    let mut batch = taken.into_batch();
    batch.boundary = match batch.pairs.last() {
        Some((module, key, _)) if passed < modules.len() => Boundary::in_progress(&modules[*module], key),
        _ => Boundary::Complete,
    };
    Ok(batch)
}

/// Takes pairs of one tree until the batch is full; whether nothing of the tree is left.
fn drain(
    old: &impl Walk,
    modules: &[String],
    index: usize,
    after: Option<&[u8]>,
    limit: BatchLimit,
    cancel: &CancelToken,
    taken: &mut Taken,
) -> Result<bool, Error> {
    let module = &modules[index];
    let vanished = || Error::TreeVanished { module: module.clone() };
    old.len(module).map_err(Error::old("looking a tree up"))?.ok_or_else(vanished)?;
    let mut drained = true;
    let mut cancelled = Ok(());
    old.walk(module, after, &mut |key, value| {
        cancelled = cancel.check();
        if cancelled.is_err() {
            return ControlFlow::Break(());
        }
        if taken.is_full(limit) {
            drained = false;
            return ControlFlow::Break(());
        }
        taken.push(index, key, value);
        ControlFlow::Continue(())
    })
    .map_err(Error::old("walking a tree"))?;
    cancelled?;
    Ok(drained)
}
