//! What a directory holds, found out by reading alone.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use rocksdb::DB;

use crate::error::{FlatKvError, Result};
use crate::lane::Lane;
use crate::options::{FORMAT, family_names, format_of};

/// What a directory holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Probe {
    /// Nothing, or there is no such directory.
    Missing,
    /// A store of ours without a committed block; it can be removed.
    Leftover,
    /// A store of ours.
    Ours {
        /// Its format version.
        format: u32,
    },
    /// The reference's Pebble store.
    Pebble {
        /// The file that gave it away.
        seen: PathBuf,
    },
    /// Something else.
    Foreign {
        /// A file or column family that gave it away.
        seen: PathBuf,
    },
}

/// Finds out what `dir` holds. Reads, repairs and writes nothing.
///
/// # Errors
/// I/O; a store of ours that lacks parts.
pub fn probe(dir: &Path) -> Result<Probe> {
    match shape(dir)? {
        Shape::Known(found) => Ok(found),
        Shape::Unread => Ok(match crate::open::has_block(dir)? {
            true => Probe::Ours { format: FORMAT },
            false => Probe::Leftover,
        }),
    }
}

/// What the names in a directory tell.
pub(crate) enum Shape {
    /// All there is to know.
    Known(Probe),
    /// A store of ours whose write-ahead log must be read to tell whether it has a block.
    Unread,
}

/// Finds out what the names in `dir` tell.
pub(crate) fn shape(dir: &Path) -> Result<Shape> {
    let known = |found| Ok(Shape::Known(found));
    let names = match list(dir) {
        Ok(names) => names,
        Err(error) if error.kind() == ErrorKind::NotFound => return known(Probe::Missing),
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            return known(Probe::Foreign { seen: dir.to_owned() });
        }
        Err(source) => return Err(FlatKvError::Io { operation: "list", path: dir.to_owned(), source }),
    };
    if names.is_empty() {
        return known(Probe::Missing);
    }
    if let Some(seen) = pebble_mark(dir, &names) {
        return known(Probe::Pebble { seen });
    }
    if names.contains("CURRENT") { rocksdb_shape(dir, &names) } else { probe_unfinished(dir, &names).map(Shape::Known) }
}

pub(crate) fn list(dir: &Path) -> std::io::Result<BTreeSet<String>> {
    fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// A file that only the reference's store has: its own layout (a symbolic link to a snapshot, a working copy, a base file),
/// or in a database of it Pebble's marker files, or Pebble's name in the options file.
fn pebble_mark(dir: &Path, names: &BTreeSet<String>) -> Option<PathBuf> {
    let of_layout = |name: &&String| {
        ["current", "working", "SNAPSHOT_BASE"].contains(&name.as_str()) || name.starts_with("snapshot-")
    };
    if let Some(name) = names.iter().find(of_layout).or_else(|| database_mark(dir, names)) {
        return Some(dir.join(name));
    }
    Lane::ALL.into_iter().find_map(|lane| {
        let database = dir.join(lane.name());
        let names = list(&database).ok()?;
        database_mark(&database, &names).map(|name| database.join(name))
    })
}

fn database_mark<'a>(dir: &Path, names: &'a BTreeSet<String>) -> Option<&'a String> {
    let is_marker = |name: &&String| name.starts_with("marker.");
    let is_pebbles = |name: &&String| name.starts_with("OPTIONS-") && names_pebble(&dir.join(name.as_str()));
    names.iter().find(is_marker).or_else(|| names.iter().find(is_pebbles))
}

/// Whether an options file is Pebble's; it says so in its first lines.
fn names_pebble(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(4096).read_to_end(&mut head));
    read.is_ok() && head.windows(14).any(|window| window == b"pebble_version")
}

/// A directory that RocksDB has finished creating a database in.
fn rocksdb_shape(dir: &Path, names: &BTreeSet<String>) -> Result<Shape> {
    crate::log_tail::check_manifest(dir)?;
    let found = DB::list_cf(&rocksdb::Options::default(), dir).map_err(|source| FlatKvError::RocksDb {
        operation: "list column families",
        path: dir.to_owned(),
        source,
    })?;
    if let Some(format) = found.iter().find_map(|name| format_of(name)).filter(|format| *format != FORMAT) {
        return Ok(Shape::Known(Probe::Ours { format }));
    }
    let ours: BTreeSet<String> = family_names().collect();
    if let Some(stranger) = found.iter().find(|name| !ours.contains(*name)) {
        return Ok(Shape::Known(Probe::Foreign { seen: dir.join(stranger) }));
    }
    let is_whole = found.len() == ours.len();
    match (data(dir, names)?, is_whole) {
        (Data::None, _) => Ok(Shape::Known(Probe::Leftover)),
        (Data::Log, true) => Ok(Shape::Unread),
        (_, true) => Ok(Shape::Known(Probe::Ours { format: FORMAT })),
        // A database that has nothing but RocksDB's own family, and rows in it, was never one of ours.
        (_, false) if found.len() == 1 => Ok(Shape::Known(Probe::Foreign { seen: dir.join(&found[0]) })),
        (_, false) => Err(FlatKvError::Disagree {
            what: "column families",
            expected: ours.len().to_string(),
            got: found.len().to_string(),
        }),
    }
}

/// A directory without a `CURRENT` file: a creation that was interrupted, or no database.
fn probe_unfinished(dir: &Path, names: &BTreeSet<String>) -> Result<Probe> {
    if let Some(stranger) = names.iter().find(|name| !is_rocksdbs(name)) {
        return Ok(Probe::Foreign { seen: dir.join(stranger) });
    }
    match data(dir, names)? {
        Data::None => Ok(Probe::Leftover),
        Data::Log | Data::Tables => Err(FlatKvError::Disagree {
            what: "CURRENT file",
            expected: "present beside tables and logs".to_owned(),
            got: "absent".to_owned(),
        }),
    }
}

/// Whether RocksDB gives files such names.
pub(crate) fn is_rocksdbs(name: &str) -> bool {
    let fixed = ["LOCK", "LOG", "IDENTITY", "CURRENT"].contains(&name);
    let prefixed = ["LOG.old.", "MANIFEST-", "OPTIONS-"].iter().any(|prefix| name.starts_with(prefix));
    let suffixed = [".dbtmp", ".log", ".sst"].iter().any(|suffix| name.ends_with(suffix));
    fixed || prefixed || suffixed
}

/// Where a database keeps what was written to it.
enum Data {
    /// Nothing was written.
    None,
    /// In write-ahead logs alone, whose records may be torn.
    Log,
    /// In tables, which exist only for what was written whole.
    Tables,
}

fn data(dir: &Path, names: &BTreeSet<String>) -> Result<Data> {
    if names.iter().any(|name| name.ends_with(".sst")) {
        return Ok(Data::Tables);
    }
    for name in names.iter().filter(|name| name.ends_with(".log")) {
        let path = dir.join(name);
        match fs::metadata(&path) {
            Ok(file) if file.len() > 0 => return Ok(Data::Log),
            Ok(_) => {}
            Err(source) => return Err(FlatKvError::Io { operation: "stat", path, source }),
        }
    }
    Ok(Data::None)
}
