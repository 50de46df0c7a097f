//! Opening: both stores are brought to one block, the mode is derived, and only then there is an [`Engine`].
//!
//! ```text
//! FlatKV has no block   the changelog is the truth: replay it
//! FlatKV at f           memiavl must stand at the last block that FlatKV handed to it (f, or where its last migration
//!                       ended): entries that FlatKV knows to be on disk are read; each later one is compared with its
//!                       handoff; from the first difference on the log is cut and appended from the handoffs, and synced
//! then                  replay; every root is compared with the one stored with its block
//! ```
//! All of it is idempotent: a crash at any moment leaves what the next opening starts from.

use std::collections::BTreeMap;
use std::sync::Arc;

use changeset::{CommitInfo, Handoff, Hash, History, LATTICE_STORE, NewStore, OldLog, OldStore, app_hash, open_entry};

use crate::commit::Committed;
use crate::engine::{Block, Config, Engine, ModeSetting, Places, make_manager};
use crate::error::Error;
use crate::metadata::Metadata;
use crate::mode::{LAST_VERSION, Mode};
use crate::publish::Publisher;
use crate::view::ViewState;
use crate::worker::Worker;

/// Both stores as they were found on disk, locked and not yet reconciled.
pub struct Found<L, V> {
    /// memiavl's directory; none if there is none.
    pub old: Option<L>,
    /// FlatKV, opened for reading; none if it has no committed block.
    pub new: Option<V>,
}

impl<O: OldStore, N: NewStore> Engine<O, N> {
    /// Reconciles the stores and opens the engine. FlatKV is only read until all is known to agree.
    ///
    /// # Errors
    /// Stores that no crash of ours can have left like this, roots that differ from what was committed, a mode that does
    /// not fit, I/O. Each says what to do.
    pub fn open<L: OldLog<Store = O>>(
        found: Found<L, N::View>,
        config: Config,
        places: Places<N>,
    ) -> Result<Self, Error> {
        let Found { old, new } = found;
        let new = new.filter(|new| new.span().is_some());
        let (old, seal) = match (old, &new) {
            (Some(log), None) => replay_alone(log)?,
            (Some(log), Some(new)) => (reconcile(log, new)?, None),
            (None, Some(new)) => (check_gone(new).map(|()| None)?, None),
            (None, None) => (None, None),
        };
        let metadata = new.as_ref().map(Metadata::read).transpose()?.unwrap_or_default();
        let heights = Heights { old: old.as_ref().map_or(0, OldStore::version), new: last_of(new.as_ref()) };
        let mode = derive_mode(config.mode, &metadata, heights)?;
        let old_rests = metadata.version.unwrap_or(0) >= LAST_VERSION || never_had_old(mode, &metadata);
        let last = last_block(old.as_ref(), new.as_ref())?;
        check_roots(&last, seal, old.as_ref(), new.as_ref(), old_rests)?;
        let manager = make_manager(mode, &config, old.as_ref(), new.as_ref())?;
        let moved = moved_so_far(new.as_ref())?;
        let Places { take_over, make_new, remove_old } = places;
        let new = new.map(take_over).transpose().map_err(Error::new("opening the store for writing"))?;
        let modules = modules_in_order(&config.modules);
        let empty = ViewState {
            height: last.height,
            mode,
            boundary: boundary::Boundary::NotStarted,
            commit_info: CommitInfo::default(),
            app_hash: [0; 32],
            modules: Arc::clone(&modules),
            old: None,
            new: None,
        };
        let mut engine = Self {
            publisher: Publisher::new(empty, config.views_max),
            old,
            new,
            make_new,
            remove_old,
            mode,
            modules,
            manager,
            old_rests,
            block: Block::default(),
            moved,
            poison: None,
            kill_hook: None,
            background: None,
            ahead: None,
            worker: Worker::start("ferry-beside"),
            freeing: Worker::start("ferry-freeing"),
            config,
        };
        let state = engine.view_state(last)?;
        let version = engine.metadata()?.version.unwrap_or(0);
        engine.config.observer.opened(&engine.block_report(&state, version)?);
        engine.publisher = Publisher::new(state, engine.config.views_max);
        let opened = engine.height();
        engine.start_syncing(opened)?;
        Ok(engine)
    }
}

fn last_of(new: Option<&impl History>) -> Option<u64> {
    new.and_then(History::span).map(|(_, last)| last)
}

/// memiavl's directory may be gone only if nothing needs it: FlatKV has noted its end, or the chain never had one.
fn check_gone(new: &impl History) -> Result<(), Error> {
    let reading = || Error::new("reading a note");
    match (new.retired().map_err(reading())?, new.last_handoff().map_err(reading())?) {
        (None, Some(height)) => Err(Error::OldMissing { height }),
        _ => Ok(()),
    }
}

