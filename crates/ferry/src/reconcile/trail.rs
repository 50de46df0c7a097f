//! The way from a sound snapshot of memiavl to its last block, entry by entry: which entries lead astray, and which source
//! has the right ones.
//!
//! ```text
//! for each block   the changelog's entry, the handoff that FlatKV keeps, either with the deletes of keys that have moved
//! proof            the roots behind it are those that the block's record has; before FlatKV exists, the seal's app hash
//! ```
//! A block whose record is gone proves nothing by itself; the last one proves the whole way.

use std::path::{Path, PathBuf};

use boundary::Boundary;
use bytes::Bytes;
use changeset::{
    AppHash, ChangelogEntry, CommitInfo, Hash, JournalLine, KvPair, NamedChangeSet, StoreErrorKind, app_hash,
    open_entry, seal_entry,
};
use memiavl::Retrace;
use memiavl_iter::{Snapshot, list_snapshots};
use migrate_core::{Mode, Route};

use super::anchor::{Anchor, Records, readable};
use crate::error::Error;

/// An entry that must take the place of the changelog's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replaced {
    pub(crate) height: u64,
    pub(crate) entry: Bytes,
    pub(crate) from: Origin,
}

/// Where an entry comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Changelog,
    Handoff,
    /// One of the two, with deletes of keys that its block moved and that it lacked.
    Completed,
}

/// A way that leads to the last block.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    /// The version of the snapshot that it begins with.
    pub(crate) base: u64,
    pub(crate) replaced: Vec<Replaced>,
    /// memiavl's roots at its end.
    pub(crate) roots: Vec<(String, Hash)>,
    /// The versions on the way whose roots are not those of the snapshot that claims them.
    pub(crate) astray: Vec<u64>,
}

/// What a step of a way is about.
pub(crate) struct Step<'s> {
    pub(crate) height: u64,
    pub(crate) before: &'s Retrace,
    pub(crate) entry: &'s ChangelogEntry,
}

/// Called at every step.
pub(crate) type Visit<'v> = dyn FnMut(&Step<'_>) -> Result<(), Error> + 'v;

/// A snapshot's version and directory.
pub(crate) type Found = (u64, PathBuf);

/// Why there is no way from a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoWay {
    pub(crate) base: u64,
    pub(crate) why: String,
}

/// Looks for ways.
pub(crate) struct Trail<'t> {
    pub(crate) records: &'t Records<'t>,
    pub(crate) anchor: &'t Anchor,
    /// Keys that are in memiavl and must have left it.
    pub(crate) residue: &'t [(String, Vec<u8>)],
}

struct Chosen {
    entry: ChangelogEntry,
    bytes: Bytes,
    origin: Origin,
    after: Retrace,
    roots: Vec<(String, Hash)>,
}

