//! An image: the tree of files that a power cut leaves, its identity, and putting it somewhere.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};

use crate::disk::{Body, Disk, Ino, Owner};
use crate::survivors::{Choice, Survivors};

/// What stands at a path.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Dir,
    File { ino: Ino, bytes: Arc<Vec<u8>> },
    Link { target: String },
}

/// A tree; each directory stands before what is in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    pub(crate) entries: Vec<(String, Entry)>,
}

impl Image {
    /// What is left of `disk`.
    pub(crate) fn of(disk: &Disk, survivors: Survivors) -> Self {
        let mut choice = Choice::new(disk, survivors);
        let mut names: HashMap<(Ino, &str), Option<Ino>> = HashMap::new();
        for pending in choice.names() {
            for (dir, name, after) in &pending.changes {
                names.insert((*dir, name), *after);
            }
        }
        let mut image = Self::default();
        let mut contents = HashMap::new();
        image.walk(disk, disk.root, "", &names, &mut choice, &mut contents);
        image
    }

    fn walk(
        &mut self,
        disk: &Disk,
        dir: Ino,
        prefix: &str,
        names: &HashMap<(Ino, &str), Option<Ino>>,
        choice: &mut Choice<'_>,
        contents: &mut HashMap<Ino, Arc<Vec<u8>>>,
    ) {
        let Some(Body::Dir { durable, .. }) = disk.inodes.get(&dir) else { return };
        let mut entries = durable.clone();
        let changed = names.iter().filter(|((at, _), _)| *at == dir);
        for ((_, name), after) in changed {
            match after {
                Some(ino) => entries.insert((*name).to_owned(), *ino),
                None => entries.remove(*name),
            };
        }
        for (name, ino) in entries {
            let path = format!("{prefix}{name}");
            match disk.inodes.get(&ino) {
                Some(Body::Dir { .. }) => {
                    self.entries.push((path.clone(), Entry::Dir));
                    self.walk(disk, ino, &format!("{path}/"), names, choice, contents);
                }
                Some(Body::File { durable, pending, owner }) => {
                    let bytes = contents.entry(ino).or_insert_with(|| match pending.is_empty() {
                        true => Arc::clone(durable),
                        false if *owner == Owner::Manifest => Arc::new(choice.beginning(ino, durable, pending)),
                        false => Arc::new(choice.bytes(ino, durable, pending)),
                    });
                    self.entries.push((path, Entry::File { ino, bytes: Arc::clone(bytes) }));
                }
                Some(Body::Link { target }) => self.entries.push((path, Entry::Link { target: target.clone() })),
                None => {}
            }
        }
    }

    /// The image's identity: its names and bytes, RocksDB's info logs left out.
    pub(crate) fn id(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        let mut put = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        for (path, entry) in &self.entries {
            if is_info_log(path) {
                continue;
            }
            put(path.as_bytes());
            match entry {
                Entry::Dir => put(b"d"),
                Entry::File { bytes, .. } => put(bytes),
                Entry::Link { target } => put(target.as_bytes()),
            }
        }
        *hasher.finalize().as_bytes()
    }

    /// Writes the image into `home`, which it replaces.
    pub(crate) fn put(&self, home: &Path) -> Result<()> {
        clear(home)?;
        let mut first: HashMap<Ino, &str> = HashMap::new();
        for (path, entry) in &self.entries {
            let at = home.join(path);
            let done = match entry {
                Entry::Dir => fs::create_dir(&at),
                Entry::Link { target } => symlink(target, &at),
                Entry::File { ino, bytes } => match first.get(ino) {
                    Some(other) => fs::hard_link(home.join(other), &at),
                    None => {
                        first.insert(*ino, path);
                        fs::write(&at, bytes.as_slice())
                    }
                },
            };
            done.with_context(|| format!("cannot put {path} of an image"))?;
        }
        Ok(())
    }

    /// Reads the tree below `home`.
    pub(crate) fn read(home: &Path) -> Result<Self> {
        let mut image = Self::default();
        image.read_dir(home, "")?;
        Ok(image)
    }

    fn read_dir(&mut self, dir: &Path, prefix: &str) -> Result<()> {
        use std::os::unix::fs::MetadataExt;
        let mut names = Vec::new();
        for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        for name in names {
            let (at, path) = (dir.join(&name), format!("{prefix}{name}"));
            let found = fs::symlink_metadata(&at)?;
            if found.is_dir() {
                self.entries.push((path.clone(), Entry::Dir));
                self.read_dir(&at, &format!("{path}/"))?;
            } else if found.is_symlink() {
                let target = fs::read_link(&at)?.to_string_lossy().into_owned();
                self.entries.push((path, Entry::Link { target }));
            } else {
                self.entries.push((path, Entry::File { ino: found.ino(), bytes: Arc::new(fs::read(&at)?) }));
            }
        }
        Ok(())
    }

    /// The first path at which two trees differ, info logs included.
    pub(crate) fn difference(&self, other: &Self) -> Option<String> {
        let same = |a: &(String, Entry), b: &(String, Entry)| {
            a.0 == b.0
                && match (&a.1, &b.1) {
                    (Entry::Dir, Entry::Dir) => true,
                    (Entry::File { bytes: a, .. }, Entry::File { bytes: b, .. }) => a == b,
                    (Entry::Link { target: a }, Entry::Link { target: b }) => a == b,
                    _ => false,
                }
        };
        let length = self.entries.len().max(other.entries.len());
        (0..length).find_map(|at| match (self.entries.get(at), other.entries.get(at)) {
            (Some(a), Some(b)) if same(a, b) => None,
            (a, b) => a.or(b).map(|(path, _)| path.clone()),
        })
    }

    /// The disk on which this image is all there is, when its files have these numbers.
    pub(crate) fn disk(&self, numbers: &HashMap<String, Ino>) -> Result<Disk> {
        let mut disk = Disk::empty();
        for (path, entry) in &self.entries {
            let body = match entry {
                Entry::Dir => Body::Dir { durable: Default::default(), live: Default::default() },
                Entry::File { bytes, .. } => {
                    Body::File { durable: Arc::clone(bytes), pending: Vec::new(), owner: Owner::of(path) }
                }
                Entry::Link { target } => Body::Link { target: target.clone() },
            };
            disk.plant(path, *numbers.get(path).with_context(|| format!("no number of {path}"))?, body)?;
        }
        Ok(disk)
    }

    /// The numbers that the image's files have at `home`.
    pub(crate) fn numbers(&self, home: &Path) -> Result<HashMap<String, Ino>> {
        use std::os::unix::fs::MetadataExt;
        let number = |(path, _): &(String, Entry)| Ok((path.clone(), fs::symlink_metadata(home.join(path))?.ino()));
        self.entries.iter().map(number).collect()
    }
}

fn is_info_log(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name == "LOG" || name.starts_with("LOG.old.")
}

/// Makes `home` an empty directory.
pub(crate) fn clear(home: &Path) -> Result<()> {
    if home.exists() {
        fs::remove_dir_all(home).with_context(|| format!("cannot clear {}", home.display()))?;
    }
    fs::create_dir_all(home).with_context(|| format!("cannot make {}", home.display()))
}