fn modules_in_order(modules: &[String]) -> Arc<[String]> {
    let mut modules = modules.to_vec();
    modules.sort_unstable();
    modules.dedup();
    modules.into()
}

/// memiavl without FlatKV: its log is the truth. Also the app hash that the last entry's seal claims.
fn replay_alone<L: OldLog>(log: L) -> Result<(Option<L::Store>, Option<Hash>), Error> {
    let last = log.last_version();
    let entry = log.entry(last).map_err(Error::old("reading the changelog"))?;
    let seal = match entry {
        Some(bytes) => open_entry(&bytes).map_err(|source| Error::Entry { height: last, source })?.app_hash,
        None => None,
    };
    let store = log.replay().map_err(Error::old("replaying the changelog"))?;
    Ok((Some(store), seal))
}

/// Brings memiavl to the last block that FlatKV handed to it.
fn reconcile<L: OldLog>(mut log: L, new: &impl History) -> Result<Option<L::Store>, Error> {
    let reading = || Error::new("reading a handoff");
    let Some(target) = new.last_handoff().map_err(reading())? else {
        // A chain that was born in the last mode: it never had a memiavl, and what lies there is empty.
        return Ok(None);
    };
    let memiavl = log.last_version();
    if memiavl > target {
        return Err(Error::OldAhead { memiavl, flatkv: target });
    }
    let synced = new.changelog_synced().map_err(reading())?.min(target);
    let trusted = synced.min(memiavl);
    let mut missing = Vec::new();
    for height in trusted + 1..=target {
        let handoff = new.handoff(height).map_err(reading())?;
        let handoff = handoff.ok_or(Error::HandoffMissing { height, memiavl, flatkv: target })?;
        if missing.is_empty() && is_in_log(&log, &handoff)? {
            continue;
        }
        // Checked before the log is cut for it: of the two, the log may have the sound entry.
        let opened = open_entry(&handoff.entry).map_err(|source| Error::Entry { height, source })?;
        if u64::try_from(opened.entry.version) != Ok(height) {
            return Err(Error::HandoffMissing { height, memiavl, flatkv: target });
        }
        missing.push(handoff);
    }
    if let Some(first) = missing.first() {
        let at = first.version;
        tracing::warn!(from = at, to = target, "the changelog's tail was lost, taking it from the handoffs");
        log.truncate_after(at - 1).map_err(Error::old("cutting the changelog"))?;
        log.append(&missing).map_err(Error::old("appending handoffs to the changelog"))?;
    }
    log.replay().map(Some).map_err(Error::old("replaying the changelog"))
}

fn is_in_log<L: OldLog>(log: &L, handoff: &Handoff) -> Result<bool, Error> {
    let entry = log.entry(handoff.version).map_err(Error::old("reading the changelog"))?;
    Ok(entry.is_some_and(|bytes| bytes == handoff.entry))
}

/// Whether a chain in `mode` with these records was born with everything in FlatKV.
fn never_had_old(mode: Mode, metadata: &Metadata) -> bool {
    mode == Mode::FlatkvOnly && metadata.version.is_none()
}

/// How far each store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heights {
    /// memiavl's last version; 0 if it has none.
    pub old: u64,
    /// FlatKV's last version; none if it has no block.
    pub new: Option<u64>,
}

/// The mode that the records ask for, or the configured one if it fits them.
///
/// # Errors
/// Records that no migration leaves; a configured mode that does not fit them.
pub fn derive_mode(setting: ModeSetting, metadata: &Metadata, heights: Heights) -> Result<Mode, Error> {
    let version = metadata.version.unwrap_or(0);
    let in_flight = metadata.boundary.is_some();
    let resting = Mode::resting_at(version).ok_or(Error::UnknownVersion { got: version })?;
    if in_flight && version == LAST_VERSION {
        return Err(Error::BoundaryAtEnd { version });
    }
    // A chain that was born in a later mode has blocks in FlatKV and no records.
    let born_later = heights.new.filter(|_| *metadata == Metadata::default());
    match setting {
        ModeSetting::Auto => match born_later {
            Some(height) => Err(Error::ModeUnknown { height }),
            None if in_flight => Mode::migrating_from(version).ok_or(Error::BoundaryAtEnd { version }),
            None => Ok(resting),
        },
        ModeSetting::Fixed(mode) => {
            let later = mode.base_version() > 0;
            let leads_here = mode.migration().is_some_and(|(_, target)| target == version && !in_flight);
            let stands_here = mode.base_version() == version && (!in_flight || mode.migration().is_some());
            let fits = if born_later.is_some() { later } else { leads_here || stands_here };
            match heights.new {
                None if later && heights.old == 0 => Ok(mode),
                None if later => Err(Error::StateLeftBehind { mode, height: heights.old }),
                _ if fits => Ok(mode),
                _ => Err(Error::ModeMismatch { mode, version, in_flight }),
            }
        }
    }
}