impl Trail<'_> {
    /// The snapshots up to memiavl's last block whose every record fits its hash, oldest first; and what is wrong with the
    /// others.
    pub(crate) fn sound_snapshots(&self) -> Result<(Vec<Found>, Vec<NoWay>), Error> {
        let (mut sound, mut damaged) = (Vec::new(), Vec::new());
        let dir = self.records.home.memiavl();
        // What lies behind the current one was left by a rewrite that nobody has seen the end of.
        let current = readable(memiavl::current_version(dir).map_err(Into::into))?.flatten();
        let last = self.anchor.memiavl.unwrap_or(0).min(current.unwrap_or(u64::MAX));
        let listed = if dir.is_dir() { list_snapshots(dir).map_err(memiavl::Error::from)? } else { Vec::new() };
        for (version, path) in listed.into_iter().filter(|(version, _)| *version <= last) {
            match Snapshot::open(&path).and_then(|snapshot| snapshot.verify()) {
                Ok(()) => sound.push((version, path)),
                Err(error) => damaged.push(NoWay { base: version, why: error.to_string() }),
            }
        }
        Ok((sound, damaged))
    }

    /// The way from the newest of `snapshots`, which are sound, that leads to the last block.
    pub(crate) fn find(&self, snapshots: &[(u64, PathBuf)]) -> Result<Result<Way, Vec<NoWay>>, Error> {
        let mut failed = Vec::new();
        for (version, path) in snapshots.iter().rev() {
            match self.walk(path, snapshots, &mut |_| Ok(()))? {
                Ok(way) => return Ok(Ok(way)),
                Err(why) => failed.push(NoWay { base: *version, why }),
            }
        }
        Ok(Err(failed))
    }

    /// Goes the way from the snapshot at `base` to the last block; why it leads nowhere, where it does not.
    pub(crate) fn walk(
        &self,
        base: &Path,
        snapshots: &[(u64, PathBuf)],
        visit: &mut Visit<'_>,
    ) -> Result<Result<Way, String>, Error> {
        let mut at = Retrace::begin(base)?;
        let last = self.anchor.memiavl.unwrap_or(0);
        let mut roots = at.roots()?;
        let mut way = Way { base: at.version(), replaced: Vec::new(), roots: Vec::new(), astray: Vec::new() };
        while at.version() < last {
            let height = at.next_version();
            let Some(chosen) = self.choose(&at, height)? else {
                return Ok(Err(format!(
                    "no source has an entry that leads to the roots stored with its block: height={height}"
                )));
            };
            visit(&Step { height, before: &at, entry: &chosen.entry })?;
            if chosen.origin != Origin::Changelog {
                way.replaced.push(Replaced { height, entry: chosen.bytes, from: chosen.origin });
            }
            if let Some((_, path)) = snapshots.iter().find(|(version, _)| *version == height)
                && !is_of(path, &chosen.roots)
            {
                way.astray.push(height);
            }
            (at, roots) = (chosen.after, chosen.roots);
        }
        if self.fits(last, &roots, None)? == Some(false) {
            return Ok(Err(format!("the roots are not those of the last block: height={last}")));
        }
        way.roots = roots;
        Ok(Ok(way))
    }

    /// The entry that leads from `at` to block `height`: one that is proven, or else the first that can be replayed at all.
    fn choose(&self, at: &Retrace, height: u64) -> Result<Option<Chosen>, Error> {
        let mut unproven = None;
        for (bytes, origin) in self.sources(height)? {
            let Ok(sealed) = open_entry(&bytes) else { continue };
            let after = match at.after(&sealed.entry) {
                // An entry that does not fit these trees is none of theirs.
                Err(error) if error.kind() != StoreErrorKind::Io => continue,
                after => after?,
            };
            let (after, roots) = after;
            let proven = self.fits(height, &roots, sealed.app_hash)?;
            let chosen = Chosen { entry: sealed.entry, bytes, origin, after, roots };
            match proven {
                Some(true) => return Ok(Some(chosen)),
                Some(false) => {}
                None => unproven = unproven.or(Some(chosen)),
            }
        }
        Ok(unproven)
    }

    /// Everything that may be the entry of block `height`.
    fn sources(&self, height: u64) -> Result<Vec<(Bytes, Origin)>, Error> {
        let log = match &self.records.log {
            Some(log) => readable(log.entry(height).map_err(|error| memiavl::Error::from(error).into()))?.flatten(),
            None => None,
        };
        let known = [(log, Origin::Changelog), (self.records.handoff(height)?, Origin::Handoff)];
        let mut sources: Vec<_> = known.into_iter().filter_map(|(bytes, origin)| Some((bytes?, origin))).collect();
        let left = self.left_by(height)?;
        if !left.is_empty()
            && let Some((_, app_hash)) = self.records.block(height)?
        {
            let completed: Vec<_> = sources.iter().filter_map(|(bytes, _)| complete(bytes, &left, app_hash)).collect();
            sources.extend(completed.into_iter().map(|bytes| (bytes, Origin::Completed)));
        }
        Ok(sources)
    }

    /// The residue that block `height` must have taken out.
    fn left_by(&self, height: u64) -> Result<Vec<&(String, Vec<u8>)>, Error> {
        let Some(flatkv) = self.records.flatkv.filter(|_| !self.residue.is_empty()) else { return Ok(Vec::new()) };
        let line = readable(flatkv.journal(height).map_err(Into::into))?.flatten();
        let Some(moved) = line.as_ref().and_then(MovedBy::line) else { return Ok(Vec::new()) };
        Ok(self.residue.iter().filter(|(module, key)| moved.has(module, key)).collect())
    }

    /// Whether `roots` are those behind block `height`; none where nothing tells.
    fn fits(&self, height: u64, roots: &[(String, Hash)], seal: Option<AppHash>) -> Result<Option<bool>, Error> {
        let is_last = height == self.anchor.memiavl.unwrap_or(0);
        if let Some(expected) = self.records.roots_of(height)? {
            return Ok(Some(expected == roots));
        }
        let alone = self.records.flatkv.is_none_or(|flatkv| flatkv.first_version().is_none_or(|first| height < first));
        let hash = || app_hash(&CommitInfo::new(height, roots.iter().map(|(name, hash)| (name.as_str(), *hash))));
        Ok(match (alone, is_last, seal) {
            (true, true, _) => Some(hash() == self.anchor.app_hash),
            (true, false, Some(seal)) => Some(hash() == seal),
            _ => None,
        })
    }
}

