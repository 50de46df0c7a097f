//! The disk under a home: what is on it for good, and what a power cut may or may not have let through.
//!
//! The model of the file system, on which every image rests:
//!
//! - **Bytes.** A successful `fsync` or `fdatasync` of a file puts all that was written to it before, and its length, on
//!   disk. Of what was not synced, any part may be there: each write by itself, in any order; single pages of 4 KiB of a
//!   write; the length without the bytes (zeros, or what stood there before); the beginning of the last write.
//! - **Names.** A successful `fsync` of a *directory* puts the names in it on disk: creations, renames, links, removals.
//!   Syncing a file does not put its name there. Of what was not synced, any part may be there, except that the changes of
//!   one name happen in their order, and a rename happens whole: nobody sees both names, or none.
//! - **Renames between two directories** are on disk once either of the two is synced: they are one transaction in every
//!   journalling file system.
//! - **A failed sync** of a file loses what it was for, also for every later one: the system holds those pages for clean, as
//!   Linux does. A failed sync of a directory puts nothing on disk, and a later one may.
//! - `sync_file_range` promises nothing. `fallocate` changes no byte, at most a length.
//! - A disk does not lie: what was synced is there, and bytes that nobody wrote to do not change.
//!
//! This is harsher than ext4 and XFS, which keep names in order and put a new file's name on disk with its first sync.
//! RocksDB relies on the latter: it points `CURRENT` to a manifest whose bytes it has synced and whose name it has not. So in
//! FlatKV's directory, and nowhere else, syncing a file for the first time puts its name on disk, as those file systems do.
//! It also takes for granted that of what was appended to a manifest and not synced a *beginning* is there, without holes;
//! its manifests are treated so. (A manifest with a hole at its end would be refused as damaged, never read wrongly.)
//! Its info log (`LOG`) is nobody's state: it is kept as it is, and two images that differ only in it count as one.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use crate::recording::Op;

/// A number of the file or directory.
pub(crate) type Ino = u64;

/// A change of a file's bytes that is not synced.
#[derive(Clone, Debug)]
pub(crate) enum DataOp {
    Write { offset: usize, data: Arc<[u8]> },
    Length(usize),
}

/// A change of bytes with its place in the order of all operations.
#[derive(Clone, Debug)]
pub(crate) struct PendingData {
    pub(crate) at: usize,
    pub(crate) op: DataOp,
}

/// A change of names that is not synced: what the named places hold afterwards.
#[derive(Clone, Debug)]
pub(crate) struct PendingName {
    pub(crate) at: usize,
    /// (directory, name, what stands there afterwards)
    pub(crate) changes: Vec<(Ino, String, Option<Ino>)>,
}

impl PendingName {
    /// One name was taken and another given in one.
    pub(crate) fn is_rename(&self) -> bool {
        self.changes.len() > 1
    }
}

/// Whose a file is, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Ours,
    RocksDb,
    /// RocksDB's list of its files.
    Manifest,
    /// RocksDB's info log.
    InfoLog,
}

impl Owner {
    /// The owner of the file that is made at `path`.
    pub(crate) fn of(path: &str) -> Self {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        match dir.rsplit('/').next().is_some_and(|dir| dir.starts_with("flatkv")) {
            true if name == "LOG" => Self::InfoLog,
            true if name.starts_with("MANIFEST-") => Self::Manifest,
            true => Self::RocksDb,
            false => Self::Ours,
        }
    }
}

/// What an inode is.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    File { durable: Arc<Vec<u8>>, pending: Vec<PendingData>, owner: Owner },
    Dir { durable: BTreeMap<String, Ino>, live: BTreeMap<String, Ino> },
    Link { target: String },
}

/// The disk at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    pub(crate) root: Ino,
    pub(crate) inodes: HashMap<Ino, Body>,
    pub(crate) names: Vec<PendingName>,
    /// The file of the last operation, if that was a write.
    pub(crate) last_write: Option<Ino>,
    at: usize,
}

const ROOT: Ino = 0;
/// The bit of numbers that no file has.
const UNNAMED: Ino = 1 << 63;

impl Disk {
    /// An empty home, on disk itself.
    pub(crate) fn empty() -> Self {
        let root = Body::Dir { durable: BTreeMap::new(), live: BTreeMap::new() };
        Self { root: ROOT, inodes: HashMap::from([(ROOT, root)]), names: Vec::new(), last_write: None, at: 0 }
    }

    /// Adds something that is on disk already.
    pub(crate) fn plant(&mut self, path: &str, ino: Ino, body: Body) -> Result<()> {
        let (parent, name) = self.parent(path)?;
        self.inodes.insert(ino, body);
        let Some(Body::Dir { durable, live }) = self.inodes.get_mut(&parent) else {
            bail!("no directory above {path}")
        };
        durable.insert(name.clone(), ino);
        live.insert(name, ino);
        Ok(())
    }

