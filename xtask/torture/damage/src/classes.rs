//! Which bytes there are: the class of file or row that a case damages, and the class of bytes in it.

use std::ops::Range;

use crate::case::{Case, Change, Target};

/// Bytes of the seal at the end of an entry that ferry wrote: tag and length, checksum, app hash.
const SEAL_BYTES: usize = 38;
const SEAL_HEADER: [u8; 2] = [0x7a, 0x24];
/// Bytes of a lattice state.
const STATE_BYTES: usize = 2048;
/// Bytes of a record in memiavl's `leaves` and `nodes`.
const RECORD_BYTES: usize = 48;

/// A class of bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Class {
    pub(crate) file: String,
    pub(crate) bytes: String,
}

/// What a case is judged beside.
pub(crate) struct Surroundings<'a> {
    /// The undamaged file, or the undamaged value of the row.
    pub(crate) content: &'a [u8],
    /// The name of the current snapshot.
    pub(crate) current: &'a str,
    /// Where the home stands.
    pub(crate) height: u64,
}

impl Class {
    /// Whether its bytes are many and all alike: a smoke changes each of them in one way, not in three.
    pub(crate) fn is_uniform(&self) -> bool {
        ["hash", "root hash", "entry, no checksum"].contains(&self.bytes.as_str())
    }
}

/// The class of what `case` damages.
pub(crate) fn class(case: &Case, around: &Surroundings<'_>) -> Class {
    match &case.target {
        Target::File(path) => {
            let file = file_class(path, around.current);
            let bytes = match case.change {
                Change::Byte { at, .. } | Change::KeyByte { at, .. } => file_bytes(path, around.content, at),
                // Where a log is cut matters; of every other file it does not.
                Change::Cut { length } if path.contains("/changelog/") => cut_class(around.content, length),
                Change::Cut { .. } => "cut".to_owned(),
                Change::Gone => "gone".to_owned(),
            };
            Class { file, bytes }
        }
        Target::Row { family, key } => {
            let file = row_class(family, key, around.height);
            let bytes = match case.change {
                Change::Byte { at, .. } => row_bytes(family, key, around.content, at).to_owned(),
                Change::KeyByte { .. } => "key".to_owned(),
                Change::Cut { .. } => "cut".to_owned(),
                Change::Gone => "gone".to_owned(),
            };
            Class { file, bytes }
        }
    }
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn file_class(path: &str, current: &str) -> String {
    let name = name(path);
    if path.contains("/flatkv/") {
        let kind = match name.split('-').next().unwrap_or(name) {
            kind @ ("CURRENT" | "IDENTITY" | "MANIFEST" | "OPTIONS" | "LOCK") => kind,
            other if other.ends_with(".log") => "log",
            other if other.ends_with(".sst") => "table",
            _ => "other file",
        };
        return format!("RocksDB {kind}");
    }
    if path.contains("/changelog/") {
        return "changelog".to_owned();
    }
    if path.contains("/snapshot-") {
        let place = if path.contains(&format!("/{current}/")) { "snapshot" } else { "older snapshot" };
        return format!("memiavl {place} {name}");
    }
    format!("memiavl {name}")
}

fn file_bytes(path: &str, content: &[u8], at: usize) -> String {
    let class = match name(path) {
        "metadata" => ["magic", "format", "version"][(at / 4).min(2)],
        "leaves" => match at % RECORD_BYTES {
            0..4 => "version",
            4..8 => "key length",
            8..16 => "kvs offset",
            _ => "hash",
        },
        "nodes" => match at % RECORD_BYTES {
            0 => "height",
            1 => "pre-trees",
            2..4 => "padding",
            4..8 => "version",
            8..12 => "size",
            12..16 => "key leaf",
            _ if at / RECORD_BYTES + 1 == content.len() / RECORD_BYTES => "root hash",
            _ => "hash",
        },
        "kvs" => kvs_bytes(content, at),
        "__metadata" => "commit info",
        "current" => "link",
        _ if path.contains("/changelog/") => changelog_bytes(content, at),
        _ => "any",
    };
    class.to_owned()
}

/// A length as protobuf and the changelog write it, and the bytes that it takes.
pub(crate) fn uvarint(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0_usize;
    for (place, byte) in bytes.iter().take(9).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((value, place + 1));
        }
    }
    None
}