/// The keys that a block moved, by its line of the journal.
pub(crate) struct MovedBy {
    from: Boundary,
    to: Boundary,
    mode: Mode,
}

impl MovedBy {
    /// None for a line that moved nothing, or that does not tell.
    pub(crate) fn line(line: &JournalLine) -> Option<Self> {
        if line.keys == 0 {
            return None;
        }
        let decode = |record: &Bytes| Boundary::decode(record).ok();
        let from = if line.boundary_from.is_empty() { Boundary::NotStarted } else { decode(&line.boundary_from)? };
        // A block that moves keys and leaves no boundary has raised the version.
        let (to, version) = match line.boundary.is_empty() {
            true => (Boundary::Complete, line.version.checked_sub(1)?),
            false => (decode(&line.boundary)?, line.version),
        };
        Some(Self { from, to, mode: Mode::migrating_from(version)? })
    }

    pub(crate) fn has(&self, module: &str, key: &[u8]) -> bool {
        self.mode.route(module) == Route::Moving
            && self.to.is_migrated(module, key)
            && !self.from.is_migrated(module, key)
    }
}

/// The entry with deletes of `left`, sealed; none if it does not open or has them all.
fn complete(bytes: &[u8], left: &[&(String, Vec<u8>)], app_hash: AppHash) -> Option<Bytes> {
    let mut entry = open_entry(bytes).ok()?.entry;
    let mut is_changed = false;
    for (module, key) in left {
        let at = match entry.changesets.iter().position(|set| set.name == *module) {
            Some(at) => at,
            None => {
                let at = entry.changesets.iter().position(|set| set.name > *module).unwrap_or(entry.changesets.len());
                entry.changesets.insert(at, NamedChangeSet::new(module.as_str(), Vec::new()));
                at
            }
        };
        let mut pairs = entry.changesets[at].pairs().to_vec();
        if pairs.iter().all(|pair| pair.key != key.as_slice()) {
            let place = pairs.iter().position(|pair| pair.key > key.as_slice()).unwrap_or(pairs.len());
            pairs.insert(place, KvPair::delete(Bytes::copy_from_slice(key)));
            entry.changesets[at] = NamedChangeSet::new(module.as_str(), pairs);
            is_changed = true;
        }
    }
    is_changed.then(|| seal_entry(&entry, app_hash))
}

fn is_of(snapshot: &Path, roots: &[(String, Hash)]) -> bool {
    Snapshot::open(snapshot).is_ok_and(|snapshot| {
        snapshot
            .trees()
            .iter()
            .map(|(name, tree)| (name.as_str(), tree.root_hash()))
            .eq(roots.iter().map(|(name, root)| (name.as_str(), *root)))
    })
}