    /// Applies the next operation.
    pub(crate) fn apply(&mut self, op: &Op) -> Result<()> {
        self.at += 1;
        self.last_write = None;
        match op {
            Op::Create { ino, is_dir, path } => {
                let body = match is_dir {
                    true => Body::Dir { durable: BTreeMap::new(), live: BTreeMap::new() },
                    false => Body::File { durable: Arc::default(), pending: Vec::new(), owner: Owner::of(path) },
                };
                self.add(*ino, path, body)?;
            }
            Op::Symlink { ino, path, target } => self.add(*ino, path, Body::Link { target: target.clone() })?,
            Op::Link { ino, path } => {
                let (dir, name) = self.parent(path)?;
                self.change(vec![(dir, name, Some(*ino))])?;
            }
            Op::Unlink { path, .. } => {
                let (dir, name) = self.parent(path)?;
                self.change(vec![(dir, name, None)])?;
            }
            Op::Rename { ino, from, to } => {
                let ((from_dir, from), (to_dir, to)) = (self.parent(from)?, self.parent(to)?);
                self.change(vec![(from_dir, from, None), (to_dir, to, Some(*ino))])?;
            }
            Op::Write { ino, offset, data } => {
                self.pend(*ino, DataOp::Write { offset: *offset, data: Arc::clone(data) })?;
                self.last_write = Some(*ino);
            }
            Op::Truncate { ino, length } => self.pend(*ino, DataOp::Length(*length))?,
            Op::Allocate { keeps_size: true, .. } => {}
            Op::Allocate { ino, end, .. } => {
                if self.live_bytes(*ino)?.len() < *end {
                    self.pend(*ino, DataOp::Length(*end))?;
                }
            }
            Op::Sync { ino, .. } => self.sync(*ino)?,
            Op::FailedSync { ino } => self.let_go(*ino),
            Op::Marker { .. } | Op::Escape(_) => {}
        }
        Ok(())
    }

    fn add(&mut self, ino: Ino, path: &str, body: Body) -> Result<()> {
        if self.inodes.insert(ino, body).is_some() {
            bail!("the file system uses numbers of files again; put the scratch directory on a tmpfs: {path}");
        }
        let (dir, name) = self.parent(path)?;
        self.change(vec![(dir, name, Some(ino))])
    }

    fn change(&mut self, changes: Vec<(Ino, String, Option<Ino>)>) -> Result<()> {
        for (dir, name, after) in &changes {
            let Some(Body::Dir { live, .. }) = self.inodes.get_mut(dir) else { bail!("no directory {dir}") };
            match after {
                Some(ino) => live.insert(name.clone(), *ino),
                None => live.remove(name),
            };
        }
        self.names.push(PendingName { at: self.at, changes });
        Ok(())
    }

    fn pend(&mut self, ino: Ino, op: DataOp) -> Result<()> {
        let at = self.at;
        match self.inodes.get_mut(&ino) {
            Some(Body::File { durable, owner: Owner::InfoLog, .. }) => op.apply(Arc::make_mut(durable)),
            Some(Body::File { pending, .. }) => pending.push(PendingData { at, op }),
            _ => bail!("a write to something that was never created: ino={ino}"),
        }
        Ok(())
    }

    fn sync(&mut self, ino: Ino) -> Result<()> {
        let ino = if self.inodes.contains_key(&ino) { ino } else { self.root };
        match self.inodes.get_mut(&ino) {
            Some(Body::File { durable, pending, owner }) => {
                if !pending.is_empty() {
                    let bytes = Arc::make_mut(durable);
                    pending.drain(..).for_each(|pending| pending.op.apply(bytes));
                }
                if matches!(owner, Owner::RocksDb | Owner::Manifest) {
                    self.sync_creation(ino)?;
                }
            }
            Some(Body::Dir { .. }) => self.sync_names(|place| place.0 == ino)?,
            _ => bail!("a sync of something that was never created: ino={ino}"),
        }
        Ok(())
    }

    /// Behind a failed sync the system holds the pages for clean: no later sync brings them to the disk.
    fn let_go(&mut self, ino: Ino) {
        if let Some(Body::File { pending, .. }) = self.inodes.get_mut(&ino) {
            pending.clear();
        }
    }

    /// Puts the name on disk by which a file was made.
    fn sync_creation(&mut self, ino: Ino) -> Result<()> {
        let makes = |pending: &&PendingName| matches!(pending.changes.as_slice(), [(_, _, Some(made))] if *made == ino);
        let Some((dir, name, _)) = self.names.iter().find(makes).map(|pending| pending.changes[0].clone()) else {
            return Ok(());
        };
        self.sync_names(|place| place.0 == dir && place.1 == name && place.2 == Some(ino))
    }