/// Keys moved per module, as the last block's journal line has it.
fn moved_so_far(new: Option<&impl History>) -> Result<BTreeMap<String, u64>, Error> {
    let Some((new, (_, height))) = new.and_then(|new| Some((new, new.span()?))) else { return Ok(BTreeMap::new()) };
    let line = new.journal(height).map_err(Error::new("reading the journal"))?;
    let line = line.ok_or(Error::RecordMissing { height })?;
    Ok(line.moved.into_iter().map(|count| (count.module, count.keys)).collect())
}

/// The last committed block, as FlatKV recorded it, or as memiavl's roots say before FlatKV exists.
fn last_block(old: Option<&impl OldStore>, new: Option<&impl History>) -> Result<Committed, Error> {
    if let Some(new) = new
        && let Some((_, height)) = new.span()
    {
        let block = new.block(height).map_err(Error::new("reading the last block's record"))?;
        let (commit_info, app_hash) = block.ok_or(Error::RecordMissing { height })?;
        return Ok(Committed { height, commit_info, app_hash });
    }
    let height = old.map_or(0, OldStore::version);
    let roots = old.map(OldStore::committed_roots).transpose().map_err(Error::old("hashing the trees"))?;
    let roots = roots.unwrap_or_default();
    let commit_info = CommitInfo::new(height, roots.iter().map(|(name, hash)| (name.as_str(), *hash)));
    let app_hash = app_hash(&commit_info);
    Ok(Committed { height, commit_info, app_hash })
}

/// Compares every root with the one stored with its block.
fn check_roots(
    last: &Committed,
    seal: Option<Hash>,
    old: Option<&impl OldStore>,
    new: Option<&impl History>,
    old_rests: bool,
) -> Result<(), Error> {
    if let Some(expected) = seal
        && expected != last.app_hash
        && !is_cut_short(&expected, &last.app_hash)
    {
        return Err(Error::AppHashMismatch { height: last.height, expected, got: last.app_hash });
    }
    let Some(new) = new else { return Ok(()) };
    let computed = app_hash(&last.commit_info);
    if computed != last.app_hash {
        return Err(Error::AppHashMismatch { height: last.height, expected: last.app_hash, got: computed });
    }
    // An import leaves other roots than the commit info of its block has.
    let imported = standing(new, last.height)?;
    let stores = &imported.as_ref().unwrap_or(&last.commit_info).store_infos;
    let stored = |name: &str| {
        let store = stores.iter().find(|store| store.name == name);
        store.and_then(|store| Hash::try_from(store.commit_id.hash.as_ref()).ok())
    };
    let differs = |store: &str, expected, got| Error::RootMismatch {
        store: store.to_owned(),
        height: last.height,
        expected,
        got,
    };
    let (expected, got) = (stored(LATTICE_STORE), Some(new.committed_root()));
    if expected != got {
        return Err(differs(LATTICE_STORE, expected, got));
    }
    let old = match old {
        Some(old) if !old_rests => old,
        _ => return Ok(()),
    };
    let roots = old.committed_roots().map_err(Error::old("hashing the trees"))?;
    for (name, hash) in &roots {
        if stored(name) != Some(*hash) {
            return Err(differs(name, stored(name), Some(*hash)));
        }
    }
    let missing = |name: &str| name != LATTICE_STORE && !roots.iter().any(|(known, _)| known == name);
    match stores.iter().find(|store| missing(&store.name)) {
        Some(store) => Err(differs(&store.name, stored(&store.name), None)),
        None => Ok(()),
    }
}

/// Whether `stored` is `computed` but for a few zeros at its end: a power cut came before the last page of it was written. More of
/// them are found by who reads the log, and the entry is then no entry.
fn is_cut_short(stored: &Hash, computed: &Hash) -> bool {
    const ZEROS_MAX: usize = 8;
    let zeros = stored.iter().rev().take_while(|byte| **byte == 0).count();
    let written = stored.len() - zeros;
    (1..ZEROS_MAX).contains(&zeros) && stored[..written] == computed[..written]
}

/// The roots that the stores had after block `height` because of an import; none if they are those of its commit info.
pub(crate) fn standing(new: &impl History, height: u64) -> Result<Option<CommitInfo>, Error> {
    let imported = new.imported().map_err(Error::new("reading a note"))?;
    Ok(imported.filter(|imported| imported.version == height.cast_signed()))
}