/// The entries of an undamaged segment: where each begins, where behind its length, and where it ends.
pub(crate) fn entries(log: &[u8]) -> Vec<(usize, usize, usize)> {
    let (mut entries, mut at) = (Vec::new(), 0);
    while let Some((length, prefix)) = log.get(at..).and_then(uvarint) {
        entries.push((at, at + prefix, at + prefix + length));
        at += prefix + length;
    }
    entries
}

fn is_sealed(entry: &[u8]) -> bool {
    entry.len() > SEAL_BYTES && entry[entry.len() - SEAL_BYTES..].starts_with(&SEAL_HEADER)
}

fn changelog_bytes(log: &[u8], at: usize) -> &'static str {
    let Some((_, start, end)) = entries(log).into_iter().find(|(begin, _, end)| (*begin..*end).contains(&at)) else {
        return "behind the entries";
    };
    match (at < start, is_sealed(&log[start..end])) {
        (true, _) => "length",
        // The version is the first field, and it counts up by one.
        (false, false) if at < start + 2 => "version, no checksum",
        (false, false) => "entry, no checksum",
        (false, true) if at >= end - SEAL_BYTES => "seal",
        (false, true) => "entry, sealed",
    }
}

fn cut_class(log: &[u8], length: usize) -> String {
    let whole = length == 0 || entries(log).iter().any(|(_, _, end)| *end == length);
    if whole { "cut between entries" } else { "cut in an entry" }.to_owned()
}

fn kvs_bytes(kvs: &[u8], at: usize) -> &'static str {
    let mut begin = 0;
    loop {
        for (length_class, class) in [("key length", "key"), ("value length", "value")] {
            let Some(length) = kvs.get(begin..).and_then(|rest| rest.first_chunk::<4>()) else { return "behind" };
            // The file is undamaged, hence no overflow.
            let length = u32::from_le_bytes(*length) as usize;
            if at < begin + 4 {
                return length_class;
            }
            begin += 4 + length;
            if at < begin {
                return class;
            }
        }
    }
}

fn row_class(family: &str, key: &[u8], height: u64) -> String {
    let of_height = |key: &[u8]| key.last_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let age = |at: u64| if at == height { "last" } else { "earlier" };
    match family {
        "misc" if key.starts_with(b"migration/") => "row misc of the migration".to_owned(),
        "meta" if key.starts_with(b"lattice/") => "row meta lattice".to_owned(),
        "meta" if key.starts_with(b"block/") => format!("row meta block, {} one", age(of_height(key))),
        "meta" => format!("row meta {}", String::from_utf8_lossy(key)),
        "handoff" | "journal" => format!("row {family}, {} one", age(of_height(key))),
        family => format!("row {family}"),
    }
}

fn row_bytes(family: &str, key: &[u8], value: &[u8], at: usize) -> &'static str {
    if states(family, key, value).iter().any(|range| range.contains(&at)) {
        return "lattice state";
    }
    match family {
        "account" | "code" | "storage" | "misc" => match at {
            0 => "format",
            1..9 => "height",
            _ => "value",
        },
        "meta" if key.starts_with(b"lattice/") => match at {
            ..2056 => "row count",
            _ => "byte count",
        },
        "meta" if key.starts_with(b"block/") => match at {
            0..32 => "app hash",
            32..64 => "root",
            64..72 => "height of the last handoff",
            _ => "commit info",
        },
        "meta" => "height",
        "handoff" if at >= value.len().saturating_sub(SEAL_BYTES) => "seal",
        "handoff" => "entry, sealed",
        _ => "any",
    }
}

/// Where a row holds lattice states: long runs of bytes that are all alike.
pub(crate) fn states(family: &str, key: &[u8], value: &[u8]) -> Vec<Range<usize>> {
    match family {
        "meta" if key.starts_with(b"lattice/") => std::iter::once(0..STATE_BYTES).collect(),
        "undo" => undo_states(value).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// The states in an undo record: u32 count | (lane | module | was present | lattice entry) × count | rows.
fn undo_states(record: &[u8]) -> Option<Vec<Range<usize>>> {
    let number = |at: usize| record.get(at..)?.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes) as usize);
    let mut states = Vec::new();
    let mut at = 4;
    for _ in 0..number(0)? {
        at += 1 + 4 + number(at + 1)?;
        let present = *record.get(at)? == 1;
        at += 1;
        if present {
            states.push(at + 4..at + 4 + STATE_BYTES);
            at += 4 + number(at)?;
        }
    }
    Some(states)
}