    /// Puts on disk the changes of names that are `wanted`, and what must have happened before them.
    fn sync_names(&mut self, wanted: impl Fn(&(Ino, String, Option<Ino>)) -> bool) -> Result<()> {
        let mut places: Vec<(Ino, String)> = Vec::new();
        let mut due = vec![false; self.names.len()];
        for (index, pending) in self.names.iter().enumerate().rev() {
            let concerns = |place: &(Ino, String, Option<Ino>)| {
                wanted(place) || places.iter().any(|(dir, name)| (*dir, name) == (place.0, &place.1))
            };
            if pending.changes.iter().any(concerns) {
                due[index] = true;
                places.extend(pending.changes.iter().map(|(dir, name, _)| (*dir, name.clone())));
            }
        }
        let mut due = due.into_iter();
        let (now, later) = std::mem::take(&mut self.names).into_iter().partition(|_| due.next() == Some(true));
        self.names = later;
        let now: Vec<PendingName> = now;
        for (dir, name, after) in now.into_iter().flat_map(|pending| pending.changes) {
            let Some(Body::Dir { durable, .. }) = self.inodes.get_mut(&dir) else { bail!("no directory {dir}") };
            match after {
                Some(ino) => durable.insert(name, ino),
                None => durable.remove(&name),
            };
        }
        Ok(())
    }

    /// The directory that a path stands in, and its name there, as a running process sees it.
    fn parent(&self, path: &str) -> Result<(Ino, String)> {
        let mut parts: Vec<&str> = path.split('/').collect();
        let name = parts.pop().filter(|name| !name.is_empty()).with_context(|| format!("no name in {path:?}"))?;
        let mut dir = self.root;
        for part in parts {
            let Some(Body::Dir { live, .. }) = self.inodes.get(&dir) else { bail!("no directory above {path}") };
            dir = *live.get(part).with_context(|| format!("no directory {part} above {path}"))?;
        }
        Ok((dir, name.to_owned()))
    }

    /// The same disk after its files, as the process sees them, were put somewhere else, where they have the numbers `there`.
    /// What no name leads to any more keeps a number that no file has.
    pub(crate) fn moved(&self, there: &HashMap<String, Ino>) -> Result<Self> {
        let mut numbers: HashMap<Ino, Ino> = HashMap::from([(self.root, self.root)]);
        let mut dirs = vec![(self.root, String::new())];
        while let Some((dir, prefix)) = dirs.pop() {
            let Some(Body::Dir { live, .. }) = self.inodes.get(&dir) else { bail!("no directory {dir}") };
            for (name, ino) in live {
                let path = format!("{prefix}{name}");
                numbers.insert(*ino, *there.get(&path).with_context(|| format!("no number of {path}"))?);
                if let Some(Body::Dir { .. }) = self.inodes.get(ino) {
                    dirs.push((*ino, path + "/"));
                }
            }
        }
        let number = |ino: &Ino| numbers.get(ino).copied().unwrap_or(ino | UNNAMED);
        let map = |names: &BTreeMap<String, Ino>| names.iter().map(|(name, ino)| (name.clone(), number(ino))).collect();
        let body = |body: &Body| match body {
            Body::Dir { durable, live } => Body::Dir { durable: map(durable), live: map(live) },
            body => body.clone(),
        };
        let change =
            |(dir, name, after): &(Ino, String, Option<Ino>)| (number(dir), name.clone(), after.as_ref().map(number));
        let name = |pending: &PendingName| PendingName {
            at: pending.at,
            changes: pending.changes.iter().map(change).collect(),
        };
        Ok(Self {
            root: self.root,
            inodes: self.inodes.iter().map(|(ino, found)| (number(ino), body(found))).collect(),
            names: self.names.iter().map(name).collect(),
            last_write: None,
            at: self.at,
        })
    }

    fn live_bytes(&self, ino: Ino) -> Result<Vec<u8>> {
        let Some(Body::File { durable, pending, .. }) = self.inodes.get(&ino) else { bail!("no file {ino}") };
        let mut bytes = durable.to_vec();
        pending.iter().for_each(|pending| pending.op.apply(&mut bytes));
        Ok(bytes)
    }
}

impl DataOp {
    /// Applies the whole change.
    pub(crate) fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => write_at(bytes, *offset, data),
            Self::Length(length) => bytes.resize(*length, 0),
        }
    }
}

