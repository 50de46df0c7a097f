//! Which of the operations that were not synced a power cut lets through.
//!
//! ```text
//! none          nothing that was not synced
//! all           all of it: also what the death of the process alone leaves
//! unrenamed     all of it but the renames, and what happened to their names since
//! torn:BYTES    all of it, of the last write only the first BYTES
//! random:SEED   a subset drawn from SEED, in one of the styles below
//! ```
//! A style bends the draw so that each kind of loss is met often, also where many operations are open: an order kept up to
//! some operation; bytes alone; names alone; both; lengths without bytes; single pages.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, bail};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::disk::{DataOp, Disk, Ino, PendingData, PendingName, write_at};

const PAGE_BYTES: usize = 4096;

/// Which unsynced operations are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Survivors {
    None,
    All,
    Unrenamed,
    Torn { bytes: usize },
    Random { seed: u64 },
}

impl fmt::Display for Survivors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::All => f.write_str("all"),
            Self::Unrenamed => f.write_str("unrenamed"),
            Self::Torn { bytes } => write!(f, "torn:{bytes}"),
            Self::Random { seed } => write!(f, "random:{seed}"),
        }
    }
}

impl FromStr for Survivors {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        Ok(match text.split_once(':') {
            None if text == "none" => Self::None,
            None if text == "all" => Self::All,
            None if text == "unrenamed" => Self::Unrenamed,
            Some(("torn", bytes)) => Self::Torn { bytes: bytes.parse().context("bytes of a torn write")? },
            Some(("random", seed)) => Self::Random { seed: seed.parse().context("a seed")? },
            _ => bail!("no such survivors: expected none, all, unrenamed, torn:BYTES, random:SEED, got {text}"),
        })
    }
}

/// How a random subset is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Prefix,
    Bytes,
    Names,
    Both,
    Lengths,
    Pages,
}

const STYLES: [Style; 6] = [Style::Prefix, Style::Bytes, Style::Names, Style::Both, Style::Lengths, Style::Pages];

/// A decision about every operation that is not synced.
pub(crate) struct Choice<'d> {
    disk: &'d Disk,
    survivors: Survivors,
    random: ChaCha8Rng,
    style: Style,
    /// How likely an operation is kept.
    keep: f64,
    /// Where the order ends, in [`Style::Prefix`].
    cut: usize,
}

impl<'d> Choice<'d> {
    pub(crate) fn new(disk: &'d Disk, survivors: Survivors) -> Self {
        let seed = if let Survivors::Random { seed } = survivors { seed } else { 0 };
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let style = STYLES[random.random_range(0..STYLES.len())];
        let keep = [0.1, 0.5, 0.9][random.random_range(0..3)];
        let orders = disk.pending_orders();
        let cut = orders.get(random.random_range(0..orders.len().max(1))).copied().unwrap_or(0);
        Self { disk, survivors, random, style, keep, cut }
    }

    /// The changes of names that happened, in order.
    pub(crate) fn names(&mut self) -> Vec<&'d PendingName> {
        let disk = self.disk;
        let mut lost: Vec<(Ino, &str)> = Vec::new();
        let mut kept = Vec::new();
        for pending in &disk.names {
            let places = || pending.changes.iter().map(|(dir, name, _)| (*dir, name.as_str()));
            // What happened to a name happened in order: behind a change that is lost, all are.
            let blocked = places().any(|place| lost.contains(&place));
            if !blocked && self.keeps_name(pending) {
                kept.push(pending);
            } else {
                lost.extend(places());
            }
        }
        kept
    }

    fn keeps_name(&mut self, pending: &PendingName) -> bool {
        match (self.survivors, self.style) {
            (Survivors::None, _) => false,
            (Survivors::All | Survivors::Torn { .. }, _) => true,
            (Survivors::Unrenamed, _) => !pending.is_rename(),
            (Survivors::Random { .. }, Style::Prefix) => pending.at <= self.cut,
            (Survivors::Random { .. }, Style::Names | Style::Both) => self.random.random_bool(self.keep),
            (Survivors::Random { .. }, Style::Bytes | Style::Lengths | Style::Pages) => true,
        }
    }

    /// As [`bytes`](Self::bytes), for a file of which only a beginning of what was appended can be there.
    pub(crate) fn beginning(&mut self, ino: Ino, durable: &[u8], pending: &[PendingData]) -> Vec<u8> {
        let Survivors::Random { .. } = self.survivors else { return self.bytes(ino, durable, pending) };
        let mut bytes = durable.to_vec();
        let kept = self.random.random_range(0..=pending.len());
        pending[..kept].iter().for_each(|pending| pending.op.apply(&mut bytes));
        if let Some(PendingData { op: op @ DataOp::Write { data, .. }, .. }) = pending.get(kept) {
            op.apply_torn(&mut bytes, self.random.random_range(0..data.len()));
        }
        bytes
    }

    /// A file's bytes, made of what is on disk and what got through of the rest.
    pub(crate) fn bytes(&mut self, ino: Ino, durable: &[u8], pending: &[PendingData]) -> Vec<u8> {
        let mut bytes = durable.to_vec();
        for (index, PendingData { at, op }) in pending.iter().enumerate() {
            match (self.survivors, self.style) {
                (Survivors::None, _) => {}
                (Survivors::Torn { bytes: torn }, _)
                    if self.disk.last_write == Some(ino) && index + 1 == pending.len() =>
                {
                    op.apply_torn(&mut bytes, torn);
                }
                (Survivors::All | Survivors::Unrenamed | Survivors::Torn { .. }, _)
                | (Survivors::Random { .. }, Style::Names) => op.apply(&mut bytes),
                (Survivors::Random { .. }, Style::Prefix) if *at > self.cut => {}
                (Survivors::Random { .. }, Style::Prefix) => op.apply(&mut bytes),
                (Survivors::Random { .. }, Style::Bytes | Style::Both) => {
                    if self.random.random_bool(self.keep) {
                        op.apply(&mut bytes);
                    }
                }
                (Survivors::Random { .. }, Style::Lengths) => match self.random.random_bool(self.keep) {
                    true => op.apply(&mut bytes),
                    false => op.apply_length(&mut bytes),
                },
                (Survivors::Random { .. }, Style::Pages) => {
                    let (random, keep) = (&mut self.random, self.keep);
                    op.apply_pages(&mut bytes, || random.random_bool(keep));
                }
            }
        }
        bytes
    }
}

