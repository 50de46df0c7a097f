//! Reading what the recorder has written; the format stands at the head of its `log.rs`.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};

/// A recorded operation. Paths are relative to the home.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Create { ino: u64, is_dir: bool, path: String },
    Write { ino: u64, offset: usize, data: Arc<[u8]> },
    Truncate { ino: u64, length: usize },
    Sync { ino: u64, is_dir: bool, thread: u32 },
    FailedSync { ino: u64 },
    Rename { ino: u64, from: String, to: String },
    Unlink { path: String },
    Link { ino: u64, path: String },
    Symlink { ino: u64, path: String, target: String },
    Allocate { ino: u64, end: usize, keeps_size: bool },
    Marker { text: String, thread: u32 },
    Escape(String),
}

impl Op {
    /// Whether it does something to the disk.
    pub(crate) fn is_operation(&self) -> bool {
        !matches!(self, Self::Marker { .. } | Self::Escape(_))
    }

    /// What it does, in one word.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Write { .. } => "write",
            Self::Truncate { .. } => "truncate",
            Self::Sync { .. } => "sync",
            Self::FailedSync { .. } => "failed_sync",
            Self::Rename { .. } => "rename",
            Self::Unlink { .. } => "unlink",
            Self::Link { .. } => "link",
            Self::Symlink { .. } => "symlink",
            Self::Allocate { .. } => "allocate",
            Self::Marker { .. } => "marker",
            Self::Escape(_) => "escape",
        }
    }
}

/// Begins a log with the numbers of the files that are there before the first operation, as markers `at NUMBER PATH`.
pub(crate) fn begin(path: &Path, numbers: &HashMap<String, u64>) -> Result<()> {
    let mut bytes = Vec::new();
    for (file, number) in numbers {
        let text = format!("at {number} {file}");
        bytes.push(10);
        bytes.extend_from_slice(&[0; 4 + 3 * 8 + 2 * 2]);
        bytes.extend_from_slice(&u32::try_from(text.len())?.to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    std::fs::write(path, bytes).with_context(|| format!("cannot begin the recording {}", path.display()))
}

/// The numbers that a log begins with.
pub(crate) fn numbers(ops: &[Op]) -> HashMap<String, u64> {
    let number = |op: &Op| {
        let Op::Marker { text, .. } = op else { return None };
        let (number, path) = text.strip_prefix("at ")?.split_once(' ')?;
        Some((path.to_owned(), number.parse().ok()?))
    };
    ops.iter().map_while(number).collect()
}

/// Reads a whole log.
pub(crate) fn read(path: &Path) -> Result<Vec<Op>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read the recording {}", path.display()))?;
    let mut reader = Reader { rest: &bytes };
    let mut ops = Vec::new();
    while !reader.rest.is_empty() {
        let at = bytes.len() - reader.rest.len();
        ops.push(reader.op().with_context(|| format!("the recording is damaged: offset={at}"))?);
    }
    Ok(ops)
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length).context("it ends in a record")?;
        self.rest = rest;
        Ok(taken)
    }

    fn number(&mut self, length: usize) -> Result<u64> {
        let mut bytes = [0; 8];
        bytes[..length].copy_from_slice(self.take(length)?);
        Ok(u64::from_le_bytes(bytes))
    }

    fn size(&mut self, length: usize) -> Result<usize> {
        Ok(usize::try_from(self.number(length)?)?)
    }

    fn text(&mut self, length: usize) -> Result<String> {
        let length = self.size(length)?;
        Ok(String::from_utf8(self.take(length)?.to_vec())?)
    }

    fn op(&mut self) -> Result<Op> {
        let kind = self.number(1)?;
        let thread = u32::try_from(self.number(4)?)?;
        let ino = self.number(8)?;
        let (a, b) = (self.size(8)?, self.number(8)?);
        let (path, second) = (self.text(2)?, self.text(2)?);
        let length = self.size(4)?;
        let data = self.take(length)?;
        let text = || String::from_utf8_lossy(data).into_owned();
        Ok(match kind {
            1 => Op::Create { ino, is_dir: a == 1, path },
            2 => Op::Write { ino, offset: a, data: data.into() },
            3 => Op::Truncate { ino, length: a },
            4 => Op::Sync { ino, is_dir: a == 1, thread },
            5 => Op::Rename { ino, from: path, to: second },
            6 => Op::Unlink { path },
            7 => Op::Link { ino, path: second },
            8 => Op::Symlink { ino, path, target: text() },
            9 => Op::Allocate { ino, end: a, keeps_size: b == 1 },
            10 => Op::Marker { text: text(), thread },
            11 => Op::Escape(text()),
            12 => Op::FailedSync { ino },
            kind => bail!("no record has kind {kind}"),
        })
    }
}