/// Writes as a file system does: a gap reads as zeros.
pub(crate) fn write_at(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(data);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Entry, Image};
    use crate::survivors::Survivors;

    fn disk(ops: &[Op]) -> Disk {
        let mut disk = Disk::empty();
        ops.iter().for_each(|op| disk.apply(op).expect("an operation"));
        disk
    }

    fn create(ino: u64, path: &str) -> Op {
        Op::Create { ino, is_dir: false, path: path.to_owned() }
    }

    fn write(ino: u64, offset: usize, data: &[u8]) -> Op {
        Op::Write { ino, offset, data: data.into() }
    }

    fn sync(ino: u64) -> Op {
        Op::Sync { ino, is_dir: ino == ROOT, thread: 1 }
    }

    fn rename(ino: u64, from: &str, to: &str) -> Op {
        Op::Rename { ino, from: from.to_owned(), to: to.to_owned() }
    }

    fn files(disk: &Disk, survivors: Survivors) -> Vec<(String, Vec<u8>)> {
        let image = Image::of(disk, survivors);
        let file = |(path, entry): &(String, Entry)| match entry {
            Entry::File { bytes, .. } => Some((path.clone(), bytes.to_vec())),
            _ => None,
        };
        image.entries.iter().filter_map(file).collect()
    }

    #[test]
    fn a_file_is_there_once_it_and_its_directory_are_synced() {
        let made = [create(7, "a"), write(7, 0, b"xy"), sync(7)];
        assert!(files(&disk(&made), Survivors::None).is_empty(), "its name is not");
        let named = [create(7, "a"), sync(ROOT), write(7, 0, b"xy")];
        assert_eq!(files(&disk(&named), Survivors::None), [("a".to_owned(), vec![])], "its bytes are not");
        let both = [made.as_slice(), &[sync(ROOT)]].concat();
        assert_eq!(files(&disk(&both), Survivors::None), [("a".to_owned(), b"xy".to_vec())]);
    }

    #[test]
    fn a_rename_is_seen_whole_or_not_at_all() {
        let before = [create(7, "a"), create(8, "b"), sync(ROOT)];
        let after = [before.as_slice(), &[rename(8, "b", "a")]].concat();
        let names = |survivors| files(&disk(&after), survivors).into_iter().map(|(path, _)| path).collect::<Vec<_>>();
        for seed in 0..200 {
            let names = names(Survivors::Random { seed });
            assert!(names == ["a", "b"] || names == ["a"], "{names:?}");
        }
        assert_eq!(names(Survivors::None), ["a", "b"]);
        assert_eq!(names(Survivors::All), ["a"]);
    }

    #[test]
    fn a_lost_rename_gives_the_name_back_without_what_was_removed_since() {
        let dir = |ino, path: &str| Op::Create { ino, is_dir: true, path: path.to_owned() };
        let sync_dir = |ino| Op::Sync { ino, is_dir: true, thread: 1 };
        let made = [dir(5, "snapshot"), create(7, "snapshot/a"), create(8, "snapshot/b"), sync_dir(5), sync(ROOT)];
        let removed = [rename(5, "snapshot", "tmp"), Op::Unlink { path: "tmp/a".to_owned() }];
        let names = |ops: &[Op]| {
            let files = files(&disk(ops), Survivors::Unrenamed);
            files.into_iter().map(|(path, _)| path).collect::<Vec<_>>()
        };
        assert_eq!(names(&[made.as_slice(), &removed].concat()), ["snapshot/b"]);
        let synced = [made.as_slice(), &removed[..1], &[sync(ROOT)], &removed[1..]].concat();
        assert_eq!(names(&synced), ["tmp/b"]);
    }

    #[test]
    fn a_name_that_was_not_made_cannot_be_renamed() {
        let ops = [create(7, "tmp"), rename(7, "tmp", "a")];
        for seed in 0..200 {
            let names: Vec<_> =
                files(&disk(&ops), Survivors::Random { seed }).into_iter().map(|(path, _)| path).collect();
            assert!(names.is_empty() || names == ["tmp"] || names == ["a"], "{names:?}");
        }
    }

    #[test]
    fn a_torn_write_leaves_its_beginning_and_what_was_written_before_it() {
        let ops = [create(7, "a"), write(7, 0, b"one"), write(7, 3, b"two")];
        assert_eq!(files(&disk(&ops), Survivors::Torn { bytes: 2 }), [("a".to_owned(), b"onetw".to_vec())]);
    }

    #[test]
    fn subsets_reach_holes_zeros_and_lost_names() {
        let ops = [create(7, "a"), sync(ROOT), write(7, 0, b"one"), write(7, 3, b"two"), create(8, "b")];
        let disk = disk(&ops);
        let mut seen: Vec<_> = (0..500).map(|seed| files(&disk, Survivors::Random { seed })).collect();
        seen.sort();
        seen.dedup();
        for a in [b"".as_slice(), b"one", b"\0\0\0two", b"\0\0\0\0\0\0", b"onetwo"] {
            assert!(seen.iter().any(|files| files[0].1 == a), "{a:?}");
        }
        assert!(seen.iter().any(|files| files.len() == 1) && seen.iter().any(|files| files.len() == 2));
    }
}