impl Disk {
    /// The places in the order of all operations of those that are not synced.
    fn pending_orders(&self) -> Vec<usize> {
        let of_file = |body: &crate::disk::Body| match body {
            crate::disk::Body::File { pending, .. } => pending.iter().map(|pending| pending.at).collect(),
            _ => Vec::new(),
        };
        let mut orders: Vec<usize> = self.inodes.values().flat_map(of_file).collect();
        orders.extend(self.names.iter().map(|pending| pending.at));
        orders.sort_unstable();
        orders
    }

    /// Whether anything is not synced.
    pub(crate) fn has_pending(&self) -> bool {
        let open =
            |body: &crate::disk::Body| matches!(body, crate::disk::Body::File { pending, .. } if !pending.is_empty());
        !self.names.is_empty() || self.inodes.values().any(open)
    }

    /// Whether a rename is not synced.
    pub(crate) fn has_pending_rename(&self) -> bool {
        self.names.iter().any(PendingName::is_rename)
    }

    /// The length of the last operation's bytes, if that was a write.
    pub(crate) fn last_write_bytes(&self) -> Option<usize> {
        let Some(crate::disk::Body::File { pending, .. }) = self.inodes.get(&self.last_write?) else { return None };
        match pending.last()? {
            PendingData { op: DataOp::Write { data, .. }, .. } => Some(data.len()),
            _ => None,
        }
    }
}

impl DataOp {
    /// The beginning of a write; all of anything else.
    fn apply_torn(&self, bytes: &mut Vec<u8>, torn: usize) {
        match self {
            Self::Write { offset, data } => write_at(bytes, *offset, &data[..torn.min(data.len())]),
            Self::Length(_) => self.apply(bytes),
        }
    }

    /// The length that the change leads to, without its bytes.
    fn apply_length(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => bytes.resize(bytes.len().max(offset + data.len()), 0),
            Self::Length(_) => self.apply(bytes),
        }
    }

    /// The length, and those pages of the bytes that `keep` says.
    fn apply_pages(&self, bytes: &mut Vec<u8>, mut keep: impl FnMut() -> bool) {
        self.apply_length(bytes);
        let Self::Write { offset, data } = self else { return };
        let mut start = *offset;
        while start < offset + data.len() {
            let end = ((start / PAGE_BYTES + 1) * PAGE_BYTES).min(offset + data.len());
            if keep() {
                write_at(bytes, start, &data[start - offset..end - offset]);
            }
            start = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survivors_are_read_as_they_are_written() {
        for survivors in [
            Survivors::None,
            Survivors::All,
            Survivors::Unrenamed,
            Survivors::Torn { bytes: 4096 },
            Survivors::Random { seed: 17 },
        ] {
            assert_eq!(survivors.to_string().parse::<Survivors>().expect("readable"), survivors);
        }
        assert!("torn".parse::<Survivors>().is_err());
    }

    #[test]
    fn pages_of_one_write_survive_one_by_one() {
        let op = DataOp::Write { offset: 4000, data: vec![1; 5000].into() };
        let mut turn = [false, true, false].into_iter();
        let mut bytes = vec![9; 4096];
        op.apply_pages(&mut bytes, || turn.next().expect("three pages"));
        assert_eq!(bytes.len(), 9000);
        assert!(bytes[..4096].iter().all(|byte| *byte == 9), "the first page is as it was");
        assert!(bytes[4096..8192].iter().all(|byte| *byte == 1));
        assert!(bytes[8192..].iter().all(|byte| *byte == 0), "the last one has its length alone");
    }
}
